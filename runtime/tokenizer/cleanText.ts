import { decodeHTML, decodeHTMLStrict } from "entities";
import { repairEncoding, windowsSign } from "./mojibake.ts";

// The cleaning that CLIP's tokenizer does before it splits: text is repaired (entities, wrong encodings, ligatures, widths, quotes, controls),
// entities are decoded twice more, white space becomes single spaces, letters become small.

const ligatures: Readonly<Record<string, string>> = {
  "\u0132": "IJ",
  "\u0133": "ij",
  "\u0149": "\u02bcn",
  "\u01f1": "DZ",
  "\u01f2": "Dz",
  "\u01f3": "dz",
  "\u01c4": "D\u017d",
  "\u01c5": "D\u017e",
  "\u01c6": "d\u017e",
  "\u01c7": "LJ",
  "\u01c8": "Lj",
  "\u01c9": "lj",
  "\u01ca": "NJ",
  "\u01cb": "Nj",
  "\u01cc": "nj",
  "\ufb00": "ff",
  "\ufb01": "fi",
  "\ufb02": "fl",
  "\ufb03": "ffi",
  "\ufb04": "ffl",
  "\ufb05": "\u017ft",
  "\ufb06": "st",
};
const ligature = new RegExp(`[${Object.keys(ligatures).join("")}]`, "gu");
/** The wide space, and the forms of half and full width. */
const widths = /[\u3000\uff01-\uffef]+/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what is looked for
const controls = /[\u0000-\u0008\u000b\u000e-\u001f\u007f\u206a-\u206f\ufeff\ufff9-\ufffc]/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's escapes begin with one
const terminalEscapes = /\u001b\[[\d;]*[a-zA-Z]/gu;
const lineBreaks = /\r\n|[\r\u0085\u2028\u2029]/gu;
/** Controls that are signs of Windows-1252 read as ISO 8859-1. */
const highControls = /[\u0080-\u009f]/gu;
const loneSurrogates = /[\ud800-\udfff]/gu;
const singleQuotes = /[\u02bc\u2018-\u201b]/gu;
const doubleQuotes = /[\u201c-\u201f]/gu;

/** Repairs a text that went through the wrong hands. What is fine stays as it is. */
function repairText(text: string): string {
  let before = text;
  for (;;) {
    // Where there are tags the text is markup, and its entities belong to it.
    let after = before.includes("<") ? before : decodeHTMLStrict(before);
    after = after.replace(terminalEscapes, "");
    after = repairEncoding(after);
    after = after.replace(highControls, (c) => (c === "\u0085" ? c : windowsSign(c.charCodeAt(0))));
    after = after
      .replace(ligature, (c) => ligatures[c]!)
      .replace(widths, (wide) => wide.normalize("NFKC"))
      .replace(singleQuotes, "'")
      .replace(doubleQuotes, '"')
      .replace(lineBreaks, "\n")
      .replace(loneSurrogates, "\ufffd")
      .replace(controls, "")
      .normalize("NFC");
    if (after === before) return after;
    before = after;
  }
}

/** A text as the tokenizer splits it. */
export function cleanText(text: string): string {
  const repaired = decodeHTML(decodeHTML(repairText(text)));
  return repaired.trim().replace(/\s+/gu, " ").trim().toLowerCase();
}
