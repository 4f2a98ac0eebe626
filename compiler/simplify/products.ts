import type { Builder } from "../ir/builder.ts";
import { sameShape, type ValueWith } from "../ir/ops/row.ts";
import type { Value } from "../ir/value.ts";
import { argumentOf, is, pairOf, type Rule, rule, splatOf } from "./rule.ts";

// Products with repeated factors, and their sums. A factor that repeats along the summed axes leaves the sum, so that the sums which differentiation
// makes of one tensor become few and alike: of a batch norm's four (scale, shift, mean, variance) two are left, Σ g and Σ g·(x - mean), which do not
// wait for each other. Only f32, where it changes results by rounding alone.

// Products are looked into this deep: deeper ones do not occur, and shared factors would be visited once per path.
const deepest = 6;

/** The operand of a product that repeats along axes, with the other operand. */
function repeatedFactor(v: Value): { readonly factor: ValueWith<"broadcast">; readonly other: Value } | undefined {
  if (!is(v, "mul")) return undefined;
  const [x, y] = pairOf(v);
  if (is(y, "broadcast")) return { factor: y, other: x };
  return is(x, "broadcast") ? { factor: x, other: y } : undefined;
}

/** Whether a value is the same along all of the axes. */
const repeatsAlong = (v: Value, axes: readonly number[]) => is(v, "broadcast") && !v.attrs.axes.some((axis) => axes.includes(axis));

/** Whether a sum over the axes can be written with a factor (or a sign) outside of it. */
function hasFactor(v: Value, axes: readonly number[], depth = deepest): boolean {
  if (depth === 0) return false;
  if (is(v, "neg")) return true;
  return is(v, "mul") && v.args.some((a) => repeatsAlong(a, axes) || hasFactor(a, axes, depth - 1));
}

/** Whether a value is a sum of terms that all have such a factor. */
function hasFactoredTerms(v: Value, axes: readonly number[], depth = deepest): boolean {
  if (depth === 0) return false;
  if (is(v, "add") || is(v, "sub")) return v.args.every((a) => hasFactoredTerms(a, axes, depth - 1));
  return hasFactor(v, axes);
}

/** Takes the factors that repeat along the axes out of a product: v = rest · Π factors. */
function takeFactors(
  b: Builder,
  v: Value,
  axes: readonly number[],
  depth = deepest,
): { readonly rest: Value | null; readonly factors: Value[] } {
  if (repeatsAlong(v, axes)) return { rest: null, factors: [v] };
  if (!hasFactor(v, axes, depth)) return { rest: v, factors: [] };
  if (is(v, "neg")) {
    const { rest, factors } = takeFactors(b, argumentOf(v), axes, depth - 1);
    return { rest, factors: [...factors, b.splatLike(-1, v)] };
  }
  const [p, q] = pairOf(v).map((a) => takeFactors(b, a, axes, depth - 1)) as [
    ReturnType<typeof takeFactors>,
    ReturnType<typeof takeFactors>,
  ];
  const factors = [...p.factors, ...q.factors];
  if (p.rest === null || q.rest === null) return { rest: p.rest ?? q.rest, factors };
  // One order of factors, so that equal products are found to be equal.
  return { rest: p.rest.id <= q.rest.id ? b.mul(p.rest, q.rest) : b.mul(q.rest, p.rest), factors };
}

/** A value that repeats along the axes, without them. */
function withoutAxes(b: Builder, v: Value, axes: readonly number[], shape: readonly number[]): Value {
  const number = splatOf(v);
  if (number !== undefined) return b.splat(number, shape, v.dtype);
  if (!is(v, "broadcast")) throw new Error(`internal: simplify: '${v.op}' does not repeat`);
  return b.broadcastInDim(
    argumentOf(v),
    shape,
    v.attrs.axes.map((axis) => axis - axes.filter((gone) => gone < axis).length),
  );
}

/** Whether v is x - mean of x over the axes. */
function isCentred(v: Value, axes: readonly number[]): boolean {
  if (!is(v, "sub") || !is(v.args[1], "broadcast")) return false;
  const mean = argumentOf(v.args[1]);
  if (!is(mean, "mul") || !is(mean.args[0], "sum")) return false;
  const total = mean.args[0];
  const kept = v.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const count = axes.reduce((n, axis) => n * v.shape[axis]!, 1);
  const share = splatOf(mean.args[1]) ?? 0;
  return (
    argumentOf(total) === v.args[0] &&
    sameShape(total.attrs.axes, axes) &&
    sameShape(v.args[1].attrs.axes, kept) &&
    Math.abs(share * count - 1) < 1e-12
  );
}

export const productRules: readonly Rule[] = [
  rule("add-self", "add", (b, v) => (v.args[0] === v.args[1] && v.dtype === "f32" ? b.mul(v.args[0]!, 2) : null)),
  rule("factor-factor", "mul", (b, v) => {
    // (x·B)·C is x·(B·C) where B and C repeat alike: their product is made once, on the smaller shape. C may be a number.
    if (v.dtype !== "f32") return null;
    const outer = repeatedFactor(v);
    const inner = outer && repeatedFactor(outer.other);
    if (!inner || splatOf(inner.factor) !== undefined) return null;
    const alike = splatOf(outer.factor) !== undefined || sameShape(inner.factor.attrs.axes, outer.factor.attrs.axes);
    return alike ? b.mul(inner.other, b.mul(inner.factor, outer.factor)) : null;
  }),
  rule("sum-centred", "sum", (b, v) => (isCentred(v.args[0]!, v.attrs.axes) ? b.splatLike(0, v) : null)),
  rule("sum-factor", "sum", (b, v) => {
    const x = v.args[0]!;
    const { axes } = v.attrs;
    if (v.dtype !== "f32" || !hasFactor(x, axes)) return null;
    const { rest, factors } = takeFactors(b, x, axes);
    if (rest === null) return null;
    const sum = b.sum(rest, axes);
    // Nothing is left of a sum that is 0 by centring; were a factor not finite, its product with every element would show it.
    if (splatOf(sum) === 0) return sum;
    return factors.reduce((product, factor) => b.mul(product, withoutAxes(b, factor, axes, v.shape)), sum);
  }),
  rule("sum-terms", "sum", (b, v) => {
    const x = v.args[0]!;
    if (v.dtype !== "f32" || !(is(x, "add") || is(x, "sub")) || !hasFactoredTerms(x, v.attrs.axes)) return null;
    const [p, q] = x.args.map((term) => b.sum(term, v.attrs.axes)) as [Value, Value];
    return is(x, "add") ? b.add(p, q) : b.sub(p, q);
  }),
];
