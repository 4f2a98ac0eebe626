import { type Checked, fail } from "../../runtime/checkpoint/files.ts";
import type { TensorSource } from "../../runtime/checkpoint/safetensors.ts";
import type { TensorFile } from "../../runtime/checkpoint/tensorFile.ts";
import { type Conversion, conversionOf, findPart } from "./parts.ts";
import { type FloatType, some, sourceOf, unwrapped, withFiles, writeTensors } from "./sources.ts";

// Puts the text encoder or the autoencoder of one file into a whole checkpoint of Stable Diffusion, in the place of its own. In: two files. Out:
// a checkpoint with the same names, in which that part has the other file's numbers.

export interface ReplaceRequest {
  readonly checkpoint: string;
  readonly part: "text" | "vae";
  /** The file with the part: by itself in either layout, or in a whole checkpoint. */
  readonly donor: string;
  readonly out: string;
  readonly to?: FloatType;
}

/** The tensors of a part, by their names in a whole checkpoint. */
function donated(file: TensorFile, conversion: Conversion, to: FloatType | undefined): Checked<ReadonlyMap<string, TensorSource>> {
  const found = findPart(file, conversion);
  if (!found.ok) return found;
  return {
    ok: true,
    value: new Map([...found.value.keys].map(([place, key]) => [place.ldm, sourceOf(file, key, { name: place.ldm, to })])),
  };
}

/** Replaces a part; gives the size of what is written. */
export function replacePart({ checkpoint, part, donor, out, to }: ReplaceRequest): Promise<Checked<number>> {
  const conversion = conversionOf(part);
  return withFiles([checkpoint, donor], async ([whole, other]) => {
    const own = findPart(whole!, conversion);
    if (!own.ok) return own;
    if (own.value.layout !== "ldm")
      return fail("missing tensor", `${checkpoint} is no whole checkpoint`, "give one file that holds all parts");
    const given = donated(other!, conversion, to);
    if (!given.ok) return given;
    const replaced = new Map([...own.value.keys].map(([place, key]) => [key, place]));
    const wrong: string[] = [];
    const sources = [...whole!.tensors.values()].map((entry): TensorSource => {
      const place = replaced.get(entry.name);
      const source = place && given.value.get(place.ldm);
      if (source === undefined) return sourceOf(whole!, entry.name, { name: unwrapped(entry.name), to });
      const plain = (shape: readonly number[]): string => shape.filter((size) => size !== 1).join();
      if (plain(source.shape) !== plain(entry.shape))
        wrong.push(`${entry.name} [${entry.shape.join(", ")}] against [${source.shape.join(", ")}]`);
      return { ...source, name: unwrapped(entry.name), shape: entry.shape };
    });
    if (wrong.length > 0)
      return fail(
        "wrong shape",
        `${wrong.length} tensors of ${donor} have other shapes: ${some(wrong)}`,
        "the part must be of a model of the same kind",
      );
    return writeTensors(out, sources, whole!.metadata);
  });
}
