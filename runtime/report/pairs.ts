import { basename, dirname } from "node:path";
import sharp from "sharp";
import type { Pair, Verification } from "../train/verification.ts";
import { escaped } from "./page.ts";

// Example pairs of a verification, as pictures side by side with their cosine.

/** The longest side of a picture in the report. */
const side = 112;

/** A picture as a data URI; null when it cannot be read any more. */
async function pictureUri(path: string): Promise<string | null> {
  try {
    const png = await sharp(path).resize(side, side, { fit: "inside", withoutEnlargement: true }).png({ compressionLevel: 9 }).toBuffer();
    return `data:image/png;base64,${png.toString("base64")}`;
  } catch {
    return null;
  }
}

/** `subject 00003`: which picture it is. */
const nameOf = (path: string): string => `${basename(dirname(path))} ${basename(path).replace(/\.[^.]*$/, "")}`;

async function pairMarkup(pair: Pair, right: boolean, fileOf: (row: number) => string): Promise<string> {
  const images = await Promise.all(
    [pair.a, pair.b].map(async (row) => {
      const path = fileOf(row);
      const uri = await pictureUri(path);
      return `<img alt="${escaped(nameOf(path))}" title="${escaped(nameOf(path))}"${uri === null ? "" : ` src="${uri}"`}>`;
    }),
  );
  const who = pair.same ? "one person" : "two people";
  return `<div class="pair ${right ? "good" : "bad"}"><div>${images.join("")}</div><p><span>${who}</span><b>${pair.cosine.toFixed(3)}</b></p></div>`;
}

const groups = [
  { key: "hits", right: true, title: "Taken for one person, rightly", note: "drawn at random" },
  { key: "rejections", right: true, title: "Told apart, rightly", note: "drawn at random" },
  { key: "falseAccepts", right: false, title: "Two people taken for one", note: "the highest cosines first" },
  { key: "falseRejections", right: false, title: "One person taken for two", note: "the lowest cosines first" },
] as const;

/** The example pairs of a verification, right and wrong. */
export async function pairGrid(verification: Verification, fileOf: (row: number) => string): Promise<string> {
  const sections = await Promise.all(
    groups.map(async ({ key, right, title, note }) => {
      const pairs = verification.examples[key];
      const body =
        pairs.length === 0
          ? `<p class="note">There are none.</p>`
          : `<div class="pairs">${(await Promise.all(pairs.map((pair) => pairMarkup(pair, right, fileOf)))).join("")}</div>`;
      return `<h3>${title} <span class="note">${pairs.length === 0 ? "" : `(${note})`}</span></h3>${body}`;
    }),
  );
  return sections.join("\n");
}
