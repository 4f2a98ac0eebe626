import { type Checked, good } from "../../runtime/checkpoint/files.ts";
import { floatTypes, readFloats } from "../../runtime/checkpoint/floats.ts";
import type { TensorFile } from "../../runtime/checkpoint/tensorFile.ts";
import { floatsOf, withFiles } from "./sources.ts";

// How two checkpoints differ: names, shapes, types, and numbers.

export interface TensorDifference {
  readonly name: string;
  readonly kind: "only first" | "only second" | "shape" | "type" | "numbers";
  /** In words. */
  readonly detail: string;
  /** The largest difference of numbers. */
  readonly largest: number | null;
}
export interface WeightsDifference {
  readonly same: number;
  readonly differences: readonly TensorDifference[];
}

/** Compares bytes where the types are the same, numbers where they are not; null: no difference. */
async function compared(a: TensorFile, b: TensorFile, name: string): Promise<Omit<TensorDifference, "name"> | null> {
  const [p, q] = [a.tensors.get(name)!, b.tensors.get(name)!];
  if (p.shape.join() !== q.shape.join())
    return { kind: "shape", detail: `[${p.shape.join(", ")}] and [${q.shape.join(", ")}]`, largest: null };
  const floats = floatTypes.includes(p.dtype) && floatTypes.includes(q.dtype);
  if (p.dtype !== q.dtype && !floats) return { kind: "type", detail: `${p.dtype} and ${q.dtype}`, largest: null };
  const streams = floats ? [readFloats(a, name), readFloats(b, name)] : [a.read(name), b.read(name)];
  const [left, right] = streams as [AsyncGenerator<Uint8Array>, AsyncGenerator<Uint8Array>];
  let largest = 0;
  let count = 0;
  let [x, y] = [new Uint8Array(), new Uint8Array()] as [Uint8Array, Uint8Array];
  for (;;) {
    if (x.length === 0) x = (await left.next()).value ?? new Uint8Array();
    if (y.length === 0) y = (await right.next()).value ?? new Uint8Array();
    const length = Math.min(x.length, y.length);
    if (length === 0) break;
    const [p, q] = [x.subarray(0, length), y.subarray(0, length)];
    if (Buffer.compare(p, q) !== 0) {
      const numbers = (piece: Uint8Array) => (floats ? floatsOf(piece) : piece);
      const [u, v] = [numbers(p), numbers(q)];
      for (let i = 0; i < u.length; i++) {
        if (Object.is(u[i], v[i])) continue;
        count++;
        const off = Math.abs(u[i]! - v[i]!);
        if (!(off <= largest)) largest = off;
      }
    }
    x = x.subarray(length);
    y = y.subarray(length);
  }
  if (count > 0)
    return { kind: "numbers", detail: floats ? `${count} numbers, by up to ${largest.toExponential(2)}` : `${count} bytes`, largest };
  return p.dtype === q.dtype ? null : { kind: "type", detail: `${p.dtype} and ${q.dtype}, with the same numbers`, largest: 0 };
}

/** Compares two files. */
export function diffWeights(first: string, second: string): Promise<Checked<WeightsDifference>> {
  return withFiles([first, second], async ([a, b]) => {
    const differences: TensorDifference[] = [];
    let same = 0;
    for (const { name, dtype, shape } of a!.tensors.values()) {
      if (!b!.tensors.has(name)) {
        differences.push({ name, kind: "only first", detail: `${dtype} [${shape.join(", ")}]`, largest: null });
        continue;
      }
      const found = await compared(a!, b!, name);
      if (found === null) same++;
      else differences.push({ name, ...found });
    }
    for (const { name, dtype, shape } of b!.tensors.values())
      if (!a!.tensors.has(name)) differences.push({ name, kind: "only second", detail: `${dtype} [${shape.join(", ")}]`, largest: null });
    return good({ same, differences });
  });
}
