import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import sharp, { type Sharp } from "sharp";
import { type Checked, fail, good, readError, realFiles, replaceFile, writeError } from "../checkpoint/files.ts";
import { planar } from "../dataset/bytes.ts";

// Pictures of a walk: files as numbers from -1 to 1, [channel, row, column], and back. A file is written whole or not at all.

export interface Picture {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Reads a picture of any size, in colours. */
export async function readPicture(file: string): Promise<Checked<Picture>> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    return readError(file, error);
  }
  try {
    const image = sharp(bytes, { failOn: "error" }).removeAlpha().toColourspace("srgb");
    const { data, info } = await image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    return good({ shape: [channels, height, width], data: new Float32Array(planar(data, channels)).map((byte) => byte / 127.5 - 1) });
  } catch (error) {
    const first = (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
    return fail("unreadable", `${file} is no readable picture: ${first}`, "remove it, or put a whole file in its place");
  }
}

/** The pictures of a tensor [n, c, h, w] or [c, h, w]. */
export function picturesOf({ shape, data }: Picture): Picture[] {
  const each = shape.slice(-3);
  const size = each.reduce((a, b) => a * b, 1);
  return Array.from({ length: data.length / size }, (_, i) => ({ shape: each, data: data.subarray(i * size, (i + 1) * size) }));
}

const encoders: Readonly<Record<string, (image: Sharp) => Sharp>> = {
  png: (image) => image.png(),
  jpg: (image) => image.jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  jpeg: (image) => image.jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  webp: (image) => image.webp({ quality: 95 }),
};

/** Writes one picture; its ending says how. Numbers outside of -1 to 1 become the nearest that there is. */
export async function writePicture({ shape, data }: Picture, file: string): Promise<Checked<null>> {
  const encode = encoders[path.extname(file).slice(1).toLowerCase()];
  if (encode === undefined)
    return fail("unwritable", `${file} ends in none of ${Object.keys(encoders).join(", ")}`, "end the path of `write` in one of them");
  const broken = data.findIndex((x) => !Number.isFinite(x));
  if (broken >= 0)
    return fail(
      "unwritable",
      `the picture for ${file} holds ${data[broken]}`,
      "look for the value that is no number: a weight, a division",
    );
  const [channels, height, width] = shape as [1 | 3, number, number];
  const plane = height * width;
  const bytes = Buffer.alloc(channels * plane);
  for (let c = 0, from = 0; c < channels; c++)
    for (let to = c; to < channels * plane; to += channels)
      bytes[to] = Math.round(Math.min(1, Math.max(-1, data[from++]!)) * 127.5 + 127.5);
  try {
    const encoded = await encode(sharp(bytes, { raw: { width, height, channels } })).toBuffer();
    await mkdir(path.dirname(file), { recursive: true });
    await replaceFile(realFiles, file, [encoded]);
    return good(null);
  } catch (error) {
    return writeError("a picture", file, error);
  }
}
