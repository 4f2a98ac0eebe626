// For tests: random expressions, a pure function of their draws. f32 ones are made of small whole numbers and halves so that every result
// is exact and all machines must agree to the bit.
import type { Draws } from "../plan/philox.ts";
import * as b from "./build.ts";
import { invocation, kernelOf, reads, writes } from "./kernels.testing.ts";
import type { Scalar, TileExpr, TileKernel, Width } from "./tile.ts";

/** What the leaves of a random expression may be, by scalar; all of the wanted width. */
export type Leaves = { readonly [s in Scalar]: readonly TileExpr[] };

const smallNumbers = [0, 1, 2, 3, 5, 7, 8, 100, -1, -2, -3, -8];
const divisors = [1, 2, 3, 4, 7, 16, 1000, -1, -2, -3];

export function randomExpr(draws: Draws, scalar: Scalar, width: Width, depth: number, leaves: Leaves): TileExpr {
  const again = (s: Scalar): TileExpr => randomExpr(draws, s, width, depth - 1, leaves);
  const literal = (values: readonly number[], s: Scalar): TileExpr => b.lit(draws.pick(values), s, width);
  if (depth === 0 || draws.coin(0.1)) {
    if (leaves[scalar].length > 0 && draws.coin(0.7)) return draws.pick(leaves[scalar]);
    if (scalar === "bool") return b.lit(draws.integer(2), "bool", width);
    return literal(scalar === "f32" ? [-2, -1, 0, 1, 2, 3] : smallNumbers, scalar);
  }
  if (draws.coin(0.15)) return b.select(draws.coin(0.5) ? again("bool") : randomCondition(draws, leaves), again(scalar), again(scalar));
  switch (scalar) {
    case "f32":
      return draws.pick<() => TileExpr>([
        () => b.binary(draws.pick(["add", "sub", "mul", "max", "min"]), again("f32"), again("f32")),
        () => b.unary(draws.pick(["neg", "abs"]), again("f32")),
        () => b.unary(draws.pick(["floor", "round"]), b.mul(again("f32"), b.f32(0.5, width))),
        () => b.fma(again("f32"), again("f32"), again("f32")),
        () => b.cast(again("bool"), "f32"),
        () => b.cast(b.and(again("i32"), b.lit(3, "i32", width)), "f32"),
        () => b.pow(again("f32"), b.f32(2, width)),
      ])();
    case "i32":
      return draws.pick<() => TileExpr>([
        () => b.binary(draws.pick(["add", "sub", "mul", "max", "min", "and", "or", "xor"]), again("i32"), again("i32")),
        () => b.binary(draws.pick(["idiv", "imod"]), again("i32"), literal(divisors, "i32")),
        () => b.binary(draws.pick(["shl", "shr"]), again("i32"), literal([0, 1, 3, 7, 31], "i32")),
        () => b.unary(draws.pick(["neg", "abs"]), again("i32")),
        () => b.cast(again(draws.pick<Scalar>(["u32", "f32", "bool"])), "i32"),
      ])();
    case "u32":
      return draws.pick<() => TileExpr>([
        () => b.binary(draws.pick(["add", "sub", "mul", "max", "min", "and", "or", "xor"]), again("u32"), again("u32")),
        () => b.binary(draws.pick(["idiv", "imod"]), again("u32"), literal([1, 2, 3, 10, 64], "u32")),
        () => b.binary(draws.pick(["shl", "shr"]), again("u32"), literal([0, 1, 5, 31], "u32")),
        () => b.cast(again(draws.pick<Scalar>(["i32", "bool"])), "u32"),
      ])();
    case "bool":
      return draws.pick<() => TileExpr>([
        () => comparison(draws, again),
        () => b.binary(draws.pick(["and", "or", "xor", "eq"]), again("bool"), again("bool")),
        () => b.not(again("bool")),
      ])();
    default:
      throw new Error(`internal: scalar ${scalar satisfies never}`);
  }
}

function comparison(draws: Draws, again: (s: Scalar) => TileExpr): TileExpr {
  const scalar = draws.pick<Scalar>(["f32", "i32", "u32"]);
  return b.binary(draws.pick(["lt", "le", "eq"]), again(scalar), again(scalar));
}

/** A condition of width 1, which may stand beside vectors too. */
const randomCondition = (draws: Draws, leaves: Leaves): TileExpr => {
  const scalars = leaves.i32.filter((e) => e.type.width === 1);
  const left = scalars.length > 0 ? draws.pick(scalars) : b.lane();
  return b.lt(left, draws.pick([1, 2, 3]));
};

/** A condition on integers that are mostly near their bounds: what guards of kernels are like. */
export function randomGuard(draws: Draws, depth: number, leaves: Leaves): TileExpr {
  const again = (): TileExpr => randomGuard(draws, depth - 1, leaves);
  if (depth > 0) {
    const form = draws.integer(3);
    return form === 0 ? b.not(again()) : b.binary(form === 1 ? "and" : "or", again(), again());
  }
  const side = randomExpr(draws, "i32", 1, 1 + draws.integer(2), leaves);
  const bound = b.i32(draws.integer(12) - 2);
  const op = draws.pick(["lt", "lt", "le", "le", "eq"] as const);
  return draws.coin(0.5) ? b.binary(op, side, bound) : b.binary(op, bound, side);
}

export const randomKernelLength = 32;

/** Reads n, x, u and p, and stores one random expression of each scalar, a `let` per operand so that both levels are seen. */
export function randomKernel(draws: Draws, width: Width): TileKernel {
  const length = randomKernelLength / width;
  const inputs = {
    n: reads("n", length, "i32", width),
    x: reads("x", length, "f32", width),
    u: reads("u", length, "u32", width),
    p: reads("p", length, "bool", width),
  };
  const scalars = ["f32", "i32", "u32", "bool"] as const;
  const outputs = scalars.map((scalar) => writes(`out ${scalar}`, length, scalar, width));
  const write = (k: b.Block): void => {
    const i = k.let("i", invocation(4));
    const loaded = (name: "n" | "x" | "u" | "p"): TileExpr => k.let(`a ${name}`, b.load(inputs[name], i));
    const leaves: Leaves = { f32: [loaded("x")], i32: [loaded("n")], u32: [loaded("u")], bool: [loaded("p")] };
    // Not every expression uses every input; this one does, so that all are bound.
    const all = Object.values(leaves).map(([leaf]) => b.cast(leaf!, "i32"));
    for (const [o, scalar] of scalars.entries()) {
      const value = randomExpr(draws, scalar, width, 3, leaves);
      k.store(outputs[o]!, i, scalar === "i32" ? b.xor(value, b.sumOf(all)) : value);
    }
  };
  return kernelOf([...Object.values(inputs), ...outputs], write, { grid: [length / 4, 1, 1] });
}

/** Contents for a random kernel's buffers: small whole numbers, and the ends of the integers. */
export function randomContents(draws: Draws): Map<string, Float32Array | Int32Array | Uint32Array> {
  const each = <T>(make: () => T): T[] => Array.from({ length: randomKernelLength }, make);
  const ends = [-2147483648, 2147483647, -1, 0, 65535];
  return new Map<string, Float32Array | Int32Array | Uint32Array>([
    ["n", Int32Array.from(each(() => (draws.coin(0.2) ? draws.pick(ends) : draws.integer(200) - 100)))],
    ["x", Float32Array.from(each(() => draws.integer(7) - 3))],
    ["u", Uint32Array.from(each(() => (draws.coin(0.3) ? draws.word() : draws.integer(100))))],
    ["p", Uint32Array.from(each(() => draws.integer(2)))],
    ["out f32", new Float32Array(randomKernelLength)],
    ["out i32", new Int32Array(randomKernelLength)],
    ["out u32", new Uint32Array(randomKernelLength)],
    ["out bool", new Uint32Array(randomKernelLength)],
  ]);
}
