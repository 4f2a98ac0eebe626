// What every Tile IR operation does to numbers: the one definition that constant folding and the interpreter share, and that the printed
// WGSL is tested against. Values are JavaScript numbers that are exact in their scalar type; bool is 0 or 1.
import { roundToHalf } from "../plan/half.ts";
import { erf } from "../reference/erf.ts";
import type { BinaryOp, Scalar, UnaryOp } from "./tile.ts";

/** Brings a result back into its scalar type: f32 rounding, 32-bit wrapping, truth as 0 or 1. */
export function wrap(scalar: Scalar, value: number): number {
  switch (scalar) {
    case "f32":
      return Math.fround(value);
    case "i32":
      return value | 0;
    case "u32":
      return value >>> 0;
    case "bool":
      return value !== 0 ? 1 : 0;
    default:
      throw new Error(`internal: scalar ${scalar satisfies never}`);
  }
}

/** Rounds to the nearest integer, halves to the even one. */
export function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

const unaryTable: { readonly [op in UnaryOp]: (x: number) => number } = {
  neg: (x) => -x,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  erf,
  floor: Math.floor,
  round: roundHalfEven,
  half: roundToHalf,
  not: (x) => (x === 0 ? 1 : 0),
};

const floorDivide = (x: number, y: number): number => Math.floor(x / y);

const binaryTable: { readonly [op in BinaryOp]: (x: number, y: number) => number } = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  mulHalf: (x, y) => roundToHalf(x * y), // exact before it is rounded
  div: (x, y) => x / y,
  idiv: floorDivide,
  imod: (x, y) => x - floorDivide(x, y) * y,
  max: Math.max,
  min: Math.min,
  // biome-ignore lint/style/useExponentiationOperator: a function is wanted
  pow: (x, y) => Math.pow(x, y),
  lt: (x, y) => (x < y ? 1 : 0),
  le: (x, y) => (x <= y ? 1 : 0),
  eq: (x, y) => (x === y ? 1 : 0),
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y) => x << y,
  shr: (x, y) => x >> y,
};

/** The operation on one element, before `wrap` (a typed array of the result's type wraps by itself). */
export const unaryFunction = (op: UnaryOp): ((x: number) => number) => unaryTable[op];

/** The operation on one element of operands of type `scalar`, before `wrap`. */
export function binaryFunction(op: BinaryOp, scalar: Scalar): (x: number, y: number) => number {
  if (op === "mul" && scalar !== "f32") return Math.imul; // a product of two 32-bit numbers is not exact in a double
  if (op === "shr" && scalar === "u32") return (x, y) => x >>> y;
  return binaryTable[op];
}

const largestI32InF32 = 2147483520;
const largestU32InF32 = 4294967040;

/** Conversion between scalars: f32 to an integer truncates and stays within what both hold; i32 and u32 keep their bits. */
export function castFunction(from: Scalar, to: Scalar): (x: number) => number {
  if (to === "bool") return (x) => (x !== 0 ? 1 : 0);
  if (from === "f32" && to === "i32") return (x) => Math.trunc(Math.min(Math.max(x, -2147483648), largestI32InF32));
  if (from === "f32" && to === "u32") return (x) => Math.trunc(Math.min(Math.max(x, 0), largestU32InF32));
  return (x) => x;
}

/** True for the operations whose result is bool whatever the operands are. */
export const isComparison = (op: BinaryOp): boolean => op === "lt" || op === "le" || op === "eq";
