// One picture file -> bytes in a tensor's order [channel, row, column], through the image library and the steps of its field. Whatever is wrong
// with the file comes back as a sentence: a data set decides whether that is skipped or fatal.
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import sharp from "sharp";
import { codeOf, replaceFileSync } from "../checkpoint/files.ts";
import { crop, flip, type Pixels, place, plain, planar, resizeNearest, type WorkStep } from "./bytes.ts";
import { systemReasons } from "./folder.ts";

export interface DecodeJob {
  /** The file, or one colour everywhere. */
  readonly file: string | { readonly plain: "white" | "black" };
  /** What stands in where there is no such file. */
  readonly or: "white" | "black" | null;
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  readonly steps: readonly WorkStep[];
  /** Where the picture is kept as it is after the first `after` steps; with `align`, something else has to put it there. */
  readonly kept?: { readonly file: string; readonly after: number; readonly align: boolean };
}

export type Decoded =
  | { readonly kind: "pixels"; readonly pixels: Uint8Array }
  | { readonly kind: "broken"; readonly message: string }
  /** A face would have to be found first. */
  | { readonly kind: "noDetector"; readonly kept: string };

/** What is wrong with a file, on its way out. */
class Broken extends Error {}

/** Reads and decodes one file. Never throws for what a file can be. */
export async function decodePicture(job: DecodeJob): Promise<Decoded> {
  try {
    const kept = job.kept;
    if (kept === undefined) return finish(job, await loaded(job, job.steps));
    const bytes = keptBytes(job, kept);
    if (bytes === null && kept.align) return { kind: "noDetector", kept: kept.file };
    // A picture in which no face was found is kept as a file without content.
    if (bytes?.length === 0) return finish(job, plain(job.height, job.width, job.channels, 0));
    if (bytes !== null) return finish(job, await decoded(bytes, job, job.steps.slice(kept.after)));
    const before = await loaded(job, job.steps.slice(0, kept.after));
    await keep(kept.file, before);
    return finish(job, await worked(before, job.steps.slice(kept.after)));
  } catch (error) {
    if (error instanceof Broken) return { kind: "broken", message: error.message };
    const first = (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
    return { kind: "broken", message: `not a readable picture: ${first}` };
  }
}

function finish(job: DecodeJob, { data, height, width, channels }: Pixels): Decoded {
  if (width !== job.width || height !== job.height)
    throw new Broken(`the picture is ${width}x${height}, the field wants ${job.width}x${job.height}`);
  if (channels !== job.channels) throw new Broken(`the picture has ${channels} channels, the field wants ${job.channels}`);
  return { kind: "pixels", pixels: planar(data, channels) };
}

async function loaded(job: DecodeJob, steps: readonly WorkStep[]): Promise<Pixels> {
  const bytes = typeof job.file === "string" ? fileBytes(job.file, job.or !== null) : null;
  if (bytes !== null) return decoded(bytes, job, steps);
  const colour = typeof job.file === "string" ? job.or! : job.file.plain;
  // One colour has any size: that of the first step that says one, or of the field.
  const first = steps.find((step) => step.kind === "resize");
  const [height, width] = first?.kind === "resize" ? [first.height, first.width] : [job.height, job.width];
  const crops = steps.some((step) => step.kind === "crop");
  const kept = first === undefined && crops ? steps.filter((step) => step.kind !== "crop") : steps;
  const blank = plain(height, width, job.channels, colour === "white" ? 255 : 0);
  return worked(
    blank,
    kept.filter((step) => step.kind !== "alpha"),
  );
}

/** The content of a file; null where it may be missing and is. */
function fileBytes(file: string, mayBeMissing: boolean): Buffer | null {
  let bytes: Buffer;
  try {
    // Read in place: a decoding thread has nothing else to do, and two trips through the event loop cost as much as decoding 32x32 pixels.
    bytes = readFileSync(file);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" && mayBeMissing) return null;
    throw new Broken(systemReasons[code] ?? `cannot be read (${code})`);
  }
  if (bytes.length === 0) throw new Broken("the file is empty");
  return bytes;
}

async function decoded(bytes: Buffer, job: DecodeJob, steps: readonly WorkStep[]): Promise<Pixels> {
  // A truncated or damaged file fails here instead of becoming grey.
  const file = sharp(bytes, { failOn: "error" });
  const opaque = steps[0]?.kind === "alpha";
  const image = opaque ? file.ensureAlpha().extractChannel("alpha") : file.removeAlpha();
  const after = opaque ? steps.slice(1) : steps;
  const [next] = after;
  const smooth = next?.kind === "resize" && next.rule === "smooth" ? next : null;
  const sized = smooth === null ? image : image.resize(smooth.width, smooth.height, { fit: "fill", kernel: "lanczos3" });
  const coloured = sized.toColourspace(job.channels === 1 ? "b-w" : "srgb");
  // One call of the library per picture: at 32 pixels a call costs more than decoding.
  const { data, info } = await coloured.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  const pixels = { data, height: info.height, width: info.width, channels: info.channels };
  return worked(pixels, smooth === null ? after : after.slice(1));
}

async function worked(from: Pixels, steps: readonly WorkStep[]): Promise<Pixels> {
  let x = from;
  for (const step of steps) {
    switch (step.kind) {
      case "alpha":
        throw new Broken("how opaque a picture is must be asked before anything is done to it");
      case "resize":
        x = step.rule === "nearest" ? resizeNearest(x, step.height, step.width) : await resizeSmooth(x, step.height, step.width);
        break;
      case "crop": {
        const cut = crop(x, step.height, step.width, step.at);
        if (cut === null)
          throw new Broken(`the picture is ${x.width}x${x.height}, smaller than the ${step.width}x${step.height} that are cut out`);
        x = cut;
        break;
      }
      case "flip":
        x = flip(x);
        break;
      case "place":
        x = place(x, step.scale, step.move, step.margin);
        break;
      default:
        step satisfies never;
    }
  }
  return x;
}

const rawOf = ({ data, height, width, channels }: Pixels) => sharp(data, { raw: { height, width, channels: channels as 1 | 3 } });

async function resizeSmooth(x: Pixels, height: number, width: number): Promise<Pixels> {
  const sized = rawOf(x).resize(width, height, { fit: "fill", kernel: "lanczos3" });
  const data = await sized
    .toColourspace(x.channels === 1 ? "b-w" : "srgb")
    .raw({ depth: "uchar" })
    .toBuffer();
  return { data, height, width, channels: x.channels };
}

/** What was kept of a picture, unless the picture has changed since. */
function keptBytes(job: DecodeJob, kept: NonNullable<DecodeJob["kept"]>): Buffer | null {
  const age = (file: string) => statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  const own = age(kept.file);
  const source = typeof job.file === "string" ? age(job.file) : undefined;
  if (own === undefined || (source !== undefined && source > own)) return null;
  return readFileSync(kept.file);
}

/** Keeps a picture; where that cannot be written it is made again each time. */
async function keep(file: string, x: Pixels): Promise<void> {
  try {
    const bytes = await rawOf(x).png().toBuffer();
    mkdirSync(dirname(file), { recursive: true });
    replaceFileSync(file, bytes);
  } catch {
    // It is not kept.
  }
}
