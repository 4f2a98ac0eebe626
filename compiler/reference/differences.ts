import type { Builder } from "../ir/builder.ts";
import type { NdArray } from "../ir/ops/row.ts";
import type { Graph, Value } from "../ir/value.ts";
import { type Arrays, evaluateValues } from "./evaluate.ts";

// Derivatives by central differences in double precision: what autodiff is checked against.

/** Fixed weights that make a scalar of a result, so that no derivative hides behind another: between 0.5 and 1.5 in size, of both signs. */
export function probeWeights(count: number, seed = 1): number[] {
  return Array.from({ length: count }, (_, i) => {
    const wave = Math.sin((i + 1) * 12.9898 + seed * 78.233);
    return Math.fround((wave < 0 ? -0.5 : 0.5) + wave);
  });
}

/** Σ weights · value over all f32 values, a scalar that depends on every element. */
export function probeLoss(b: Builder, values: readonly Value[]): Value {
  const terms = values
    .filter((v) => v.dtype === "f32")
    .map((v, i) =>
      b.sum(
        b.mul(
          v,
          b.table(
            probeWeights(
              v.shape.reduce((n, size) => n * size, 1),
              i + 1,
            ),
            v.shape,
          ),
        ),
      ),
    );
  return terms.reduce((sum, term) => b.add(sum, term), b.scalar(0));
}

/** ∂loss/∂input per element of the named input. */
export function centralDifferences(loss: Value, inputs: Arrays, name: string, step = 1e-5): Float64Array {
  const at = inputs[name]!;
  const lossAt = (element: number, by: number) => {
    const moved: NdArray = { ...at, data: at.data.with(element, at.data[element]! + by) };
    return evaluateValues([loss], { ...inputs, [name]: moved })[0]!.data[0]!;
  };
  return at.data.map((_, element) => (lossAt(element, step) - lossAt(element, -step)) / (2 * step));
}

/** The largest difference of two arrays, relative to `scale` plus the size of the expected value. */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>, scale = 1): number {
  let worst = actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Object.is(a, e) || a === e) continue;
    const error = Math.abs(a - e) / (scale + Math.abs(e));
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  }
  return worst;
}

/** A graph of one builder's values with the names r0, r1, … */
export function graphOf(values: readonly Value[], name = "program"): Graph {
  return { name, results: values.map((value, i) => ({ name: `r${i}`, value })) };
}
