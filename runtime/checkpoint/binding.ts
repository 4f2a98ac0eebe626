import type { PlanFileKey } from "../../compiler/plan/plan.ts";
import { floatTypes } from "./floats.ts";
import { inFile, withoutWrapper } from "./names.ts";
import type { TensorEntry, TensorFile } from "./tensorFile.ts";

// Which tensor of a file each parameter of a model is. In: the header of a file, a model with its `keys`, its parameters. Out: the places, and what
// does not fit, on both sides. No tensor is read.

export interface Wanted {
  readonly key: string;
  readonly shape: readonly number[];
}
export interface BoundModel {
  readonly name: string;
  readonly keys?: readonly PlanFileKey[] | undefined;
  /** Parameters that surgery makes: their shapes in the file are its business. */
  readonly surgery?: { readonly params: readonly { readonly key: string }[] } | undefined;
}
/** A parameter, its name in the file, and its shape there. */
export interface Place<T extends Wanted> {
  readonly tensor: T;
  readonly key: string;
  readonly shape: readonly number[];
}
export interface Binding<T extends Wanted> {
  readonly places: readonly Place<T>[];
  /** Without a tensor; `near` is the free one that is called most alike. */
  readonly unbound: readonly { readonly place: Place<T>; readonly near: string | undefined }[];
  /** With one of another shape, or of no floats. */
  readonly unfit: readonly { readonly place: Place<T>; readonly entry: TensorEntry }[];
  /** Tensors of the file that are nobody's. */
  readonly free: readonly string[];
}

/** By the model's `keys`, or by name: a checkpoint of ours names the model first; a file of one model alone does not. */
function placesIn<T extends Wanted>(file: TensorFile, { name, keys: given }: BoundModel, wanted: readonly T[]): Place<T>[] {
  const keys = given && new Map(given.map((one) => [one.key, one]));
  return wanted.flatMap((tensor): readonly Place<T>[] => {
    const found = keys?.get(tensor.key);
    if (found?.file === null) return [];
    if (found) return [{ tensor, key: inFile(file, found.file!), shape: found.shape }];
    const key = file.tensors.has(tensor.key) ? tensor.key : inFile(file, tensor.key.slice(name.length + 1));
    return [{ tensor, key, shape: tensor.shape }];
  });
}

/** The name that shares most of its beginning and end with `key`, if that is most of it. */
function closest(key: string, names: readonly string[]): string | undefined {
  const common = (name: string): number => {
    const most = Math.min(name.length, key.length);
    let head = 0;
    while (head < most && name[head] === key[head]) head++;
    let tail = 0;
    while (tail < most - head && name[name.length - 1 - tail] === key[key.length - 1 - tail]) tail++;
    return head + tail;
  };
  const shared = (name: string): number => Math.max(common(name), common(withoutWrapper(name)));
  let best: string | undefined;
  for (const name of names) if (best === undefined || shared(name) > shared(best)) best = name;
  return best !== undefined && shared(best) > 0.6 * key.length ? best : undefined;
}

/** Binds a model to a file. */
export function bindModel<T extends Wanted>(file: TensorFile, model: BoundModel, wanted: readonly T[]): Binding<T> {
  const places = placesIn(file, model, wanted);
  const used = new Set(places.map(({ key }) => key));
  const free = [...file.tensors.keys()].filter((key) => !used.has(key));
  const operated = new Set(model.surgery?.params.map((one) => one.key));
  return {
    places,
    free,
    unbound: places.filter(({ key }) => !file.tensors.has(key)).map((place) => ({ place, near: closest(place.key, free) })),
    unfit: places.flatMap((place) => {
      const entry = file.tensors.get(place.key);
      if (entry === undefined) return [];
      const fits = floatTypes.includes(entry.dtype) && (operated.has(place.tensor.key) || entry.shape.join() === place.shape.join());
      return fits ? [] : [{ place, entry }];
    }),
  };
}
