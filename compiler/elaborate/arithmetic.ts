import type { BinaryOp } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import type { Builder } from "../ir/builder.ts";
import type { DType, Value } from "../ir/value.ts";
import type { HostExpr, HostOp } from "../plan/host.ts";
import { erf } from "../reference/erf.ts";
import { commonAxes, spreadTo } from "./axes.ts";
import { fail } from "./failure.ts";
import { constantOf, fromHost, hostNumber, hostOp, scalarType, toHost } from "./hostExpr.ts";
import type { Session } from "./session.ts";
import {
  bool,
  describe,
  type HostVal,
  isNumeric,
  isScalar,
  type NumericVal,
  number,
  type ScalarVal,
  type TensorVal,
  tensor,
  type Val,
} from "./values.ts";

// Arithmetic at all three binding times. What is known is computed now, what is known per step becomes a host expression, the rest becomes
// tensor IR. Whole numbers stay whole (`i32`); meeting a real number makes them real; a Bool counts as 0 or 1.

type Dtype = "f32" | "i32" | "bool";

// ---- one argument ------------------------------------------------------------------------------------------------------------------

type UnaryRow = {
  readonly device: (b: Builder, x: Value) => Value;
  readonly whole?: true; // the result is whole
  readonly keeps?: true; // whole in, whole out
} & (
  | { readonly host: (x: HostExpr) => HostExpr } // known numbers are folded by it
  | { readonly plain: (x: number) => number } // the host has no such operation: what is not known goes to the device
);
const one = (op: HostOp) => (x: HostExpr) => hostOp(op, x);
const wholeOf = (b: Builder, x: Value) => (x.dtype === "f32" ? b.cast(x, "i32") : x);

/** Elementwise functions of one argument. */
export const unaryRows: Readonly<Record<string, UnaryRow>> = {
  exp: { host: one("exp"), device: (b, x) => b.exp(x) },
  ln: { host: one("ln"), device: (b, x) => b.log(x) },
  sin: { host: one("sin"), device: (b, x) => b.sin(x) },
  cos: { host: one("cos"), device: (b, x) => b.cos(x) },
  tanh: { plain: Math.tanh, device: (b, x) => b.tanh(x) },
  sqrt: { host: one("sqrt"), device: (b, x) => b.sqrt(x) },
  rsqrt: { host: (x) => hostOp("div", hostNumber(1), hostOp("sqrt", x)), device: (b, x) => b.rsqrt(x) },
  erf: { plain: erf, device: (b, x) => b.erf(x) },
  abs: { host: one("abs"), device: (b, x) => b.abs(x), keeps: true },
  floor: { host: one("floor"), device: (b, x) => (x.dtype === "f32" ? wholeOf(b, b.floor(x)) : x), whole: true },
  ceil: {
    host: one("ceil"),
    device: (b, x) => (x.dtype === "f32" ? wholeOf(b, b.neg(b.floor(b.neg(x)))) : x),
    whole: true,
  },
  round: { host: one("round"), device: (b, x) => (x.dtype === "f32" ? wholeOf(b, b.round(x)) : x), whole: true },
  neg: { host: one("neg"), device: (b, x) => b.neg(x), keeps: true },
};

export function applyUnary(session: Session, name: string, x: Val, span: Span): Val {
  const row = unaryRows[name]!;
  if (!isNumeric(x)) fail("type/mismatch", span, { found: describe(x), expected: "a number or a tensor" });
  if (x.kind !== "tensor") {
    if ("plain" in row)
      return x.kind === "host" ? deviceUnary(session, row, toTensor(session, x, "f32"), span) : number(row.plain(Number(x.value)));
    const whole = row.whole === true || (row.keeps === true && scalarType(x) !== "real");
    return fromHost(row.host(toHost(x)), whole ? "int" : "real");
  }
  if (x.quotient && (name === "floor" || name === "ceil")) return floorOfQuotient(session, x.quotient, name === "ceil", span);
  return deviceUnary(session, row, x, span);
}

function deviceUnary(session: Session, row: UnaryRow, x: TensorVal, span: Span): TensorVal {
  const stays = (row.keeps === true || row.whole === true) && x.value.dtype !== "bool";
  const argument = stays ? x : castTo(session, x, "f32");
  return tensor(
    session.at(span, () => row.device(session.builder, argument.value)),
    argument.axes,
  );
}

/** `floor(a / b)` of whole numbers, without the detour through real numbers. */
function floorOfQuotient(session: Session, [a, c]: readonly [TensorVal, TensorVal], up: boolean, span: Span): TensorVal {
  const { builder } = session;
  const quotient = session.at(span, () => (up ? builder.neg(builder.idiv(builder.neg(a.value), c.value)) : builder.idiv(a.value, c.value)));
  return tensor(quotient, a.axes);
}

export function applyNot(session: Session, x: Val, span: Span): Val {
  if (!isNumeric(x)) fail("type/mismatch", span, { found: describe(x), expected: "a Bool" });
  if (x.kind === "tensor") {
    const made = tensor(
      session.at(span, () => session.builder.not(castTo(session, x, "bool").value)),
      x.axes,
    );
    return x.host ? { ...made, host: x.host.map((one) => hostOp("not", one)) } : made;
  }
  return fromHost(hostOp("not", toHost(x)), "bool");
}

// ---- two arguments -----------------------------------------------------------------------------------------------------------------

export type Dyadic = BinaryOp | "max" | "min";
interface BinaryRow {
  readonly host: (a: HostExpr, b: HostExpr) => HostExpr;
  readonly device: (b: Builder, x: Value, y: Value) => Value;
  readonly result: "same" | "real" | "bool";
  readonly operands: "number" | "bool" | "any";
}
const two = (op: HostOp) => (a: HostExpr, b: HostExpr) => hostOp(op, a, b);

/** Elementwise functions of two arguments. */
export const binaryRows: Readonly<Record<Dyadic, BinaryRow>> = {
  "+": { host: two("add"), device: (b, x, y) => b.add(x, y), result: "same", operands: "number" },
  "-": { host: two("sub"), device: (b, x, y) => b.sub(x, y), result: "same", operands: "number" },
  "*": { host: two("mul"), device: (b, x, y) => b.mul(x, y), result: "same", operands: "number" },
  "/": { host: two("div"), device: (b, x, y) => b.div(x, y), result: "real", operands: "number" },
  "**": { host: two("pow"), device: (b, x, y) => b.pow(x, y), result: "real", operands: "number" },
  max: { host: two("max"), device: (b, x, y) => b.max(x, y), result: "same", operands: "number" },
  min: { host: two("min"), device: (b, x, y) => b.min(x, y), result: "same", operands: "number" },
  "<": { host: two("lt"), device: (b, x, y) => b.lt(x, y), result: "bool", operands: "number" },
  ">": { host: (a, b) => hostOp("lt", b, a), device: (b, x, y) => b.gt(x, y), result: "bool", operands: "number" },
  "<=": { host: two("le"), device: (b, x, y) => b.or(b.lt(x, y), b.eq(x, y)), result: "bool", operands: "number" },
  ">=": { host: (a, b) => hostOp("le", b, a), device: (b, x, y) => b.or(b.gt(x, y), b.eq(x, y)), result: "bool", operands: "number" },
  "==": { host: two("eq"), device: (b, x, y) => b.eq(x, y), result: "bool", operands: "any" },
  "!=": { host: (a, b) => hostOp("not", hostOp("eq", a, b)), device: (b, x, y) => b.not(b.eq(x, y)), result: "bool", operands: "any" },
  and: { host: two("and"), device: (b, x, y) => b.and(x, y), result: "bool", operands: "bool" },
  or: { host: two("or"), device: (b, x, y) => b.or(x, y), result: "bool", operands: "bool" },
};

export function applyBinary(session: Session, op: Dyadic, a: Val, b: Val, span: Span, spans: readonly [Span, Span] = [span, span]): Val {
  const row = binaryRows[op];
  if (a.kind === "none" || b.kind === "none") {
    if (op === "==" || op === "!=") return bool((a.kind === b.kind) === (op === "=="));
  }
  if (a.kind === "text" || b.kind === "text" || (isScalar(a) && isScalar(b))) {
    if (!isScalar(a) || !isScalar(b))
      fail("type/mismatch", spans[isScalar(a) ? 1 : 0], { found: describe(isScalar(a) ? b : a), expected: "a text" });
    if (row.operands !== "any")
      for (const [i, x] of [a, b].entries())
        if (scalarType(x) === "text") fail("type/mismatch", spans[i]!, { found: describe(x), expected: "a number" });
    return fromHost(row.host(toHost(a), toHost(b)), scalarResult(op, a, b));
  }
  for (const [i, x] of [a, b].entries()) {
    if (!isNumeric(x)) fail("type/mismatch", spans[i]!, { found: describe(x), expected: "a number or a tensor" });
  }
  return deviceBinary(session, op, a as NumericVal, b as NumericVal, span, spans);
}

function scalarResult(op: Dyadic, a: ScalarVal, b: ScalarVal): HostVal["type"] {
  const { result } = binaryRows[op];
  if (result === "bool") return "bool";
  if (op === "/") return "real";
  return scalarType(a) === "real" || scalarType(b) === "real" ? "real" : "int";
}

function deviceBinary(session: Session, op: Dyadic, a: NumericVal, b: NumericVal, span: Span, spans: readonly [Span, Span]): TensorVal {
  const row = binaryRows[op];
  if (op === "**") return power(session, a, b, span, spans);
  const dtype: Dtype =
    row.operands === "bool" ? "bool" : (op === "==" || op === "!=") && isBool(a) && isBool(b) ? "bool" : commonDtype([a, b]);
  const [x, y] = aligned(session, [a, b], dtype, span, spans);
  if (op === "/" && dtype === "i32") {
    const real = session.at(span, () =>
      row.device(session.builder, session.builder.cast(x!.value, "f32"), session.builder.cast(y!.value, "f32")),
    );
    return { ...tensor(real, x!.axes), quotient: [x!, y!] };
  }
  return tensor(
    session.at(span, () => row.device(session.builder, x!.value, y!.value)),
    x!.axes,
  );
}

/** Small constant exponents are products and roots, which have exact derivatives everywhere. */
function power(session: Session, a: NumericVal, b: NumericVal, span: Span, spans: readonly [Span, Span]): TensorVal {
  const { builder } = session;
  if (b.kind === "host" && b.expr.kind === "perRun" && a.kind === "tensor") {
    // The exponent decides what is made of the base.
    const known = constantOf(session.assumed(b.expr));
    if (typeof known === "number") return power(session, a, { kind: "number", value: known }, span, spans);
  }
  if (b.kind === "number" && a.kind === "tensor") {
    const base = a.value.dtype === "i32" && Number.isInteger(b.value) && b.value >= 0 ? a : castTo(session, a, "f32");
    const x = base.value;
    const made = session.at(span, () => {
      switch (b.value) {
        case 0:
          return builder.splat(1, x.shape, x.dtype);
        case 1:
          return x;
        case 2:
          return builder.mul(x, x);
        case 3:
          return builder.mul(builder.mul(x, x), x);
        case 4:
          return builder.mul(builder.mul(x, x), builder.mul(x, x));
        case -1:
          return builder.div(builder.splatLike(1, x), x);
        case 0.5:
          return builder.sqrt(x);
        case -0.5:
          return builder.rsqrt(x);
        default:
          return null;
      }
    });
    if (made) return tensor(made, a.axes);
  }
  const [x, y] = aligned(session, [a, b], "f32", span, spans);
  return tensor(
    session.at(span, () => builder.pow(x!.value, y!.value)),
    x!.axes,
  );
}

// ---- operands ----------------------------------------------------------------------------------------------------------------------

export function isBool(x: NumericVal): boolean {
  return x.kind === "bool" || (x.kind === "host" && x.type === "bool") || (x.kind === "tensor" && x.value.dtype === "bool");
}

function isWhole(x: NumericVal): boolean {
  if (x.kind === "tensor") return x.value.dtype === "i32";
  return x.kind === "host" ? x.type === "int" : x.kind === "number" && Number.isInteger(x.value) && Math.abs(x.value) < 2 ** 31;
}

/** i32 where every operand is whole, else real: the author never writes a conversion. */
export function commonDtype(operands: readonly NumericVal[]): "f32" | "i32" {
  return operands.every(isWhole) ? "i32" : "f32";
}

/** The operands as tensors of one dtype and one set of axes. Scalars of the graph stay scalars until they meet a tensor. */
export function aligned(
  session: Session,
  operands: readonly NumericVal[],
  dtype: Dtype,
  span: Span,
  spans: readonly Span[] = [],
): TensorVal[] {
  const tensors = operands.map((x) => toTensor(session, x, dtype));
  const target = session.at(span, () => commonAxes(tensors, span, spans));
  return session.at(span, () => tensors.map((x, i) => spreadTo(session.builder, x, target, spans[i] ?? span)));
}

/** Any number as a tensor: a constant, a uniform, or itself, with the wanted dtype. */
export function toTensor(session: Session, x: NumericVal, dtype: Dtype): TensorVal {
  if (x.kind === "tensor") return castTo(session, x, dtype);
  if (x.kind === "host") {
    const whole = x.type === "bool" || x.type === "int";
    const made = session.uniform(x.expr, whole ? "i32" : "f32", hintOf(session, x.expr));
    return castTo(session, tensor(made, []), dtype);
  }
  return tensor(session.builder.scalar(dtype === "bool" ? Number(Boolean(x.value)) : Number(x.value), dtype), []);
}

/** A uniform is called after its draw or counter, else after the place in the text that first needs it. */
function hintOf(session: Session, expr: HostExpr): string {
  if (expr.kind === "draw") return expr.stream;
  if (expr.kind === "counter") return expr.name;
  if (session.stream.length === 0) return "host";
  const marks = new Map(session.loops.map((loop) => [loop.mark, "[*]"]));
  return session.stream
    .map((name) => marks.get(name) ?? name)
    .join(".")
    .replaceAll(".[", "[");
}

export function castTo(session: Session, x: TensorVal, dtype: DType): TensorVal {
  const { builder } = session;
  if (x.value.dtype === dtype) return x.quotient ? tensor(x.value, x.axes) : x;
  const value = dtype === "bool" ? builder.not(builder.eq(x.value, builder.splatLike(0, x.value))) : builder.cast(x.value, dtype);
  return tensor(value, x.axes);
}

/** A real tensor, or nothing done to it if it is one. */
export function asReal(session: Session, x: Val, span: Span): TensorVal {
  if (!isNumeric(x)) fail("type/mismatch", span, { found: describe(x), expected: "a number or a tensor" });
  return toTensor(session, x, "f32");
}
