import { forEachPlace, stridesOf, wrap, zeros } from "../../reference/ndarray.ts";
import type { OpName, Value } from "../value.ts";
import { elementCount, type Inferred, misuse, type NdArray, type OpRow, requireAxis, requireDType } from "./row.ts";

// Reductions: the named axes vanish.

function without(op: OpName, x: Value, axes: readonly number[]): Inferred {
  axes.forEach((axis, i) => {
    requireAxis(op, axis, x.shape.length);
    if (i > 0 && axes[i - 1]! >= axis) misuse(op, `axes [${axes.join(", ")}] do not ascend`);
  });
  const keep = <T>(whole: readonly T[]) => whole.filter((_, i) => !axes.includes(i));
  return { dtype: x.dtype, shape: keep(x.shape), labels: keep(x.labels) };
}

/** Visits every element of x with the place that it reduces to. */
function forEachReduced(
  x: NdArray,
  axes: readonly number[],
  shape: readonly number[],
  visit: (element: number, place: number) => void,
): void {
  const kept = stridesOf(shape);
  let next = 0;
  const strides = x.shape.map((_, axis) => (axes.includes(axis) ? 0 : kept[next++]!));
  forEachPlace(x.shape, strides, 0, visit);
}

export const reduceRows: { readonly [K in "sum" | "reduceMax" | "argmax"]: OpRow<K> } = {
  sum: {
    class: "reduce",
    arity: 1,
    infer: ([x], { axes }) => {
      requireDType("sum", x!, ["f32", "i32", "u32"]);
      return without("sum", x!, axes);
    },
    grad: (b, v, g) => [b.spreadBack(g, v.args[0]!, v.attrs.axes)],
    ref: ([x], { axes }, _, { shape }) => {
      const { dtype, data } = x!;
      const result = zeros(dtype, shape);
      const out = result.data;
      forEachReduced(x!, axes, shape, (element, place) => {
        out[place]! += data[element]!;
      });
      if (dtype !== "f32") for (let i = 0; i < out.length; i++) out[i] = wrap(out[i]!, dtype);
      return result;
    },
    kernel: "reduce",
  },
  reduceMax: {
    class: "reduce",
    arity: 1,
    infer: ([x], { axes }) => {
      requireDType("reduceMax", x!, ["f32", "i32", "u32"]);
      return without("reduceMax", x!, axes);
    },
    // Equals share the cotangent evenly.
    grad: (b, v, g) => {
      const x = v.args[0]!;
      const { axes } = v.attrs;
      const isLargest = b.eq(x, b.spreadBack(v, x, axes));
      const share = b.div(g, b.sum(b.cast(isLargest, "f32"), axes));
      return [b.where(isLargest, b.spreadBack(share, x, axes), 0)];
    },
    ref: ([x], { axes }, _, { shape }) => {
      const { dtype, data } = x!;
      const out = new Float64Array(elementCount(shape)).fill(Number.NEGATIVE_INFINITY);
      forEachReduced(x!, axes, shape, (element, place) => {
        out[place] = Math.max(out[place]!, data[element]!);
      });
      return { dtype, shape, data: out };
    },
    kernel: "reduce",
  },
  argmax: {
    class: "reduce",
    arity: 1,
    infer: ([x], { axis }) => {
      requireDType("argmax", x!, ["f32", "i32", "u32"]);
      return { ...without("argmax", x!, [axis]), dtype: "i32" };
    },
    grad: { none: "a position has no derivative" },
    ref: ([x], { axis }, _, { shape }) => {
      const largest = new Float64Array(elementCount(shape)).fill(Number.NEGATIVE_INFINITY);
      const result = zeros("i32", shape);
      const inner = elementCount(x!.shape.slice(axis + 1));
      const size = x!.shape[axis]!;
      forEachReduced(x!, [axis], shape, (element, place) => {
        if (x!.data[element]! <= largest[place]!) return;
        largest[place] = x!.data[element]!;
        result.data[place] = Math.floor(element / inner) % size;
      });
      return result;
    },
    kernel: "reduce",
  },
};
