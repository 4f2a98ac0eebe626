import { erf } from "../../reference/erf.ts";
import { wrap } from "../../reference/ndarray.ts";
import type { Builder } from "../builder.ts";
import type { DType, Value } from "../value.ts";
import { describe, type GradRule, mergeLabels, misuse, type NdArray, type NoGrad, type OpRow, requireDType, sameShape } from "./row.ts";

// Elementwise primitives. A row is: the dtypes it takes, the meaning of one element, and the derivative.

type UnaryName = "neg" | "abs" | "exp" | "log" | "sin" | "cos" | "tanh" | "sqrt" | "rsqrt" | "erf" | "floor" | "round";
type BinaryName =
  | ("add" | "sub" | "mul" | "div" | "idiv" | "imod" | "max" | "min" | "pow" | "lt" | "eq")
  | ("and" | "or" | "xor" | "shl" | "shr");
export type MapName = UnaryName | BinaryName | "not" | "cast" | "where";

const float: readonly DType[] = ["f32"];
const signed: readonly DType[] = ["f32", "i32"];
const numeric: readonly DType[] = ["f32", "i32", "u32"];
const bits: readonly DType[] = ["i32", "u32", "bool"];
const whole: readonly DType[] = ["i32", "u32"];
const every: readonly DType[] = ["f32", "i32", "u32", "bool"];

const flat = (why: string): NoGrad => ({ none: why });
const stepwise = flat("constant between its jumps");
const logical = flat("the result is a truth value or bits");
const integral = flat("whole numbers have no derivative");

function unary<K extends UnaryName>(op: K, dtypes: readonly DType[], meaning: (x: number) => number, grad: GradRule<K> | NoGrad): OpRow<K> {
  return {
    class: "map",
    arity: 1,
    infer: ([x]) => {
      requireDType(op, x!, dtypes);
      return { dtype: x!.dtype, shape: x!.shape, labels: x!.labels };
    },
    grad,
    ref: ([x]) => {
      const { dtype, shape, data } = x!;
      const result = new Float64Array(data.length);
      if (dtype === "f32") for (let i = 0; i < data.length; i++) result[i] = meaning(data[i]!);
      else for (let i = 0; i < data.length; i++) result[i] = wrap(meaning(data[i]!), dtype);
      return { dtype, shape, data: result };
    },
    kernel: "map",
  };
}

function binary<K extends BinaryName>(
  op: K,
  dtypes: readonly DType[],
  meaning: (a: number, b: number) => number,
  grad: GradRule<K> | NoGrad,
  other: { readonly result?: DType; readonly whole?: (a: number, b: number) => number } = {},
): OpRow<K> {
  return {
    class: "map",
    arity: 2,
    infer: (args) => {
      const [a, c] = args as [Value, Value];
      requireDType(op, a, dtypes);
      if (a.dtype !== c.dtype || !sameShape(a.shape, c.shape)) misuse(op, `${describe(a)} with ${describe(c)}`);
      return { dtype: other.result ?? a.dtype, shape: a.shape, labels: mergeLabels(args) };
    },
    grad,
    ref: (args) => {
      const [a, c] = args as [NdArray, NdArray];
      const dtype = other.result ?? a.dtype;
      const ofWhole = other.whole ?? meaning;
      const x = a.data;
      const y = c.data;
      const result = new Float64Array(x.length);
      if (dtype === "f32") for (let i = 0; i < x.length; i++) result[i] = meaning(x[i]!, y[i]!);
      else for (let i = 0; i < x.length; i++) result[i] = wrap(ofWhole(x[i]!, y[i]!), dtype);
      return { dtype, shape: a.shape, data: result };
    },
    kernel: "map",
  };
}

/** g where the sign of x is +, -g where it is -, 0 at 0. */
function followSign(b: Builder, x: Value, g: Value): Value {
  return b.where(b.gt(x, 0), g, b.where(b.lt(x, 0), b.neg(g), 0));
}

function roundHalfToEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

const floorMod = (a: number, c: number) => (c === 0 ? 0 : a - c * Math.floor(a / c));

export const mapRows: { readonly [K in MapName]: OpRow<K> } = {
  neg: unary(
    "neg",
    signed,
    (x) => -x,
    (b, _, g) => [b.neg(g)],
  ),
  abs: unary("abs", signed, Math.abs, (b, v, g) => [followSign(b, v.args[0]!, g)]),
  exp: unary("exp", float, Math.exp, (b, v, g) => [b.mul(g, v)]),
  log: unary("log", float, Math.log, (b, v, g) => [b.div(g, v.args[0]!)]),
  sin: unary("sin", float, Math.sin, (b, v, g) => [b.mul(g, b.cos(v.args[0]!))]),
  cos: unary("cos", float, Math.cos, (b, v, g) => [b.neg(b.mul(g, b.sin(v.args[0]!)))]),
  tanh: unary("tanh", float, Math.tanh, (b, v, g) => [b.mul(g, b.sub(1, b.mul(v, v)))]),
  sqrt: unary("sqrt", float, Math.sqrt, (b, v, g) => [b.div(b.mul(g, 0.5), v)]),
  rsqrt: unary(
    "rsqrt",
    float,
    (x) => 1 / Math.sqrt(x),
    (b, v, g) => [b.mul(b.mul(g, -0.5), b.mul(v, b.mul(v, v)))],
  ),
  erf: unary("erf", float, erf, (b, v, g) => {
    const x = v.args[0]!;
    return [b.mul(b.mul(g, 2 / Math.sqrt(Math.PI)), b.exp(b.neg(b.mul(x, x))))];
  }),
  floor: unary("floor", float, Math.floor, stepwise),
  round: unary("round", float, roundHalfToEven, stepwise),
  not: {
    class: "map",
    arity: 1,
    infer: ([x]) => {
      requireDType("not", x!, bits);
      return { dtype: x!.dtype, shape: x!.shape, labels: x!.labels };
    },
    grad: logical,
    ref: ([x]) => ({ dtype: x!.dtype, shape: x!.shape, data: x!.data.map((e) => (x!.dtype === "bool" ? 1 - e : wrap(~e, x!.dtype))) }),
    kernel: "map",
  },
  cast: {
    class: "map",
    arity: 1,
    infer: ([x], { to }) => {
      if (x!.dtype === "f16" || to === "f16") requireDType("cast", x!, ["f32", "f16"]);
      if (x!.dtype === "f16" && to !== "f32" && to !== "f16") misuse("cast", `${describe(x!)} to ${to}: read it as f32 first`);
      return { dtype: to, shape: x!.shape, labels: x!.labels };
    },
    // Only f32 carries derivatives, and a cast from f32 to f32 is no cast. What is stored as f16 is decided when all derivatives are taken.
    grad: flat("one side of a cast is never f32"),
    // To f16: the nearest, ties to even. From f32 to whole numbers: towards zero, clamped to the range. Between whole numbers: the same bits.
    ref: ([x], { to }) => {
      const { dtype, shape, data } = x!;
      const low = to === "u32" ? 0 : -(2 ** 31);
      const high = to === "u32" ? 2 ** 32 - 1 : 2 ** 31 - 1;
      const clamps = dtype === "f32" && (to === "i32" || to === "u32");
      return { dtype: to, shape, data: data.map((e) => wrap(clamps ? Math.min(Math.max(Math.trunc(e), low), high) : e, to)) };
    },
    kernel: "map",
  },
  add: binary(
    "add",
    numeric,
    (x, y) => x + y,
    (_, _v, g) => [g, g],
  ),
  sub: binary(
    "sub",
    numeric,
    (x, y) => x - y,
    (b, _, g) => [g, b.neg(g)],
  ),
  mul: binary(
    "mul",
    numeric,
    (x, y) => x * y,
    (b, v, g) => [b.mul(g, v.args[1]!), b.mul(g, v.args[0]!)],
    { whole: Math.imul },
  ),
  div: binary(
    "div",
    float,
    (x, y) => x / y,
    (b, v, g) => {
      const share = b.div(g, v.args[1]!);
      return [share, b.neg(b.mul(share, v))];
    },
  ),
  // Division by zero is what WGSL says: the quotient is the dividend, the remainder 0.
  idiv: binary("idiv", ["i32"], (x, y) => (y === 0 ? x : Math.floor(x / y)), integral),
  imod: binary("imod", ["i32"], floorMod, integral),
  // Of equals the first argument takes the whole cotangent.
  max: binary("max", numeric, Math.max, (b, v, g) => {
    const second = b.lt(v.args[0]!, v.args[1]!);
    return [b.where(second, 0, g), b.where(second, g, 0)];
  }),
  min: binary("min", numeric, Math.min, (b, v, g) => {
    const second = b.lt(v.args[1]!, v.args[0]!);
    return [b.where(second, 0, g), b.where(second, g, 0)];
  }),
  pow: binary(
    "pow",
    float,
    (x, y) => x ** y,
    (b, v, g) => {
      const [base, exponent] = v.args as [Value, Value];
      // x^0 is constant even at base 0, where e·x^(e-1) would be 0·∞; and the derivative to the exponent is x^e · ln x, whose limit at base 0 is 0.
      const toBase = b.where(b.eq(exponent, 0), 0, b.mul(exponent, b.pow(base, b.sub(exponent, 1))));
      const positive = b.lt(0, base);
      const toExponent = b.where(positive, b.mul(v, b.log(b.where(positive, base, 1))), 0);
      return [b.mul(g, toBase), b.mul(g, toExponent)];
    },
  ),
  lt: binary("lt", numeric, (x, y) => (x < y ? 1 : 0), logical, { result: "bool" }),
  eq: binary("eq", every, (x, y) => (x === y ? 1 : 0), logical, { result: "bool" }),
  and: binary("and", bits, (x, y) => x & y, logical),
  or: binary("or", bits, (x, y) => x | y, logical),
  xor: binary("xor", bits, (x, y) => x ^ y, logical),
  // The shift distance counts modulo 32; shr keeps the sign of i32.
  shl: binary("shl", whole, (x, y) => x << y, integral),
  shr: binary("shr", whole, (x, y) => (x < 0 ? x >> y : Math.floor(x / 2 ** (y & 31))), integral),
  where: {
    class: "map",
    arity: 3,
    infer: (args) => {
      const [condition, a, c] = args as [Value, Value, Value];
      requireDType("where", condition, ["bool"]);
      requireDType("where", a, every);
      if (a.dtype !== c.dtype || !sameShape(a.shape, c.shape) || !sameShape(condition.shape, a.shape)) {
        misuse("where", `${describe(condition)} ? ${describe(a)} : ${describe(c)}`);
      }
      return { dtype: a.dtype, shape: a.shape, labels: mergeLabels([a, c, condition]) };
    },
    grad: (b, v, g) => [null, b.where(v.args[0]!, g, 0), b.where(v.args[0]!, 0, g)],
    ref: (args) => {
      const [condition, a, c] = args as [NdArray, NdArray, NdArray];
      return { dtype: a.dtype, shape: a.shape, data: a.data.map((e, i) => (condition.data[i] ? e : c.data[i]!)) };
    },
    kernel: "map",
  },
};
