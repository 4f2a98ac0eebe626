// One picture file -> bytes in a tensor's order [channel, row, column], through the image library. Whatever is wrong with the file comes back
// as a sentence: a data set decides whether that is skipped or fatal.
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { systemReasons } from "./folder.ts";

/** `exact`: another size is an error; `smooth` and `nearest`: resized to fit, without keeping proportions. */
export type ResizeRule = "exact" | "smooth" | "nearest";

export interface DecodeJob {
  readonly file: string;
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  readonly resize: ResizeRule;
}

export type Decoded = { readonly kind: "pixels"; readonly pixels: Uint8Array } | { readonly kind: "broken"; readonly message: string };

/** Reads and decodes one file. Never throws for what a file can be. */
export async function decodePicture(job: DecodeJob): Promise<Decoded> {
  let bytes: Buffer;
  try {
    bytes = await readFile(job.file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { kind: "broken", message: systemReasons[code] ?? `cannot be read (${code})` };
  }
  if (bytes.length === 0) return { kind: "broken", message: "the file is empty" };
  try {
    // A truncated or damaged file fails here instead of becoming grey.
    const image = sharp(bytes, { failOn: "error" });
    const { width, height } = await image.metadata();
    const fits = width === job.width && height === job.height;
    if (!fits && job.resize === "exact") {
      return { kind: "broken", message: `the picture is ${width}x${height}, the field wants ${job.width}x${job.height}` };
    }
    const kernel = job.resize === "nearest" ? "nearest" : "lanczos3";
    const sized = fits ? image : image.resize(job.width, job.height, { fit: "fill", kernel });
    const coloured = job.channels === 1 ? sized.removeAlpha().toColourspace("b-w") : sized.removeAlpha().toColourspace("srgb");
    const { data, info } = await coloured.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== job.channels)
      return { kind: "broken", message: `the picture has ${info.channels} channels, the field wants ${job.channels}` };
    return { kind: "pixels", pixels: planar(data, job.channels) };
  } catch (error) {
    const first = (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
    return { kind: "broken", message: `not a readable picture: ${first}` };
  }
}

/** [row, column, channel] -> [channel, row, column]. */
function planar(data: Buffer, channels: number): Uint8Array {
  const plane = data.length / channels;
  const out = new Uint8Array(data.length);
  for (let c = 0, to = 0; c < channels; c++) for (let from = c; to < plane * (c + 1); from += channels) out[to++] = data[from]!;
  return out;
}
