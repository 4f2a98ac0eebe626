import { add, type Ix, scale, unflatten } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import { zero } from "./gemm.ts";

// Where an output lies that is computed from a kernel's result element by element: the way from the result's index to the output's.

/** Where an output that is the anchor followed by elementwise ops, permutations and reshapes lies, given the place in the anchor. */
export function outputIndex(output: Value, anchor: Value, index: readonly Ix[]): readonly Ix[] {
  const at = indexOnPath(output, anchor, index);
  if (!at) throw new Error(`internal: %${output.id} is not computed from %${anchor.id} element by element`);
  return at;
}
/** The same, or null where the way from the anchor to the output is not one of elementwise ops, permutations and reshapes. */
export function indexOnPath(output: Value, anchor: Value, index: readonly Ix[]): readonly Ix[] | null {
  const path = pathTo(output, anchor);
  if (!path) return null;
  let at = index;
  let shape = anchor.shape;
  for (const v of path) {
    if (v.op === "permute") at = v.attrs.order.map((from) => at[from]!);
    else if (v.op === "reshape") {
      const strides: number[] = [];
      let stride = 1;
      for (let a = shape.length - 1; a >= 0; a--) {
        strides[a] = stride;
        stride *= shape[a]!;
      }
      let flat: Ix = zero;
      for (const [a, ix] of at.entries()) flat = add(flat, scale(ix, strides[a]!));
      at = unflatten(flat, v.shape);
    } else if (v.shape.length !== shape.length || v.shape.some((size, a) => size !== shape[a])) return null;
    shape = v.shape;
  }
  return at;
}
/** The anchor from which an output is computed. */
export function anchorOf<T extends Value>(output: Value, anchors: readonly T[]): T | undefined {
  return anchors.find((anchor) => pathTo(output, anchor) !== null);
}
/** The values from just above the anchor to the output, or null if the output does not depend on it. */
function pathTo(output: Value, anchor: Value): Value[] | null {
  if (output === anchor) return [];
  const seen = new Set<Value>();
  const search = (v: Value): Value[] | null => {
    if (v === anchor) return [];
    // What is older than the anchor does not need it.
    if (v.id < anchor.id || seen.has(v)) return null;
    seen.add(v);
    for (const a of v.args) {
      const path = search(a);
      if (path) return [...path, v];
    }
    return null;
  };
  return search(output);
}
