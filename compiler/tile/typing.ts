// The types of Tile IR and their rules: for one expression node, given that its operands are well typed, what is wrong with it, if anything.
import { wrap } from "./arithmetic.ts";
import type { BinaryOp, Scalar, TileExpr, TileType, UnaryOp, Width } from "./tile.ts";

const types: { readonly [s in Scalar]: { readonly [w in Width]: TileType } } = {
  f32: { 1: { scalar: "f32", width: 1 }, 4: { scalar: "f32", width: 4 } },
  i32: { 1: { scalar: "i32", width: 1 }, 4: { scalar: "i32", width: 4 } },
  u32: { 1: { scalar: "u32", width: 1 }, 4: { scalar: "u32", width: 4 } },
  bool: { 1: { scalar: "bool", width: 1 }, 4: { scalar: "bool", width: 4 } },
};

/** The type with this scalar and width. */
export const typeOf = (scalar: Scalar, width: Width = 1): TileType => types[scalar][width];
export const sameType = (a: TileType, b: TileType): boolean => a.scalar === b.scalar && a.width === b.width;
/** `f32` or `f32x4`. */
export const typeText = (t: TileType): string => (t.width === 1 ? t.scalar : `${t.scalar}x4`);

/** Which scalars an operation takes. Shift counts may be i32 or u32; all other operands agree. */
export function operandsFit(op: BinaryOp, left: Scalar, right: Scalar): boolean {
  const integer = left === "i32" || left === "u32";
  switch (op) {
    case "add":
    case "sub":
    case "mul":
    case "max":
    case "min":
    case "lt":
    case "le":
      return left === right && left !== "bool";
    case "div":
    case "pow":
    case "mulHalf":
      return left === "f32" && right === "f32";
    case "idiv":
    case "imod":
      return left === right && integer;
    case "eq":
      return left === right;
    case "and":
    case "or":
    case "xor":
      return left === right && left !== "f32";
    case "shl":
    case "shr":
      return integer && (right === "i32" || right === "u32");
    default:
      throw new Error(`internal: tile operation ${op satisfies never}`);
  }
}

const oneI32 = typeOf("i32");

function unaryTakes(op: UnaryOp, { scalar }: TileType): boolean {
  switch (op) {
    case "not":
      return scalar === "bool";
    case "neg":
      return scalar === "f32" || scalar === "i32";
    case "abs":
      return scalar !== "bool";
    case "exp":
    case "log":
    case "sin":
    case "cos":
    case "tanh":
    case "sqrt":
    case "rsqrt":
    case "erf":
    case "floor":
    case "round":
    case "half":
      return scalar === "f32";
    default:
      throw new Error(`internal: tile operation ${op satisfies never}`);
  }
}

/** Why this node is not well typed; null when it is. Names, buffers and arrays are the verifier's business. */
export function typeProblem(e: TileExpr): string | null {
  const { scalar, width } = e.type;
  const given = typeText(e.type);
  const must = (expected: TileType, what: string): string | null =>
    sameType(e.type, expected) ? null : `${what} is ${typeText(expected)}, not ${given}`;
  switch (e.kind) {
    case "lit":
      return Object.is(wrap(scalar, e.value), e.value) || e.value === 0 ? null : `${e.value} is no ${scalar}`;
    case "lane":
      return must(oneI32, "lane");
    case "group":
      return must(oneI32, "group");
    case "uniform":
      if (width !== 1 || scalar === "bool") return `a uniform is f32, i32 or u32, not ${given}`;
      return Number.isInteger(e.index) && e.index >= 0 ? null : `no uniform ${e.index}`;
    case "unary":
      return unaryTakes(e.op, e.arg.type) ? must(e.arg.type, e.op) : `${e.op} of ${typeText(e.arg.type)}`;
    case "binary": {
      const { left, right } = e;
      if (left.type.width !== right.type.width || !operandsFit(e.op, left.type.scalar, right.type.scalar)) {
        return `${e.op} of ${typeText(left.type)} and ${typeText(right.type)}`;
      }
      return must(e.op === "lt" || e.op === "le" || e.op === "eq" ? typeOf("bool", left.type.width) : left.type, e.op);
    }
    case "fma":
      return [e.a, e.b, e.c].every((x) => x.type.scalar === "f32" && sameType(x.type, e.type)) ? null : "fma of other than equal f32 types";
    case "select": {
      const { condition, then, otherwise } = e;
      if (!sameType(then.type, otherwise.type)) return `select between ${typeText(then.type)} and ${typeText(otherwise.type)}`;
      const fits = condition.type.scalar === "bool" && (condition.type.width === 1 || condition.type.width === width);
      return fits ? must(then.type, "select") : `select by ${typeText(condition.type)}`;
    }
    case "cast":
      return width === e.arg.type.width ? null : `cast of ${typeText(e.arg.type)} to ${given}`;
    case "splat":
      return e.arg.type.width === 1 ? must(typeOf(e.arg.type.scalar, 4), "splat") : `splat of ${typeText(e.arg.type)}`;
    case "vec":
      return e.parts.every((p) => sameType(p.type, typeOf(scalar))) && width === 4 ? null : "vec of parts of other types";
    case "part":
      return e.arg.type.width === 4 ? must(typeOf(e.arg.type.scalar), "part") : `part of ${typeText(e.arg.type)}`;
    case "load":
    case "shared":
      return sameType(e.index.type, oneI32) ? null : `index of type ${typeText(e.index.type)}`;
    case "fromLane":
    case "reduceLanes":
      return scalar === "bool" ? `${e.kind} of a bool` : must(e.arg.type, e.kind);
    case "philox":
      if (![e.key1, e.element, e.step].every((x) => sameType(x.type, typeOf("u32")))) return "philox of other than u32";
      return must(typeOf("u32"), "philox");
    case "ref":
      return null;
    default:
      throw new Error(`internal: tile expression ${JSON.stringify(e satisfies never)}`);
  }
}
