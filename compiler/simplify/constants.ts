import type { NdArray } from "../ir/ops/row.ts";
import { isElementwise } from "../ir/ops.ts";
import type { Value } from "../ir/value.ts";
import { evaluateOne } from "../reference/evaluate.ts";
import { argumentOf, mapOps, type Rule, rule, splatOf } from "./rule.ts";

// Constants: what is made of one number everywhere is a broadcast of that number.

const noContext = {
  input: (name: string): NdArray => {
    throw new Error(`internal: simplify: input '${name}' read while folding`);
  },
  philox: () => [0, 0, 0, 0] as const,
};

/** The op's reference meaning on single numbers. */
function foldedNumber(v: Value, numbers: readonly number[]): number {
  const args = v.args.map((a, i): NdArray => ({ dtype: a.dtype, shape: [], data: Float64Array.of(numbers[i]!) }));
  return evaluateOne({ ...v, shape: [], labels: [] } as Value, args, noContext).data[0]!;
}

export const constantRules: readonly Rule[] = [
  rule("fold-elementwise", mapOps, (b, v) => {
    if (!isElementwise(v)) return null;
    const numbers = v.args.map(splatOf);
    if (numbers.some((n) => n === undefined)) return null;
    const folded = foldedNumber(v, numbers as number[]);
    // What is not finite is left to the device: shader text has no such literals.
    return Number.isFinite(folded) ? b.splat(folded, v.shape, v.dtype) : null;
  }),
  rule("move-splat", ["reshape", "permute", "slice", "gather"], (b, v) => {
    const value = splatOf(argumentOf(v));
    return value === undefined ? null : b.splat(value, v.shape, v.dtype);
  }),
  rule("pad-splat", "pad", (b, v) => (splatOf(argumentOf(v)) === v.attrs.value ? b.splat(v.attrs.value, v.shape, v.dtype) : null)),
  rule("concat-splats", "concat", (b, v) => {
    const value = splatOf(argumentOf(v));
    return value !== undefined && v.args.every((a) => splatOf(a) === value) ? b.splat(value, v.shape, v.dtype) : null;
  }),
];
