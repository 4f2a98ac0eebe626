import type { DType, Value } from "../ir/value.ts";
import * as t from "../tile/build.ts";
import type { BinaryOp, TileExpr, UnaryOp } from "../tile/tile.ts";
import { registerScalar } from "./halves.ts";
import type { Scope } from "./scope.ts";

// Operations of the tensor level in Tile IR: by name where one is the other, and what must be seen to where it is not.

/** Shift distances are taken modulo 32 and a divisor 0 counts as 1, as the op table says; what is known needs no care. */
export function safeOperand(op: BinaryOp, operand: TileExpr, scope: Scope): TileExpr {
  if (operand.kind === "lit" && operand.value !== 0) return operand;
  const { scalar, width } = operand.type;
  if (op === "shl" || op === "shr") return t.and(operand, t.lit(31, scalar, width));
  if (op !== "idiv" && op !== "imod") return operand;
  const part = (given: TileExpr): TileExpr => {
    const x = scope.block.let("d", given);
    return t.select(t.eq(x, t.lit(0, scalar)), t.lit(1, scalar), x);
  };
  return width === 1 ? part(operand) : t.vecOf(...(t.partsOf(operand).map(part) as [TileExpr, TileExpr, TileExpr, TileExpr]));
}

/** How a number of the host reaches a kernel. */
export function uniformScalar(dtype: DType): "f32" | "i32" | "u32" {
  const scalar = registerScalar(dtype);
  return scalar === "bool" ? "u32" : scalar;
}

/** Operations of the tensor level that are one of the tile level. */
export const UNARY: Readonly<Partial<Record<Value["op"], UnaryOp>>> = {
  neg: "neg",
  abs: "abs",
  exp: "exp",
  log: "log",
  sin: "sin",
  cos: "cos",
  tanh: "tanh",
  sqrt: "sqrt",
  rsqrt: "rsqrt",
  erf: "erf",
  floor: "floor",
  round: "round",
  not: "not",
};
export const BINARY: Readonly<Partial<Record<Value["op"], BinaryOp>>> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  div: "div",
  idiv: "idiv",
  imod: "imod",
  max: "max",
  min: "min",
  pow: "pow",
  lt: "lt",
  eq: "eq",
  and: "and",
  or: "or",
  xor: "xor",
  shl: "shl",
  shr: "shr",
};
