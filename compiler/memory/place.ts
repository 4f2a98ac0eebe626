import type { DType } from "../ir/value.ts";
import { halfBytes } from "../plan/half.ts";
import type { PlanBinding } from "../plan/plan.ts";

// Places: byte ranges of buffers.

/** Bytes of a tensor in memory. */
export function bytesOf(v: { readonly shape: readonly number[]; readonly dtype: DType }): number {
  const count = v.shape.reduce((a, b) => a * b, 1);
  return v.dtype === "f16" ? halfBytes(count) : 4 * count;
}
/** Whether two bindings are the same bytes. */
export function samePlace(a: PlanBinding, b: PlanBinding): boolean {
  return a.buffer === b.buffer && a.offset === b.offset && a.bytes === b.bytes;
}
/** Whether two bindings share bytes. */
export function overlap(a: PlanBinding, b: PlanBinding): boolean {
  return a.buffer === b.buffer && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}
