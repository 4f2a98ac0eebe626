// One picture file -> bytes in a tensor's order [channel, row, column], through the image library. Whatever is wrong with the file comes back
// as a sentence: a data set decides whether that is skipped or fatal.
import { readFileSync } from "node:fs";
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
    // Read in place: a decoding thread has nothing else to do, and two trips through the event loop cost as much as decoding 32x32 pixels.
    bytes = readFileSync(job.file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { kind: "broken", message: systemReasons[code] ?? `cannot be read (${code})` };
  }
  if (bytes.length === 0) return { kind: "broken", message: "the file is empty" };
  try {
    // A truncated or damaged file fails here instead of becoming grey.
    const image = sharp(bytes, { failOn: "error" }).removeAlpha();
    const kernel = job.resize === "nearest" ? "nearest" : "lanczos3";
    const sized = job.resize === "exact" ? image : image.resize(job.width, job.height, { fit: "fill", kernel });
    const coloured = sized.toColourspace(job.channels === 1 ? "b-w" : "srgb");
    // One call of the library per picture: at 32 pixels a call costs more than decoding.
    const { data, info } = await coloured.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.width !== job.width || info.height !== job.height) {
      return { kind: "broken", message: `the picture is ${info.width}x${info.height}, the field wants ${job.width}x${job.height}` };
    }
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
