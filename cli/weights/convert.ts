import { dirname, join } from "node:path";
import { type Checked, fail, good, isFolder, realFiles, writeError } from "../../runtime/checkpoint/files.ts";
import type { TensorSource } from "../../runtime/checkpoint/safetensors.ts";
import type { TensorFile } from "../../runtime/checkpoint/tensorFile.ts";
import { bytes as sizeText } from "../figures.ts";
import type { Layout, PartName } from "./layouts.ts";
import { conversionOf, type FoundPart, findPart, partNames } from "./parts.ts";
import { type FloatType, some, sourceOf, unwrapped, withFiles, writeTensors } from "./sources.ts";

// Converts checkpoints: any format that is read to safetensors, f32 to f16 and back, and Stable Diffusion between its two layouts. Numbers
// that do not change their type are copied bit for bit.

export interface ConvertRequest {
  /** A file, or a folder of parts as diffusers lays them out. */
  readonly from: string;
  /** A .safetensors file; with `layout` diffusers, a folder. */
  readonly out: string;
  readonly layout?: Layout;
  readonly to?: FloatType;
}
export interface Converted {
  readonly written: readonly { readonly path: string; readonly bytes: number }[];
  /** Tensors that belong to no part. */
  readonly left: readonly string[];
}

/** Where diffusers has each part. */
const partFiles: Readonly<Record<PartName, string>> = {
  unet: "unet/diffusion_pytorch_model.safetensors",
  vae: "vae/diffusion_pytorch_model.safetensors",
  text: "text_encoder/model.safetensors",
};
const partOrder: readonly PartName[] = ["unet", "vae", "text"];

async function pathsOf(from: string): Promise<Checked<readonly string[]>> {
  if (!(await isFolder(realFiles, from))) return good([from]);
  const paths: string[] = [];
  for (const part of partOrder)
    if ((await isFolder(realFiles, join(from, partFiles[part]))) !== null) paths.push(join(from, partFiles[part]));
  return paths.length > 0
    ? good(paths)
    : fail("missing", `${from} holds no part of a model`, `it should hold ${Object.values(partFiles).join(", ")}`);
}

/** Converts; says what was written and what was left out. */
export async function convertWeights({ from, out, layout, to }: ConvertRequest): Promise<Checked<Converted>> {
  const paths = await pathsOf(from);
  if (!paths.ok) return paths;
  return withFiles(paths.value, async (files) => {
    if (layout !== undefined) return relaid(files, out, layout, to);
    if (files.length !== 1) return fail("missing", `${from} holds ${files.length} files`, "say what they become: --layout ldm");
    const [file] = files as readonly [TensorFile];
    const sources = [...file.tensors.keys()].map((key) => sourceOf(file, key, { name: unwrapped(key), to }));
    const written = await writeTensors(out, sources, file.metadata);
    return written.ok ? good({ written: [{ path: out, bytes: written.value }], left: [] }) : written;
  });
}

async function relaid(files: readonly TensorFile[], out: string, layout: Layout, to: FloatType | undefined): Promise<Checked<Converted>> {
  const found: { readonly file: TensorFile; readonly part: FoundPart }[] = [];
  for (const name of partOrder) {
    const tried = files.map((file) => ({ file, part: findPart(file, conversionOf(name)) }));
    const hit = tried.find(({ part }) => part.ok);
    if (hit?.part.ok) found.push({ file: hit.file, part: hit.part.value });
    // A part that is there in pieces is an error; one that is not there at all is not.
    else for (const { part } of tried) if (!part.ok && part.error.kind !== "missing") return part;
  }
  if (found.length === 0)
    return fail("missing tensor", `${files[0]!.path} holds no part of Stable Diffusion`, "`adac inspect` lists what it holds");
  const used = new Set<string>();
  const sourcesOf = ({ file, part }: (typeof found)[number]): TensorSource[] => {
    const sources = [...part.keys].map(([place, key]) => {
      used.add(`${file.path} ${key}`);
      return sourceOf(file, key, { name: place[layout], shape: ofRank(file.tensors.get(key)!.shape, place.rank[layout]), to });
    });
    if (part.extra === null) return sources;
    used.add(`${file.path} ${part.extra.key}`);
    return [...sources, sourceOf(file, part.extra.key, { name: part.extra[layout], to })];
  };
  const outputs =
    layout === "ldm"
      ? [{ path: out, sources: found.flatMap(sourcesOf) }]
      : found.map((one) => ({ path: join(out, partFiles[one.part.part]), sources: sourcesOf(one) }));
  const written: { readonly path: string; readonly bytes: number }[] = [];
  for (const { path, sources } of outputs) {
    if (layout === "diffusers") {
      try {
        await realFiles.mkdir(dirname(path), { recursive: true });
      } catch (error) {
        return writeError("the checkpoint", path, error);
      }
    }
    const made = await writeTensors(path, sources, files[0]!.metadata);
    if (!made.ok) return made;
    written.push({ path, bytes: made.value });
  }
  const left = files.flatMap((file) => [...file.tensors.keys()].filter((key) => !used.has(`${file.path} ${key}`)));
  return good({ written, left });
}

/** A shape with axes of size 1 at its end, as many as it takes. */
function ofRank(shape: readonly number[], rank: number): readonly number[] {
  const made = [...shape];
  while (made.length > rank && made.at(-1) === 1) made.pop();
  while (made.length < rank) made.push(1);
  return made;
}

/** What was done, for people. */
export function convertedText({ written, left }: Converted): string {
  const rows = written.map(({ path, bytes }) => `${path}: ${sizeText(bytes)}\n`).join("");
  return left.length === 0
    ? rows
    : `${rows}${left.length} tensors belong to none of ${Object.values(partNames).join(", ")} and were left out: ${some(left)}\n`;
}
