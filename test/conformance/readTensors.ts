import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { wholeFloats } from "../../runtime/checkpoint/floats.ts";
import { openSafetensors } from "../../runtime/checkpoint/safetensors.ts";
import { gathered, type TensorFile } from "../../runtime/checkpoint/tensorFile.ts";

// Tensors of recorded files, whole.

/** What a file may hold besides a network's parameters. */
export const bookkeeping = /(^|\.)(num_batches_tracked|position_ids)$/;

/** A tensor's bytes in one piece. */
export function bytesOf(file: TensorFile, name: string): Promise<Uint8Array<ArrayBuffer>> {
  return gathered(file.read(name), file.tensors.get(name)!.bytes);
}

/** A tensor's numbers. */
export async function arrayOf(file: TensorFile, name: string): Promise<NdArray> {
  const { dtype, shape } = file.tensors.get(name)!;
  if (dtype !== "F32" && dtype !== "I32") throw new Error(`${file.path}: ${name} is ${dtype}; recorded cases hold F32 and I32`);
  return dtype === "F32"
    ? { dtype: "f32", shape, data: Float64Array.from(await wholeFloats(file, name)) }
    : { dtype: "i32", shape, data: Float64Array.from(new Int32Array((await bytesOf(file, name)).buffer)) };
}

/** All tensors of a safetensors file. */
export async function readTensors(path: string): Promise<Record<string, NdArray>> {
  const opened = await openSafetensors(path);
  if (!opened.ok) throw new Error(opened.error.message);
  try {
    const arrays: Record<string, NdArray> = {};
    for (const name of opened.value.tensors.keys()) arrays[name] = await arrayOf(opened.value, name);
    return arrays;
  } finally {
    await opened.value.close();
  }
}
