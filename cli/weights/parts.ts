import { nearest } from "../../dsl/nearest.ts";
import { type Checked, fail, good } from "../../runtime/checkpoint/files.ts";
import { inFile } from "../../runtime/checkpoint/names.ts";
import type { TensorFile } from "../../runtime/checkpoint/tensorFile.ts";
import { bindingsOf } from "./bindings.ts";
import { type Layout, type PartName, parts } from "./layouts.ts";
import { some } from "./sources.ts";

// The parts of Stable Diffusion in both layouts, and which of them a file holds. The names follow from the `keys` blocks of the networks; there
// is no second table of them.

/** A tensor of a part: its name in each layout, and how many axes it has there. */
export interface Place {
  readonly ldm: string;
  readonly diffusers: string;
  readonly rank: Readonly<Record<Layout, number>>;
}
export interface Conversion {
  readonly part: PartName;
  readonly places: readonly Place[];
}

/** Tensors that files may lack, besides the parameters. */
const besides: Partial<Readonly<Record<PartName, { readonly ldm: string; readonly diffusers: string }>>> = {
  text: { ldm: "cond_stage_model.transformer.text_model.embeddings.position_ids", diffusers: "text_model.embeddings.position_ids" },
};
const prefixes: Readonly<Record<PartName, string>> = {
  unet: "model.diffusion_model.",
  vae: "first_stage_model.",
  text: "cond_stage_model.transformer.",
};

const known = new Map<PartName, Conversion>();
/** The names of a part. */
export function conversionOf(part: PartName): Conversion {
  const found = known.get(part);
  if (found !== undefined) return found;
  const { network, ldm, diffusers } = parts[part];
  const there = new Map(bindingsOf({ ...network, keys: diffusers }).map((one) => [one.key, one]));
  const places = bindingsOf({ ...network, keys: ldm }).map((one): Place => {
    const other = there.get(one.key)!;
    return { ldm: one.file!, diffusers: other.file!, rank: { ldm: one.shape.length, diffusers: other.shape.length } };
  });
  const made = { part, places };
  known.set(part, made);
  return made;
}

export interface FoundPart {
  readonly part: PartName;
  readonly layout: Layout;
  /** Where each tensor is in the file. */
  readonly keys: ReadonlyMap<Place, string>;
  /** A tensor that is not needed, and is there. */
  readonly extra: { readonly key: string; readonly ldm: string; readonly diffusers: string } | null;
}

/** A part of a file, in whichever layout it is; what is missing is named where most of it is there. */
export function findPart(file: TensorFile, { part, places }: Conversion): Checked<FoundPart> {
  const prefix = prefixes[part];
  const forms: readonly (readonly [Layout, (place: Place) => string])[] = [
    ["ldm", (place) => place.ldm],
    // The part alone in the names of the whole, as autoencoders are published.
    ["ldm", (place) => place.ldm.slice(prefix.length)],
    ["diffusers", (place) => place.diffusers],
  ];
  let closest: { readonly missing: readonly string[]; readonly count: number } | null = null;
  for (const [layout, nameOf] of forms) {
    const keys = new Map(places.map((place) => [place, inFile(file, nameOf(place))]));
    const missing = [...keys.values()].filter((key) => !file.tensors.has(key));
    if (missing.length === 0) {
      const more = besides[part];
      const key = more && [more.ldm, more.diffusers].map((name) => inFile(file, name)).find((name) => file.tensors.has(name));
      return good({ part, layout, keys, extra: more && key !== undefined ? { key, ...more } : null });
    }
    const count = places.length - missing.length;
    if (closest === null || count > closest.count) closest = { missing, count };
  }
  const { missing, count } = closest!;
  if (count === 0) return fail("missing", `${file.path} holds no ${partNames[part]}`, "`adac inspect` lists what it holds");
  const near = nearest(missing[0]!, file.tensors.keys());
  return fail(
    "missing tensor",
    `${missing.length} of ${places.length} tensors of the ${partNames[part]} are not in ${file.path}: ${some(missing)}`,
    near === undefined ? "`adac inspect` lists what it holds" : `the file has ${near}`,
  );
}

export const partNames: Readonly<Record<PartName, string>> = { unet: "UNet", vae: "autoencoder", text: "text encoder" };
