// The universe as a folder: DIR/<subject>/00000.png, 00000_mask.png, 00000.txt, with manifest.json and factors.jsonl beside the subjects.
// In: seed, set, size and counts. Out: the same bytes for the same arguments. Invariant: a folder named DIR is whole. Work in progress lies in
// DIR.partial (a subject's folder gets its name when all its files are there) and is taken up again by the same arguments.
import { createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { codeOf } from "../checkpoint/files.ts";
import { drawCaption } from "./caption.ts";
import { drawIdentity, type Identity } from "./identity.ts";
import { drawNuisance, type FaceSet, faceSets, type Nuisance, nameOf, setTable } from "./nuisance.ts";
import { encodePng, renderPicture } from "./render.ts";

export const faceSizes = [32, 64, 512] as const;
export type FaceSize = (typeof faceSizes)[number];

/** What decides the bytes of the folder. */
export interface FacesRequest {
  readonly seed: number;
  readonly set: FaceSet;
  readonly size: FaceSize;
  readonly identities: number;
  readonly views: number;
}

export interface FacesOptions extends FacesRequest {
  readonly out: string;
  /** Called after each finished picture; counts include what an earlier, interrupted run had drawn. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops after the pictures in work; the same arguments go on from there. */
  readonly signal?: AbortSignal;
  /** How a file is written (tests put a full disk here). */
  readonly write?: (file: string, bytes: Buffer | string) => Promise<void>;
}

export type FacesResult =
  | { readonly kind: "drawn"; readonly folder: string; readonly subjects: number; readonly pictures: number }
  | { readonly kind: "already there"; readonly folder: string; readonly subjects: number; readonly pictures: number }
  | { readonly kind: "stopped"; readonly folder: string; readonly message: string; readonly help: string }
  | { readonly kind: "error"; readonly message: string; readonly help: string };

const madeBy = "adac data faces";
/** Raised whenever the same request would give other bytes, so that old folders are not taken for new ones. */
const drawingVersion = 1;
/** Pictures in work at once: enough to keep the image library's four threads fed. */
const inWork = 8;
const digits = 5;
const most = 10 ** digits;

/** Name of a subject's folder: the set's prefix and five digits; `faces` and `mix` name the same person alike. */
export function subjectName(set: FaceSet, identity: number): string {
  return `${setTable[set].prefix}${String(identity).padStart(digits, "0")}`;
}

/** Everything about one view, without drawing it: what `factors.jsonl` holds, one line each. */
export interface View {
  readonly subject: string;
  /** Path of the picture without `.png`, relative to the folder. */
  readonly stem: string;
  readonly name?: string;
  readonly identity: Identity;
  readonly nuisance: Nuisance;
  readonly caption: string;
}

/** The record of view `view` of identity `identity`. */
export function describeView(request: FacesRequest, identity: number, view: number): View {
  const { seed, set, views } = request;
  const who = drawIdentity(seed, setTable[set].identities, identity);
  const how = drawNuisance(seed, set, identity, view, views);
  const name = nameOf(set, identity);
  const subject = subjectName(set, identity);
  return {
    subject,
    stem: `${subject}/${String(view).padStart(digits, "0")}`,
    ...(name === undefined ? {} : { name: `name${name}` }),
    identity: who,
    nuisance: how,
    caption: drawCaption(seed, set, identity, view, who, how),
  };
}

/** Draws the folder, goes on with an interrupted one, or finds that it is there. Nothing of other origin is touched. */
export async function drawFaces(options: FacesOptions): Promise<FacesResult> {
  const wrong = checkRequest(options);
  if (wrong !== undefined) return wrong;
  const { out, seed, set, size, identities, views } = options;
  const request: FacesRequest = { seed, set, size, identities, views };
  const counts = { folder: out, subjects: identities, pictures: identities * views };
  try {
    const there = await inspect(out, request);
    if (there === "whole") return { kind: "already there", ...counts };
    if (there !== "nothing") return there;
    const partial = `${out.replace(/[/\\]+$/, "")}.partial`;
    const begun = await inspectPartial(partial, request);
    if (begun !== undefined) return begun;
    const whole = await drawSubjects(partial, request, options);
    if (!whole) {
      return {
        kind: "stopped",
        folder: partial,
        message: "stopped before all faces were drawn",
        help: "the same command goes on where this one stopped",
      };
    }
    await writeFactors(join(partial, "factors.jsonl"), request);
    await writeManifest(partial, request, true);
    // An empty folder of that name may be there already: it is ours to use.
    await rmdir(out).catch(() => undefined);
    await rename(partial, out);
    return { kind: "drawn", ...counts };
  } catch (error) {
    return explain(error, request, out);
  }
}

function checkRequest(request: FacesOptions): FacesResult | undefined {
  const whole = (name: string, value: number, low: number, high: number): FacesResult | undefined =>
    Number.isInteger(value) && value >= low && value <= high
      ? undefined
      : { kind: "error", message: `${name} is ${value}`, help: `${name} must be a whole number from ${low} to ${high}` };
  if (request.out.trim() === "") return { kind: "error", message: "no folder to draw into", help: "name one with --out DIR" };
  if (!faceSets.includes(request.set)) {
    return { kind: "error", message: `there is no set «${request.set}»`, help: `the sets are ${faceSets.join(", ")}` };
  }
  if (!faceSizes.includes(request.size)) {
    return { kind: "error", message: `faces are not drawn at ${request.size} pixels`, help: `the sizes are ${faceSizes.join(", ")}` };
  }
  return (
    whole("identities", request.identities, 1, most) ?? whole("views", request.views, 1, most) ?? whole("seed", request.seed, 0, 0xffffffff)
  );
}

interface Manifest extends FacesRequest {
  readonly made: string;
  readonly drawing: number;
  readonly complete: boolean;
}

async function list(folder: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const read: unknown = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
    return typeof read === "object" && read !== null && "made" in read && read.made === madeBy ? (read as Manifest) : undefined;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const requestKeys = ["seed", "set", "size", "identities", "views"] as const satisfies readonly (keyof FacesRequest)[];

/** What was asked for then and now, where they differ. */
function differences(manifest: Manifest, request: FacesRequest): string[] {
  const changed = requestKeys.filter((key) => manifest[key] !== request[key]).map((key) => `${key} ${manifest[key]}, not ${request[key]}`);
  return manifest.drawing === drawingVersion ? changed : [...changed, `version ${manifest.drawing} of the drawing, not ${drawingVersion}`];
}

async function inspect(out: string, request: FacesRequest): Promise<"whole" | "nothing" | FacesResult> {
  const entries = await list(out);
  if (entries === undefined || entries.length === 0) return "nothing";
  const manifest = await readManifest(out);
  if (manifest === undefined) {
    return {
      kind: "error",
      message: `${out} is not empty, and was not made by this command`,
      help: "name another folder with --out, or empty this one",
    };
  }
  const changed = differences(manifest, request);
  if (changed.length > 0) {
    return {
      kind: "error",
      message: `${out} holds other faces: ${changed.join("; ")}`,
      help: "name another folder with --out, or delete this one",
    };
  }
  const present = new Set(entries);
  const missing = Array.from({ length: request.identities }, (_, i) => subjectName(request.set, i)).filter((s) => !present.has(s));
  if (missing.length > 0) {
    const message = `${out} is damaged: ${missing.length} of ${request.identities} subjects are missing, the first is ${missing[0]}`;
    return { kind: "error", message, help: "delete the folder and run the command again" };
  }
  return "whole";
}

async function inspectPartial(partial: string, request: FacesRequest): Promise<FacesResult | undefined> {
  const entries = await list(partial);
  if (entries === undefined || entries.length === 0) {
    await mkdir(partial, { recursive: true });
    await writeManifest(partial, request, false);
    return undefined;
  }
  const manifest = await readManifest(partial);
  if (manifest !== undefined && differences(manifest, request).length === 0) return undefined;
  const other = manifest === undefined ? "something else" : `an interrupted run with ${differences(manifest, request).join("; ")}`;
  return {
    kind: "error",
    message: `${partial} holds ${other}`,
    help: "delete that folder, or finish the interrupted run with its arguments",
  };
}

async function writeManifest(folder: string, request: FacesRequest, complete: boolean): Promise<void> {
  const row = setTable[request.set];
  const manifest: Manifest & Record<string, unknown> = {
    made: madeBy,
    drawing: drawingVersion,
    complete,
    ...request,
    pictures: request.identities * request.views,
    standsFor: row.standsFor,
    captions: row.captions === "full" ? "on every picture" : "of named people; the bare class word for all others",
    layout: { picture: "<subject>/00000.png", mask: "<subject>/00000_mask.png", caption: "<subject>/00000.txt", factors: "factors.jsonl" },
  };
  const file = join(folder, "manifest.json");
  await writeFile(`${file}.tmp`, `${JSON.stringify(manifest, undefined, 2)}\n`);
  await rename(`${file}.tmp`, file);
}

async function writeFactors(file: string, request: FacesRequest): Promise<void> {
  const stream = createWriteStream(file);
  const done = finished(stream);
  // Heard at the await below; without this line an error during the loop would count as unhandled.
  done.catch(() => undefined);
  for (let i = 0; i < request.identities && !stream.destroyed; i++) {
    for (let v = 0; v < request.views; v++) {
      const { stem, ...factors } = describeView(request, i, v);
      const line = `${JSON.stringify({ file: `${stem}.png`, ...factors })}\n`;
      if (!stream.write(line) && !stream.destroyed)
        await Promise.race([new Promise<void>((free) => stream.once("drain", () => free())), done]);
    }
  }
  stream.end();
  await done;
}

/** Draws all subjects that are not there; false if the signal stopped it. */
async function drawSubjects(partial: string, request: FacesRequest, options: FacesOptions): Promise<boolean> {
  const { identities, views, size, set } = request;
  const write = options.write ?? ((file: string, bytes: Buffer | string) => writeFile(file, bytes));
  const entries = new Set(await readdir(partial));
  for (const entry of entries) if (entry.endsWith(".tmp")) await rm(join(partial, entry), { recursive: true });
  const missing = Array.from({ length: identities }, (_, i) => i).filter((i) => !entries.has(subjectName(set, i)));
  const total = identities * views;
  let done = total - missing.length * views;
  options.onProgress?.(done, total);
  const left = new Map(missing.map((i) => [i, views]));
  const folders = new Map<number, Promise<string | undefined>>();
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    while (next < missing.length * views && !failed && options.signal?.aborted !== true) {
      const [identity, view] = [missing[Math.floor(next / views)]!, next % views];
      next++;
      const folder = join(partial, subjectName(set, identity));
      if (!folders.has(identity)) folders.set(identity, mkdir(`${folder}.tmp`, { recursive: true }));
      await folders.get(identity);
      const { stem, identity: who, nuisance: how, caption } = describeView(request, identity, view);
      const { rgb, mask } = await renderPicture({ who, how }, size);
      const base = join(`${folder}.tmp`, stem.slice(stem.indexOf("/") + 1));
      const [picture, masked] = await Promise.all([encodePng(rgb, size, 3), encodePng(mask, size, 1)]);
      await Promise.all([write(`${base}.png`, picture), write(`${base}_mask.png`, masked), write(`${base}.txt`, `${caption}\n`)]);
      left.set(identity, left.get(identity)! - 1);
      if (left.get(identity) === 0) {
        await rename(`${folder}.tmp`, folder);
        folders.delete(identity);
        left.delete(identity);
      }
      options.onProgress?.(++done, total);
    }
  };
  const settled = await Promise.allSettled(
    Array.from({ length: inWork }, () =>
      work().catch((error: unknown) => {
        failed = true;
        throw error;
      }),
    ),
  );
  const broken = settled.find((s) => s.status === "rejected");
  if (broken !== undefined) throw broken.reason;
  return left.size === 0;
}

/** System errors that a user can do something about; anything else is ours and is thrown on. */
function explain(error: unknown, request: FacesRequest, out: string): FacesResult {
  const again = "the same command goes on where this one stopped";
  if (codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT") {
    // Measured: three files of a 32-pixel view take 12 KB of disk blocks; a 512-pixel view about 40 KB.
    const megabytes = Math.ceil((request.identities * request.views * (request.size === 512 ? 48 : 12)) / 1024);
    return { kind: "error", message: `the disk is full: ${out} needs about ${megabytes} MB in all`, help: `free some space; ${again}` };
  }
  const causes: Record<string, string> = {
    EACCES: `no permission to write ${out}`,
    EPERM: `no permission to write ${out}`,
    EROFS: `${out} is on a read-only file system`,
    ENOTDIR: `${out} is a file, or lies below one`,
    EMFILE: "too many open files",
  };
  for (const [code, message] of Object.entries(causes)) {
    if (codeOf(error) === code) return { kind: "error", message, help: code === "EMFILE" ? again : "name another folder with --out" };
  }
  throw error;
}
