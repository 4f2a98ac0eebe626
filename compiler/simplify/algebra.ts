import type { Builder } from "../ir/builder.ts";
import type { DType, OpName, Value } from "../ir/value.ts";
import { argumentOf, is, isWhole, pairOf, type Rule, rule, splatOf } from "./rule.ts";

// Algebra of elementwise ops. For f32 only what keeps every finite result (up to rounding) and hides no infinity and no NaN: x·0 and x - x stay.

/** -x, for dtypes that have it. */
const negatable = (v: Value) => v.dtype !== "u32";
const smallestNormalF32 = 2 ** -126;
const largestF32 = (2 - 2 ** -23) * 2 ** 127;
const isNormalF32 = (n: number) => Math.abs(n) >= smallestNormalF32 && Math.abs(n) <= largestF32;
const isPowerOfTwo = (n: number) => Number.isInteger(Math.log2(Math.abs(n)));
const allOnes = (dtype: DType) => (dtype === "i32" ? -1 : dtype === "u32" ? 2 ** 32 - 1 : 1);

/** The argument that is left when the other is `neutral`. */
function withoutNeutral(v: Value, neutral: number): Value | null {
  const [x, y] = pairOf(v);
  return splatOf(y) === neutral ? x : null;
}

function power(b: Builder, x: Value, exponent: number): Value | null {
  switch (exponent) {
    case 0:
      return b.splatLike(1, x);
    case 1:
      return x;
    case 2:
      return b.mul(x, x);
    case 3:
      return b.mul(x, b.mul(x, x));
    case 0.5:
      return b.sqrt(x);
    case -0.5:
      return b.rsqrt(x);
    case -1:
      return b.div(1, x);
    default:
      return null;
  }
}

const commutative: readonly OpName[] = ["add", "mul", "eq", "and", "or", "xor"];

export const algebraRules: readonly Rule[] = [
  rule("constant-right", commutative, (b, v) => {
    const [x, y] = pairOf(v);
    return splatOf(x) !== undefined && splatOf(y) === undefined ? b.make(v.op, [y, x], v.attrs) : null;
  }),
  rule("add-zero", "add", (_, v) => withoutNeutral(v, 0)),
  rule("sub-zero", "sub", (_, v) => withoutNeutral(v, 0)),
  rule("zero-sub", "sub", (b, v) => (splatOf(v.args[0]) === 0 && negatable(v) ? b.neg(v.args[1]!) : null)),
  rule("sub-self", "sub", (b, v) => (v.args[0] === v.args[1] && isWhole(v) ? b.splatLike(0, v) : null)),
  rule("mul-one", "mul", (_, v) => withoutNeutral(v, 1)),
  rule("mul-zero", "mul", (b, v) => (splatOf(v.args[1]) === 0 && isWhole(v) ? b.splatLike(0, v) : null)),
  rule("mul-minus-one", "mul", (b, v) => (splatOf(v.args[1]) === -1 && negatable(v) ? b.neg(v.args[0]!) : null)),
  rule("neg-neg", "neg", (_, v) => (is(v.args[0], "neg") ? argumentOf(v.args[0]) : null)),
  rule("neg-sub", "neg", (b, v) => (is(v.args[0], "sub") ? b.sub(v.args[0].args[1]!, v.args[0].args[0]!) : null)),
  rule("neg-scaled", "neg", (b, v) => {
    const x = v.args[0]!;
    return is(x, "mul") && splatOf(x.args[1]) !== undefined ? b.mul(x.args[0]!, b.neg(x.args[1]!)) : null;
  }),
  rule("scale-neg", "mul", (b, v) => {
    const [x, y] = pairOf(v);
    return is(x, "neg") && splatOf(y) !== undefined ? b.mul(argumentOf(x), b.neg(y)) : null;
  }),
  rule("add-neg", "add", (b, v) => {
    const [x, y] = pairOf(v);
    if (is(y, "neg")) return b.sub(x, argumentOf(y));
    return is(x, "neg") ? b.sub(y, argumentOf(x)) : null;
  }),
  rule("sub-neg", "sub", (b, v) => (is(v.args[1], "neg") ? b.add(v.args[0]!, argumentOf(v.args[1])) : null)),
  rule("mul-neg-neg", "mul", (b, v) => {
    const [x, y] = pairOf(v);
    return is(x, "neg") && is(y, "neg") ? b.mul(argumentOf(x), argumentOf(y)) : null;
  }),
  rule("scale-scale", "mul", (b, v) => {
    const [x, y] = pairOf(v);
    const outer = splatOf(y);
    const inner = is(x, "mul") ? splatOf(x.args[1]) : undefined;
    if (outer === undefined || inner === undefined) return null;
    if (isWhole(v)) return b.mul(x.args[0]!, b.mul(x.args[1]!, y));
    // Where the product leaves the normal range, the order of the factors can matter.
    return isNormalF32(outer * inner) ? b.mul(x.args[0]!, outer * inner) : null;
  }),
  rule("div-one", "div", (_, v) => withoutNeutral(v, 1)),
  rule("div-power-of-two", "div", (b, v) => {
    const divisor = splatOf(v.args[1]);
    const exact = divisor !== undefined && isPowerOfTwo(divisor) && isNormalF32(1 / divisor);
    return exact ? b.mul(v.args[0]!, 1 / divisor) : null;
  }),
  rule("one-over-sqrt", "div", (b, v) => (splatOf(v.args[0]) === 1 && is(v.args[1], "sqrt") ? b.rsqrt(argumentOf(v.args[1])) : null)),
  rule("pow-constant", "pow", (b, v) => {
    const exponent = splatOf(v.args[1]);
    return exponent === undefined ? null : power(b, v.args[0]!, exponent);
  }),
  rule("idiv-one", "idiv", (_, v) => withoutNeutral(v, 1)),
  rule("imod-one", "imod", (b, v) => (splatOf(v.args[1]) === 1 ? b.splatLike(0, v) : null)),
  rule("same-twice", ["max", "min", "and", "or"], (_, v) => (v.args[0] === v.args[1] ? v.args[0]! : null)),
  rule("abs-sign", "abs", (b, v) => {
    const x = v.args[0]!;
    if (is(x, "abs")) return x;
    return is(x, "neg") ? b.abs(argumentOf(x)) : null;
  }),
  rule("not-not", "not", (_, v) => (is(v.args[0], "not") ? argumentOf(v.args[0]) : null)),
  rule("and-constant", "and", (b, v) => withoutNeutral(v, allOnes(v.dtype)) ?? (splatOf(v.args[1]) === 0 ? b.splatLike(0, v) : null)),
  rule("or-constant", "or", (b, v) => {
    const ones = allOnes(v.dtype);
    return withoutNeutral(v, 0) ?? (splatOf(v.args[1]) === ones ? b.splatLike(ones, v) : null);
  }),
  rule("bits-zero", ["xor", "shl", "shr"], (_, v) => withoutNeutral(v, 0)),
  rule("lt-self", "lt", (b, v) => (v.args[0] === v.args[1] ? b.splat(0, v.shape, "bool") : null)),
  rule("eq-self", "eq", (b, v) => (v.args[0] === v.args[1] && v.args[0]!.dtype !== "f32" ? b.splat(1, v.shape, "bool") : null)),
  rule("where-known", "where", (_, v) => {
    const [condition, a, c] = v.args as unknown as readonly [Value, Value, Value];
    const known = splatOf(condition);
    if (known !== undefined) return known ? a : c;
    return a === c ? a : null;
  }),
  rule("where-not", "where", (b, v) => {
    const [condition, a, c] = v.args as unknown as readonly [Value, Value, Value];
    return is(condition, "not") ? b.where(argumentOf(condition), c, a) : null;
  }),
  rule("cast-cast", "cast", (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, "cast")) return null;
    const from = argumentOf(inner);
    // 0 and 1 pass unchanged through every dtype; between i32 and u32 the bits pass.
    const keeps = from.dtype === "bool" || (isWhole(from) && isWhole(inner) && (isWhole(v) || v.dtype === "bool"));
    return keeps ? b.cast(from, v.attrs.to) : null;
  }),
];
