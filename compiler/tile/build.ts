// Constructors of Tile IR expressions and statements: they infer types, give a scalar operand the width of the other, and fold what is
// known (constants, x+0, x*1, integer x*0, division by 1, select on a literal). Templates build kernels with these only, so what they print
// is already small. A wrongly typed call is a bug of the template and throws; `verify.ts` checks the finished kernel again.
import { binaryFunction, castFunction, isComparison, unaryFunction, wrap } from "./arithmetic.ts";
import type { BinaryOp, Scalar, TileBuffer, TileExpr, TileKernel, TileStmt, TileType, UnaryOp, Width } from "./tile.ts";
import { operandsFit, sameType, typeOf, typeText } from "./typing.ts";

export { sameType, typeOf, typeText } from "./typing.ts";

const oneI32 = typeOf("i32");

type Literal = Extract<TileExpr, { readonly kind: "lit" }>;
const isLiteral = (e: TileExpr): e is Literal => e.kind === "lit";
const isValue = (e: TileExpr, value: number): boolean => e.kind === "lit" && e.value === value;

function wrongTypes(what: string, ...args: readonly TileExpr[]): never {
  throw new Error(`internal: tile ${what} of ${args.map((a) => typeText(a.type)).join(", ")}`);
}

// Leaves.

/** A literal, brought into its type; width 4 is a splat. */
export const lit = (value: number, scalar: Scalar, width: Width = 1): TileExpr => ({
  kind: "lit",
  type: typeOf(scalar, width),
  value: wrap(scalar, value),
});
export const f32 = (value: number, width: Width = 1): TileExpr => lit(value, "f32", width);
export const i32 = (value: number): TileExpr => lit(value, "i32");
export const u32 = (value: number): TileExpr => lit(value, "u32");
export const bool = (value: boolean): TileExpr => lit(value ? 1 : 0, "bool");
/** A number where an i32 expression is wanted. */
export type Index = TileExpr | number;
const asIndex = (index: Index): TileExpr => (typeof index === "number" ? i32(index) : index);

export const ref = (name: string, type: TileType): TileExpr => ({ kind: "ref", type, name });
export const lane = (): TileExpr => ({ kind: "lane", type: oneI32 });
export const group = (axis: 0 | 1 | 2): TileExpr => ({ kind: "group", type: oneI32, axis });
export const uniform = (index: number, scalar: "f32" | "i32" | "u32"): TileExpr => ({ kind: "uniform", type: typeOf(scalar), index });

// Width.

/** The value with this width: a scalar becomes four equal parts. */
export function widen(arg: TileExpr, width: Width): TileExpr {
  if (arg.type.width === width) return arg;
  if (width === 1) wrongTypes("widen to 1", arg);
  return splat(arg);
}

export function splat(arg: TileExpr): TileExpr {
  if (arg.type.width !== 1) wrongTypes("splat", arg);
  if (isLiteral(arg)) return lit(arg.value, arg.type.scalar, 4);
  return { kind: "splat", type: typeOf(arg.type.scalar, 4), arg };
}

export function vecOf(x: TileExpr, y: TileExpr, z: TileExpr, w: TileExpr): TileExpr {
  const parts = [x, y, z, w] as const;
  if (parts.some((p) => !sameType(p.type, x.type) || p.type.width !== 1)) wrongTypes("vec", ...parts);
  if (isLiteral(x) && parts.every((p) => isLiteral(p) && Object.is(p.value, x.value))) return lit(x.value, x.type.scalar, 4);
  if (parts.every((p) => p === x)) return splat(x);
  // Four parts of one vector in order are that vector.
  if (x.kind === "part" && parts.every((p, i) => p.kind === "part" && p.arg === x.arg && p.index === i)) return x.arg;
  return { kind: "vec", type: typeOf(x.type.scalar, 4), parts };
}

export function part(arg: TileExpr, index: 0 | 1 | 2 | 3): TileExpr {
  if (arg.type.width !== 4) wrongTypes("part", arg);
  if (arg.kind === "lit") return lit(arg.value, arg.type.scalar);
  if (arg.kind === "splat") return arg.arg;
  if (arg.kind === "vec") return arg.parts[index];
  return { kind: "part", type: typeOf(arg.type.scalar), arg, index };
}

/** The four parts of a vector. */
export const partsOf = (arg: TileExpr): readonly [TileExpr, TileExpr, TileExpr, TileExpr] => [
  part(arg, 0),
  part(arg, 1),
  part(arg, 2),
  part(arg, 3),
];

// Operations.

export function unary(op: UnaryOp, arg: TileExpr): TileExpr {
  const { scalar, width } = arg.type;
  if (op === "not" ? scalar !== "bool" : scalar === "bool" || (scalar !== "f32" && op !== "neg" && op !== "abs")) wrongTypes(op, arg);
  if (isLiteral(arg)) return lit(unaryFunction(op)(arg.value), scalar, width);
  if ((op === "neg" || op === "not") && arg.kind === "unary" && arg.op === op) return arg.arg;
  return { kind: "unary", type: arg.type, op, arg };
}

export function binary(op: BinaryOp, a: TileExpr, b: TileExpr): TileExpr {
  const width = a.type.width === 4 || b.type.width === 4 ? 4 : 1;
  const left = widen(a, width);
  const right = widen(b, width);
  const { scalar } = left.type;
  if (!operandsFit(op, scalar, right.type.scalar)) wrongTypes(op, left, right);
  const result = isComparison(op) ? "bool" : scalar;
  if (isLiteral(left) && isLiteral(right) && !(right.value === 0 && (op === "idiv" || op === "imod"))) {
    return lit(binaryFunction(op, scalar)(left.value, right.value), result, width);
  }
  return simplified(op, left, right) ?? { kind: "binary", type: typeOf(result, width), op, left, right };
}

/** Rules with one known operand; undefined where none applies. Integer rules hold whenever the index arithmetic does not overflow. */
function simplified(op: BinaryOp, left: TileExpr, right: TileExpr): TileExpr | undefined {
  const { scalar, width } = left.type;
  const integer = scalar !== "f32" && scalar !== "bool";
  switch (op) {
    case "add":
      if (isValue(left, 0)) return right;
      if (isValue(right, 0)) return left;
      if (integer && isLiteral(left)) return binary("add", right, left);
      if (integer && isLiteral(right) && left.kind === "binary" && left.op === "add" && isLiteral(left.right)) {
        return binary("add", left.left, binary("add", left.right, right));
      }
      return undefined;
    case "sub":
      if (isValue(right, 0)) return left;
      if (scalar === "i32" && isLiteral(right) && right.value !== -2147483648) return binary("add", left, lit(-right.value, scalar, width));
      return undefined;
    case "mul":
      if (isValue(left, 1)) return right;
      if (isValue(right, 1)) return left;
      if (integer && (isValue(left, 0) || isValue(right, 0))) return lit(0, scalar, width);
      if (integer && isLiteral(left)) return binary("mul", right, left);
      if (integer && isLiteral(right) && left.kind === "binary" && left.op === "mul" && isLiteral(left.right)) {
        return binary("mul", left.left, binary("mul", left.right, right));
      }
      return undefined;
    case "div":
    case "pow":
      return isValue(right, 1) ? left : op === "pow" && isValue(right, 0) ? lit(1, scalar, width) : undefined;
    case "idiv":
    case "imod":
      return isLiteral(right) ? divided(op, left, right) : undefined;
    case "and":
    case "or":
      return scalar === "bool" ? (combined(op, left, right) ?? combined(op, right, left)) : undefined;
    case "max":
    case "min":
      return left === right ? left : undefined;
    case "shl":
    case "shr":
      return isValue(right, 0) ? left : undefined;
    case "lt":
    case "le":
    case "eq":
    case "xor":
    case "mulHalf":
      return undefined;
    default:
      throw new Error(`internal: tile operation ${op satisfies never}`);
  }
}

function divided(op: "idiv" | "imod", left: TileExpr, right: Literal): TileExpr | undefined {
  const { scalar, width } = left.type;
  const by = right.value;
  if (by === 1) return op === "idiv" ? left : lit(0, scalar, width);
  if (by <= 0 || left.kind !== "binary" || !isLiteral(left.right)) return undefined;
  const inner = left.right.value;
  if (left.op === "mul" && inner % by === 0)
    return op === "imod" ? lit(0, scalar, width) : binary("mul", left.left, lit(inner / by, scalar, width));
  if (left.op === "idiv" && op === "idiv" && inner > 0) return binary("idiv", left.left, lit(inner * by, scalar, width));
  return undefined;
}

const combined = (op: "and" | "or", known: TileExpr, other: TileExpr): TileExpr | undefined => {
  if (!isLiteral(known)) return undefined;
  const absorbs = op === "and" ? 0 : 1;
  return known.value === absorbs ? known : other;
};

export const neg = (x: TileExpr): TileExpr => unary("neg", x);
export const abs = (x: TileExpr): TileExpr => unary("abs", x);
export const exp = (x: TileExpr): TileExpr => unary("exp", x);
export const log = (x: TileExpr): TileExpr => unary("log", x);
export const sin = (x: TileExpr): TileExpr => unary("sin", x);
export const cos = (x: TileExpr): TileExpr => unary("cos", x);
export const tanh = (x: TileExpr): TileExpr => unary("tanh", x);
export const sqrt = (x: TileExpr): TileExpr => unary("sqrt", x);
export const rsqrt = (x: TileExpr): TileExpr => unary("rsqrt", x);
export const erf = (x: TileExpr): TileExpr => unary("erf", x);
export const floor = (x: TileExpr): TileExpr => unary("floor", x);
export const round = (x: TileExpr): TileExpr => unary("round", x);
export const not = (x: TileExpr): TileExpr => unary("not", x);

/** The operand of an index operation may be a plain number; it takes the other operand's scalar. */
type Operand = TileExpr | number;
function lifted(op: BinaryOp, a: Operand, b: Operand): TileExpr {
  if (typeof a !== "number") return binary(op, a, typeof b === "number" ? lit(b, a.type.scalar) : b);
  if (typeof b !== "number") return binary(op, lit(a, b.type.scalar), b);
  throw new Error(`internal: tile ${op} of two plain numbers has no type`);
}
export const add = (a: Operand, b: Operand): TileExpr => lifted("add", a, b);
export const sub = (a: Operand, b: Operand): TileExpr => lifted("sub", a, b);
export const mul = (a: Operand, b: Operand): TileExpr => lifted("mul", a, b);
export const mulHalf = (a: Operand, b: Operand): TileExpr => lifted("mulHalf", a, b);
export const div = (a: Operand, b: Operand): TileExpr => lifted("div", a, b);
export const idiv = (a: Operand, b: Operand): TileExpr => lifted("idiv", a, b);
export const imod = (a: Operand, b: Operand): TileExpr => lifted("imod", a, b);
export const max = (a: Operand, b: Operand): TileExpr => lifted("max", a, b);
export const min = (a: Operand, b: Operand): TileExpr => lifted("min", a, b);
export const pow = (a: Operand, b: Operand): TileExpr => lifted("pow", a, b);
export const lt = (a: Operand, b: Operand): TileExpr => lifted("lt", a, b);
export const le = (a: Operand, b: Operand): TileExpr => lifted("le", a, b);
export const eq = (a: Operand, b: Operand): TileExpr => lifted("eq", a, b);
export const and = (a: Operand, b: Operand): TileExpr => lifted("and", a, b);
export const or = (a: Operand, b: Operand): TileExpr => lifted("or", a, b);
export const xor = (a: Operand, b: Operand): TileExpr => lifted("xor", a, b);
export const shl = (a: Operand, b: Operand): TileExpr => lifted("shl", a, b);
export const shr = (a: Operand, b: Operand): TileExpr => lifted("shr", a, b);
export const ge = (a: Operand, b: Operand): TileExpr => le(b, a);
export const gt = (a: Operand, b: Operand): TileExpr => lt(b, a);
export const sumOf = (terms: readonly TileExpr[]): TileExpr => terms.reduce((a, b) => add(a, b));
export const allOf = (terms: readonly TileExpr[]): TileExpr => terms.reduce((a, b) => and(a, b), bool(true));

/** `low <= x < high` for an i32. */
export const within = (x: TileExpr, low: Index, high: Index): TileExpr => and(le(asIndex(low), x), lt(x, asIndex(high)));

export function fma(a: TileExpr, b: TileExpr, c: TileExpr): TileExpr {
  const width = a.type.width === 4 || b.type.width === 4 || c.type.width === 4 ? 4 : 1;
  const [x, y, z] = [widen(a, width), widen(b, width), widen(c, width)];
  if ([x, y, z].some((e) => e.type.scalar !== "f32")) wrongTypes("fma", x, y, z);
  if (isLiteral(x) && isLiteral(y) && isLiteral(z)) return f32(x.value * y.value + z.value, width);
  if (isValue(x, 1)) return add(y, z);
  if (isValue(y, 1)) return add(x, z);
  if (isValue(z, 0)) return mul(x, y);
  return { kind: "fma", type: x.type, a: x, b: y, c: z };
}

/** Both arms are evaluated. The condition may be scalar while the arms are vectors. */
export function select(condition: TileExpr, a: TileExpr, b: TileExpr): TileExpr {
  const width = [condition, a, b].some((e) => e.type.width === 4) ? 4 : 1;
  const then = widen(a, width);
  const otherwise = widen(b, width);
  if (condition.type.scalar !== "bool" || then.type.scalar !== otherwise.type.scalar) wrongTypes("select", condition, then, otherwise);
  if (isLiteral(condition)) return condition.value !== 0 ? then : otherwise;
  if (then === otherwise || (isLiteral(then) && isLiteral(otherwise) && Object.is(then.value, otherwise.value))) return then;
  return { kind: "select", type: then.type, condition, then, otherwise };
}

export function cast(arg: TileExpr, scalar: Scalar): TileExpr {
  if (arg.type.scalar === scalar) return arg;
  if (isLiteral(arg)) return lit(castFunction(arg.type.scalar, scalar)(arg.value), scalar, arg.type.width);
  return { kind: "cast", type: typeOf(scalar, arg.type.width), arg };
}

// Memory and lanes.

export const load = (buffer: TileBuffer, index: Index): TileExpr => ({
  kind: "load",
  type: buffer.type,
  buffer: buffer.name,
  index: asIndex(index),
});
export type SharedArray = TileKernel["shared"][number];
export const loadShared = (array: SharedArray, index: Index): TileExpr => ({
  kind: "shared",
  type: array.type,
  array: array.name,
  index: asIndex(index),
});
export const fromLane = (arg: TileExpr, number: number): TileExpr =>
  isLiteral(arg) ? arg : { kind: "fromLane", type: arg.type, arg, lane: number };
export const reduceLanes = (op: "add" | "max" | "min", arg: TileExpr): TileExpr => ({ kind: "reduceLanes", type: arg.type, op, arg });

/** Sum, maximum or minimum of a vector's four parts, in a fixed order. */
export function reduceParts(op: "add" | "max" | "min", arg: TileExpr): TileExpr {
  if (arg.type.width === 1) return arg;
  const [x, y, z, w] = partsOf(arg);
  return binary(op, binary(op, x, y), binary(op, z, w));
}

/** Word `word` of a random stream. With four elements, four draws side by side. The second key, `element` and `step` are u32. */
export function philox(key0: number, secondKey: TileExpr | number, word: number, element: TileExpr, step: TileExpr): TileExpr {
  const key1 = typeof secondKey === "number" ? lit(secondKey >>> 0, "u32") : secondKey;
  if (element.type.scalar !== "u32" || !sameType(step.type, typeOf("u32"))) wrongTypes("philox", element, step);
  if (!sameType(key1.type, typeOf("u32"))) wrongTypes("philox", key1);
  if (element.type.width === 4) {
    const [x, y, z, w] = partsOf(element);
    const draw = (e: TileExpr) => philox(key0, key1, word, e, step);
    return vecOf(draw(x), draw(y), draw(z), draw(w));
  }
  return { kind: "philox", type: typeOf("u32"), key0: key0 >>> 0, key1, word, element, step };
}

// Statements.

export const letStmt = (name: string, value: TileExpr): TileStmt => ({ kind: "let", name, value });
export const varStmt = (name: string, value: TileExpr): TileStmt => ({ kind: "var", name, type: value.type, value });
export const assign = (name: string, value: TileExpr): TileStmt => ({ kind: "assign", name, value });
export const store = (buffer: TileBuffer, index: Index, value: TileExpr): TileStmt => ({
  kind: "store",
  buffer: buffer.name,
  index: asIndex(index),
  value: widen(value, buffer.type.width),
});
export const storeShared = (array: SharedArray, index: Index, value: TileExpr): TileStmt => ({
  kind: "storeShared",
  array: array.name,
  index: asIndex(index),
  value: widen(value, array.type.width),
});
export const forStmt = (name: string, from: Index, to: Index, step: number, body: readonly TileStmt[]): TileStmt => ({
  kind: "for",
  name,
  from: asIndex(from),
  to: asIndex(to),
  step,
  body,
});
export const ifStmt = (condition: TileExpr, then: readonly TileStmt[], otherwise: readonly TileStmt[] = []): TileStmt => ({
  kind: "if",
  condition,
  then,
  otherwise,
});
export const barrier = (): TileStmt => ({ kind: "barrier" });

/** Hands out names that are bound once in a kernel: `x`, `x_1`, `x_2`. */
export class NameSource {
  readonly #used = new Map<string, number>();
  fresh(wish: string): string {
    const count = this.#used.get(wish);
    this.#used.set(wish, (count ?? 0) + 1);
    return count === undefined ? wish : this.fresh(`${wish}_${count}`);
  }
}

/** Collects the statements of a block in order. `let` and `var` return the reference to use; nested blocks share the names. */
export class Block {
  readonly statements: TileStmt[] = [];
  readonly names: NameSource;
  #vars = new Set<string>(); // names that can change, so a reference to one is not yet a value of its own

  constructor(names: NameSource = new NameSource()) {
    this.names = names;
  }
  /** Names a value so that it is computed once. Literals and references are returned as they are. */
  let(wish: string, value: TileExpr): TileExpr {
    if (value.kind === "lit" || value.kind === "lane" || value.kind === "group" || value.kind === "uniform") return value;
    if (value.kind === "ref" && !this.#vars.has(value.name)) return value;
    const name = this.names.fresh(wish);
    this.statements.push(letStmt(name, value));
    return ref(name, value.type);
  }
  var(wish: string, value: TileExpr): TileExpr & { readonly kind: "ref" } {
    const name = this.names.fresh(wish);
    this.#vars.add(name);
    this.statements.push(varStmt(name, value));
    return { kind: "ref", type: value.type, name };
  }
  assign(target: TileExpr & { readonly kind: "ref" }, value: TileExpr): void {
    this.statements.push(assign(target.name, widen(value, target.type.width)));
  }
  store(buffer: TileBuffer, index: Index, value: TileExpr): void {
    this.statements.push(store(buffer, index, value));
  }
  storeShared(array: SharedArray, index: Index, value: TileExpr): void {
    this.statements.push(storeShared(array, index, value));
  }
  barrier(): void {
    this.statements.push(barrier());
  }
  /** A loop; the body gets the loop variable and a block of its own. */
  for(wish: string, from: Index, to: Index, step: number, body: (i: TileExpr, block: Block) => void): void {
    const name = this.names.fresh(wish);
    const block = this.#nested();
    body(ref(name, oneI32), block);
    this.statements.push(forStmt(name, from, to, step, block.statements));
  }
  /** A condition; a literal one leaves only the arm that is taken. */
  if(condition: TileExpr, then: (block: Block) => void, otherwise: (block: Block) => void = () => undefined): void {
    if (condition.kind === "lit") {
      const taken = condition.value !== 0 ? then : otherwise;
      taken(this);
      return;
    }
    const yes = this.#nested();
    const no = this.#nested();
    then(yes);
    otherwise(no);
    this.statements.push(ifStmt(condition, yes.statements, no.statements));
  }
  #nested(): Block {
    const block = new Block(this.names);
    block.#vars = this.#vars;
    return block;
  }
}
