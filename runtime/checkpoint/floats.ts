import { fromHalves, toHalves } from "../../compiler/plan/half.ts";
import { elementsOf, gathered, type TensorFile } from "./tensorFile.ts";

// Numbers on their way between files, which may hold floats of any width, and the device, where a tensor lies as f32 or f16. Between the two
// they are f32 bytes in pieces of whole numbers.

/** f32 bytes of what a file holds, by its type. */
const toFloats: Readonly<Record<string, (piece: Uint8Array) => Uint8Array>> = {
  F32: (piece) => piece,
  F16: (piece) => widened(piece, piece.length / 2),
  BF16: (piece) => {
    const upper = new Uint16Array(piece.slice().buffer);
    const bits = new Uint32Array(upper.length);
    for (let i = 0; i < upper.length; i++) bits[i] = upper[i]! << 16;
    return new Uint8Array(bits.buffer);
  },
  F64: (piece) => new Uint8Array(new Float32Array(new Float64Array(piece.slice().buffer)).buffer),
};

/** What a file may hold for a tensor of floats. */
export const floatTypes: readonly string[] = Object.keys(toFloats);

/** The numbers of a tensor of a file, as f32 bytes. */
export async function* readFloats(file: TensorFile, name: string): AsyncGenerator<Uint8Array> {
  const convert = toFloats[file.tensors.get(name)?.dtype ?? ""];
  if (convert === undefined) throw new Error(`internal: ${name} of ${file.path} is no tensor of floats`);
  for await (const piece of file.read(name)) yield convert(piece);
}

/** All numbers of a tensor of a file. */
export async function wholeFloats(file: TensorFile, name: string): Promise<Float32Array<ArrayBuffer>> {
  const count = elementsOf(file.tensors.get(name)?.shape ?? []);
  return new Float32Array((await gathered(readFloats(file, name), 4 * count)).buffer);
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
