// Text that was UTF-8, was taken for Windows-1252, and so has two to four characters where one was meant (`schÃ¶n`): the sequences that can
// only have come about in this way are decoded again. In: any text. Out: the text as it was meant, or the same.

/** What Windows-1252 has at 0x80 to 0x9f, where ISO 8859-1 has controls; at a point it has nothing. Decoders of some systems take one for the other. */
const signs =
  "\u20ac.\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152.\u017d..\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153.\u017e\u0178";
/** The sign for a byte from 0x80 to 0x9f; a byte without one stands for the control of the same number. */
export const windowsSign = (byte: number): string => (signs[byte - 0x80] === "." ? String.fromCharCode(byte) : signs[byte - 0x80]!);
const characters = Array.from({ length: 256 }, (_, byte) => (byte < 0x80 || byte > 0x9f ? String.fromCharCode(byte) : windowsSign(byte)));
const bytes = new Map(characters.map((character, byte) => [character, byte]));
// Both readings occur, even in one text.
for (let byte = 0x80; byte < 0xa0; byte++) bytes.set(String.fromCharCode(byte), byte);

const escaped = (from: number, to: number): string =>
  [...bytes]
    .filter(([, byte]) => byte >= from && byte <= to)
    .map(([character]) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
const follows = `[${escaped(0x80, 0xbf)}]`;
/** What may stand behind a capital of a real text: closing quotes, dashes, an ellipsis, a bullet, a trade mark, a space that does not break. */
const plausible = "\u2018\u2019\u201a\u201c\u201d\u201e\u2013\u2014\u2026\u2022\u2122\u00a0\u00bb\u00ab\u203a\u2039";
const follows2 = `(?![${plausible}])${follows}`;
const sequence = new RegExp(
  [`[\\u00c2\\u00c3]${follows}`, `[\\u00c4-\\u00df]${follows2}`, `[\\u00e0-\\u00ef]${follows}{2}`, `[\\u00f0-\\u00f4]${follows}{3}`].join(
    "|",
  ),
  "gu",
);

function decoded(text: string): string {
  const raw = Uint8Array.from(text, (character) => bytes.get(character)!);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return text;
  }
}

/** Decodes what was encoded twice, as often as it was. */
export function repairEncoding(text: string): string {
  for (let before = text; ; ) {
    const after = before.replace(sequence, decoded);
    if (after === before) return after;
    before = after;
  }
}
