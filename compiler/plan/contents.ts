import type { DType } from "../ir/value.ts";
import { toHalves } from "./half.ts";

/** Numbers as they lie in memory. */
export function contents(dtype: DType, numbers: readonly number[]): Float32Array | Uint16Array | Int32Array | Uint32Array {
  if (dtype === "f32") return Float32Array.from(numbers);
  if (dtype === "f16") return toHalves(numbers);
  return dtype === "i32" ? Int32Array.from(numbers) : Uint32Array.from(numbers);
}

/** The bytes of a constant, filled up to what buffers may have, as base64. */
export function constantData(held: ReturnType<typeof contents>): { readonly bytes: number; readonly data: string } {
  const padded = new Uint8Array(Math.max(16, Math.ceil(held.byteLength / 16) * 16));
  padded.set(new Uint8Array(held.buffer, held.byteOffset, held.byteLength));
  return { bytes: padded.byteLength, data: Buffer.from(padded).toString("base64") };
}
