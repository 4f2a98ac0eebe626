import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import type { OnnxType } from "../plan/onnxModel.ts";
import { type Context, dtypeOf, isFloat, known, NotImported, type OperatorRow, type OperatorTable, typed } from "./context.ts";

// Operators that work element by element.

type Unary = (b: Builder, x: Value) => Value;
const unary =
  (make: Unary): OperatorRow =>
  (c) => [make(c.b, c.arg(0))];
const binary =
  (make: (b: Builder, p: Value, q: Value) => Value): OperatorRow =>
  (c) => [wrapped(c, make(c.b, ...c.pair()))];

/** Whole numbers of few bits start again from their other end. */
const narrow: Partial<Readonly<Record<OnnxType, readonly [bits: number, signed: boolean]>>> = {
  uint8: [8, false],
  int8: [8, true],
  uint16: [16, false],
  int16: [16, true],
};
function wrapped(c: Context, x: Value): Value {
  const row = narrow[c.type(0)];
  if (row === undefined || x.dtype !== "i32") return x;
  const low = c.b.and(x, 2 ** row[0] - 1);
  return row[1] ? c.b.sub(c.b.and(c.b.add(low, 2 ** (row[0] - 1)), 2 ** row[0] - 1), 2 ** (row[0] - 1)) : low;
}
const folded =
  (make: (b: Builder, p: Value, q: Value) => Value): OperatorRow =>
  (c) => {
    let all = c.arg(0);
    for (let i = 1; i < c.count; i++) all = make(c.b, ...c.spread(all, c.arg(i)));
    return [all];
  };
export const clampTo = (b: Builder, x: Value, low: number, high: number): Value => b.min(b.max(x, low), high);
export const sigmoid: Unary = (b, x) => b.div(1, b.add(b.exp(b.neg(x)), 1));
const hardSigmoid = (b: Builder, x: Value, alpha: number, beta: number): Value => clampTo(b, b.add(b.mul(x, alpha), beta), 0, 1);

/** Towards zero, as ONNX divides whole numbers. */
function divide(b: Builder, p: Value, q: Value): Value {
  if (p.dtype === "f32") return b.div(p, q);
  const floor = b.idiv(p, q);
  const rest = b.sub(p, b.mul(floor, q));
  const up = b.and(b.lt(floor, 0), b.not(b.eq(rest, 0)));
  return b.add(floor, b.cast(up, "i32"));
}

function power(c: Context): readonly Value[] {
  const { b } = c;
  const exponent = c.computed(1);
  const base = c.arg(0);
  const first = exponent.kind === "known" ? exponent.data[0]! : null;
  const even = exponent.kind === "known" && first !== null && exponent.data.every((x) => x === first);
  const spread = (x: Value): Value => c.spread(x, c.arg(1))[0];
  const float = base.dtype === "f32" ? base : b.cast(base, "f32");
  let made: Value;
  if (even && first === 2) made = spread(b.mul(float, float));
  else if (even && first === 0.5) made = spread(b.sqrt(float));
  else if (even && Number.isInteger(first) && first! > 0 && first! <= 4)
    made = spread(Array.from({ length: first! - 1 }).reduce<Value>((x) => b.mul(x, float), float));
  else {
    const [p, q] = c.spread(float, c.arg(1).dtype === "f32" ? c.arg(1) : b.cast(c.arg(1), "f32"));
    // A negative base has a power where the exponent is whole.
    const size = b.pow(b.abs(p), q);
    const odd = b.not(b.eq(b.sub(q, b.mul(b.floor(b.mul(q, 0.5)), 2)), 0));
    made = b.where(b.and(b.lt(p, 0), odd), b.neg(size), size);
  }
  return [base.dtype === "f32" ? made : b.cast(b.round(made), base.dtype)];
}

function cast(c: Context): ReturnType<OperatorRow> {
  const { b } = c;
  const names: Readonly<Record<number, OnnxType>> = {
    1: "float",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "double",
    12: "uint32",
    13: "uint64",
    16: "bfloat16",
  };
  const to = names[c.scalar("to", 0)];
  if (to === undefined) throw new NotImported("it casts to a type that is not known");
  const from = c.computed(0);
  const dtype = dtypeOf(to);
  // Numbers that are known stay what they are: sizes may be beyond 32 bits.
  if (from.kind === "known" && !isFloat(from.type) && dtype === "i32") return [known(to, from.shape, [...from.data])];
  const x = c.arg(0);
  if (to === "float16" && x.dtype === "f32") return [typed(to, b.cast(b.cast(x, "f16"), "f32"))];
  if (dtype === "bool" && x.dtype !== "bool") return [typed(to, b.not(b.eq(x, 0)))];
  return [typed(to, b.cast(x, dtype))];
}

function clip(c: Context): readonly Value[] {
  const { b } = c;
  let x = c.arg(0);
  const bound = (name: string, i: number): Value | number | null => {
    const attribute = c.attribute(name);
    return typeof attribute === "number" ? attribute : c.maybe(i);
  };
  const [low, high] = [bound("min", 1), bound("max", 2)];
  if (low !== null) x = b.max(x, low);
  if (high !== null) x = b.min(x, high);
  return [x];
}

function modulo(c: Context): readonly Value[] {
  const { b } = c;
  const [p, q] = c.pair();
  if (c.scalar("fmod", 0) === 0 && p.dtype === "i32") return [wrapped(c, b.imod(p, q))];
  // With the sign of what is divided.
  const times = p.dtype === "f32" ? b.div(p, q) : divide(b, p, q);
  const whole = p.dtype === "f32" ? b.where(b.lt(times, 0), b.neg(b.floor(b.neg(times))), b.floor(times)) : times;
  return [b.sub(p, b.mul(whole, q))];
}

const softplus: Unary = (b, x) => b.add(b.max(x, 0), b.log(b.add(b.exp(b.neg(b.abs(x))), 1)));
const elu = (b: Builder, x: Value, alpha: number): Value => b.where(b.gt(x, 0), x, b.mul(b.sub(b.exp(b.min(x, 0)), 1), alpha));

export const elementwise: OperatorTable = {
  Abs: unary((b, x) => b.abs(x)),
  Neg: unary((b, x) => b.neg(x)),
  Exp: unary((b, x) => b.exp(x)),
  Log: unary((b, x) => b.log(x)),
  Sin: unary((b, x) => b.sin(x)),
  Cos: unary((b, x) => b.cos(x)),
  Tanh: unary((b, x) => b.tanh(x)),
  Sqrt: unary((b, x) => b.sqrt(x)),
  Erf: unary((b, x) => b.erf(x)),
  Floor: unary((b, x) => b.floor(x)),
  Ceil: unary((b, x) => b.neg(b.floor(b.neg(x)))),
  Round: unary((b, x) => b.round(x)),
  Reciprocal: unary((b, x) => b.div(1, x)),
  Relu: unary((b, x) => b.max(x, 0)),
  Sigmoid: unary(sigmoid),
  Softplus: unary(softplus),
  Not: unary((b, x) => b.not(x)),
  Identity: (c) => [c.computed(0)],
  HardSwish: unary((b, x) => b.mul(x, hardSigmoid(b, x, 1 / 6, 0.5))),
  HardSigmoid: (c) => [hardSigmoid(c.b, c.arg(0), c.scalar("alpha", 0.2), c.scalar("beta", 0.5))],
  LeakyRelu: (c) => [c.b.where(c.b.lt(c.arg(0), 0), c.b.mul(c.arg(0), c.scalar("alpha", 0.01)), c.arg(0))],
  Elu: (c) => [elu(c.b, c.arg(0), c.scalar("alpha", 1))],
  PRelu: (c) => {
    const [x, slope] = c.pair();
    return [c.b.where(c.b.lt(x, 0), c.b.mul(x, slope), x)];
  },
  Clip: clip,
  Cast: cast,
  Add: binary((b, p, q) => b.add(p, q)),
  Sub: binary((b, p, q) => b.sub(p, q)),
  Mul: binary((b, p, q) => b.mul(p, q)),
  Div: binary(divide),
  Pow: power,
  Mod: modulo,
  And: binary((b, p, q) => b.and(p, q)),
  Or: binary((b, p, q) => b.or(p, q)),
  Xor: binary((b, p, q) => b.xor(p, q)),
  Equal: binary((b, p, q) => (p.dtype === "bool" ? b.not(b.xor(p, q)) : b.eq(p, q))),
  Greater: binary((b, p, q) => b.gt(p, q)),
  Less: binary((b, p, q) => b.lt(p, q)),
  GreaterOrEqual: binary((b, p, q) => b.ge(p, q)),
  LessOrEqual: binary((b, p, q) => b.le(p, q)),
  Max: folded((b, p, q) => b.max(p, q)),
  Min: folded((b, p, q) => b.min(p, q)),
  Sum: folded((b, p, q) => b.add(p, q)),
  Mean: (c) => [c.b.mul(elementwise.Sum!(c)[0] as Value, 1 / c.count)],
  Where: (c) => {
    const [p, q] = c.spread(c.arg(1), c.arg(2));
    const [condition, wide] = c.spread(c.arg(0), p);
    return [typed(c.type(1), c.b.where(condition, wide, c.spread(q, condition)[0]))];
  },
  Dropout: (c) => {
    if (c.number(2, "training mode") === 1 && c.number(1, "share") !== 0) throw new NotImported("it trains");
    return [c.computed(0), ...(c.node.outputs.length > 1 ? [c.b.splat(1, c.shape(0), "bool")] : [])];
  },
};
