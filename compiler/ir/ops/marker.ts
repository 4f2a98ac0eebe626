import type { Value } from "../value.ts";
import { type Inferred, type NdArray, type OpRow, requireDType } from "./row.ts";

// Markers: identities that passes read. They vanish after differentiation, but for `again`, which fusion and the order of kernels heed.

const same = ([x]: readonly Value[]): Inferred => ({ dtype: x!.dtype, shape: x!.shape, labels: x!.labels });
const through = ([x]: readonly NdArray[]): NdArray => x!;

export const markerRows: { readonly [K in "stop" | "gradScale" | "save" | "tap" | "again"]: OpRow<K> } = {
  stop: { class: "marker", arity: 1, infer: same, grad: () => [null], ref: through, kernel: "view" },
  gradScale: {
    class: "marker",
    arity: 1,
    infer: (args) => {
      requireDType("gradScale", args[0]!, ["f32"]);
      return same(args);
    },
    // A scale of 0 blocks the way, whatever the cotangent is.
    grad: (b, v, g) => [v.attrs.scale === 0 ? null : b.mul(g, v.attrs.scale)],
    ref: through,
    kernel: "view",
  },
  save: { class: "marker", arity: 1, infer: same, grad: (_, _v, g) => [g], ref: through, kernel: "view" },
  tap: { class: "marker", arity: 1, infer: same, grad: (_, _v, g) => [g], ref: through, kernel: "view" },
  again: { class: "marker", arity: 1, infer: same, grad: (_, _v, g) => [g], ref: through, kernel: "view" },
};
