import { fromHalves, toHalves } from "../../compiler/plan/half.ts";
import type { SafetensorsFile } from "./safetensors.ts";

// Numbers on their way between files, which may hold F32 or F16, and the device, where a tensor lies as f32 or f16. Between the two they are
// f32 bytes in pieces of whole numbers.

/** What a file may hold for a tensor of floats. */
export const floatTypes: readonly string[] = ["F32", "F16"];

/** The numbers of a tensor of a file, as f32 bytes. */
export async function* readFloats(file: SafetensorsFile, name: string): AsyncGenerator<Uint8Array> {
  const halves = file.tensors.get(name)?.dtype === "F16";
  for await (const piece of file.read(name)) yield halves ? widened(piece, piece.length / 2) : piece;
}

/** f32 bytes of f16 ones; `count` leaves out what fills up the memory of a device. */
export function widened(piece: Uint8Array, count: number): Uint8Array {
  const halves = new Uint16Array(piece.slice().buffer);
  return new Uint8Array(fromHalves(halves, Math.min(count, halves.length)).buffer);
}

/** f16 bytes, in whole vectors, of f32 ones. */
export function narrowed(piece: Uint8Array): Uint8Array {
  return new Uint8Array(toHalves(new Float32Array(piece.slice().buffer)).buffer);
}
