import type { TensorFile } from "./tensorFile.ts";

// Checkpoints put a model's tensors into a dictionary of their own, beside what else a training run keeps.

const wrappers = ["state_dict.", "model.", "module.", "model_state_dict.", "net.", "params."];

/** A name without what wraps it. */
export function withoutWrapper(name: string): string {
  const wrapper = wrappers.find((one) => name.startsWith(one));
  return wrapper === undefined ? name : withoutWrapper(name.slice(wrapper.length));
}

/** The name that a file has for a tensor: as it is, or inside of the dictionary that the checkpoint wraps a model in. */
export function inFile(file: TensorFile, name: string): string {
  if (file.tensors.has(name)) return name;
  for (const outer of ["", ...wrappers])
    for (const wrapper of wrappers) if (file.tensors.has(outer + wrapper + name)) return outer + wrapper + name;
  return name;
}
