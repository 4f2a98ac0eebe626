import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { openSafetensors } from "../../runtime/checkpoint/safetensors.ts";
import type { TensorFile } from "../../runtime/checkpoint/tensorFile.ts";

// Tensors of recorded files, whole.

/** A tensor's bytes in one piece. */
export async function bytesOf(file: TensorFile, name: string): Promise<Buffer<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of file.read(name)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A tensor's numbers. */
export async function arrayOf(file: TensorFile, name: string): Promise<NdArray> {
  const { dtype, shape } = file.tensors.get(name)!;
  if (dtype !== "F32" && dtype !== "I32") throw new Error(`${file.path}: ${name} is ${dtype}; recorded cases hold F32 and I32`);
  const { buffer } = Uint8Array.from(await bytesOf(file, name));
  return dtype === "F32"
    ? { dtype: "f32", shape, data: Float64Array.from(new Float32Array(buffer)) }
    : { dtype: "i32", shape, data: Float64Array.from(new Int32Array(buffer)) };
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
