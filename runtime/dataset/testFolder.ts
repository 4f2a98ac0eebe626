// Small folders of pictures for the tests of this folder: what a picture shows follows from its subject and number.
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";

export const side = 4;

/** A flat picture whose red is the subject, green the view. */
export function flatPicture(subject: number, view: number, width = side, height = side): Promise<Buffer> {
  const background = { r: subject * 20, g: view * 20, b: 255 };
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

/** `subjects` folders s0, s1, … of `views` pictures with masks; returns the root. */
export async function makeFolder(subjects: number, views: number): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "ada-dataset-"));
  const mask = await sharp({ create: { width: side, height: side, channels: 3, background: "white" } })
    .toColourspace("b-w")
    .png()
    .toBuffer();
  for (let s = 0; s < subjects; s++) {
    await mkdir(join(root, `s${s}`));
    for (let v = 0; v < views; v++) {
      await writeFile(join(root, `s${s}`, `0000${v}.png`), await flatPicture(s, v));
      await writeFile(join(root, `s${s}`, `0000${v}_mask.png`), mask);
    }
  }
  return root;
}
