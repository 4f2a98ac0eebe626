import type { PlanBinding } from "../plan/plan.ts";

// Places: byte ranges of buffers.

/** Bytes of a tensor in memory. */
export function bytesOf(v: { readonly shape: readonly number[] }): number {
  return 4 * v.shape.reduce((a, b) => a * b, 1);
}
/** Whether two bindings are the same bytes. */
export function samePlace(a: PlanBinding, b: PlanBinding): boolean {
  return a.buffer === b.buffer && a.offset === b.offset && a.bytes === b.bytes;
}
/** Whether two bindings share bytes. */
export function overlap(a: PlanBinding, b: PlanBinding): boolean {
  return a.buffer === b.buffer && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}
