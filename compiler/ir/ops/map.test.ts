import { describe, expect, test } from "vitest";
import { checkOp, expectAllChecked, type Given } from "../../../test/checkOp.ts";
import { gradient } from "../../autodiff.ts";
import { evaluateValues } from "../../reference/evaluate.ts";
import { array } from "../../reference/ndarray.ts";
import { Builder } from "../builder.ts";
import type { Value } from "../value.ts";
import { mapRows } from "./map.ts";
import type { NdArray } from "./row.ts";

const pair: readonly Given[] = [
  [
    [2, 3],
    [1, -2, 3, 0.5, -0.25, 2],
  ],
  [
    [2, 3],
    [4, 3, -2, 0.75, 1.5, -1],
  ],
];
const wholes: readonly Given[] = [
  [[6], [7, -7, 7, -7, 6, 5], "i32"],
  [[6], [2, 2, -2, -2, 3, 0], "i32"],
];
const bools: readonly Given[] = [
  [[4], [0, 0, 1, 1], "bool"],
  [[4], [0, 1, 0, 1], "bool"],
];
const each =
  (f: (...x: number[]) => number) =>
  (...x: NdArray[]) =>
    [...x[0]!.data].map((_, i) => f(...x.map((a) => a.data[i]!)));

describe("elementwise", () => {
  test("of one argument", () => {
    const x: readonly Given[] = [[[4], [-1.5, 0.25, 2, 0.75]]];
    const p: readonly Given[] = [[[3], [0.25, 2, 5]]];
    checkOp(
      "neg",
      x,
      (b, v) => b.neg(v!),
      each((e) => -e),
    );
    checkOp("abs", x, (b, v) => b.abs(v!), each(Math.abs));
    checkOp("exp", x, (b, v) => b.exp(v!), each(Math.exp));
    checkOp("log", p, (b, v) => b.log(v!), each(Math.log));
    checkOp("sin", x, (b, v) => b.sin(v!), each(Math.sin));
    checkOp("cos", x, (b, v) => b.cos(v!), each(Math.cos));
    checkOp("tanh", x, (b, v) => b.tanh(v!), each(Math.tanh));
    checkOp("sqrt", p, (b, v) => b.sqrt(v!), each(Math.sqrt));
    checkOp(
      "rsqrt",
      p,
      (b, v) => b.rsqrt(v!),
      each((e) => 1 / Math.sqrt(e)),
    );
    // erf from the tables of Abramowitz and Stegun and their continuation.
    checkOp(
      "erf",
      [[[4], [-0.5, 1, 2, 3.5]]],
      (b, v) => b.erf(v!),
      [-0.5204998778130465, 0.8427007929497149, 0.9953222650189527, 0.9999992569016276],
    );
    checkOp("floor", x, (b, v) => b.floor(v!), [-2, 0, 2, 0]);
    checkOp("round", [[[6], [0.5, 1.5, 2.5, -0.5, -1.5, 0.6]]], (b, v) => b.round(v!), [0, 2, 2, 0, -2, 1]);
    checkOp("not", [bools[0]!], (b, v) => b.not(v!), [1, 1, 0, 0]);
    checkOp("not", [[[2], [0, 5], "i32"]], (b, v) => b.not(v!), [-1, -6]);
  });
  test("casts truncate, clamp, keep bits and know 0 and 1", () => {
    checkOp("cast", [[[4], [1.9, -1.9, 3e9, -3e9]]], (b, v) => b.cast(v!, "i32"), [1, -1, 2147483647, -2147483648]);
    checkOp("cast", [[[3], [1.9, -1.9, 5e9]]], (b, v) => b.cast(v!, "u32"), [1, 0, 4294967295]);
    checkOp("cast", [[[2], [-1, 7], "i32"]], (b, v) => b.cast(v!, "u32"), [4294967295, 7]);
    checkOp("cast", [[[3], [0, -0.5, 2]]], (b, v) => b.cast(v!, "bool"), [0, 1, 1]);
    checkOp("cast", [bools[0]!], (b, v) => b.cast(v!, "f32"), [0, 0, 1, 1]);
  });
  test("of two arguments", () => {
    checkOp(
      "add",
      pair,
      (b, x, y) => b.add(x!, y!),
      each((p, q) => p! + q!),
    );
    checkOp(
      "sub",
      pair,
      (b, x, y) => b.sub(x!, y!),
      each((p, q) => p! - q!),
    );
    checkOp(
      "mul",
      pair,
      (b, x, y) => b.mul(x!, y!),
      each((p, q) => p! * q!),
    );
    checkOp(
      "div",
      pair,
      (b, x, y) => b.div(x!, y!),
      each((p, q) => p! / q!),
    );
    checkOp("max", pair, (b, x, y) => b.max(x!, y!), each(Math.max));
    checkOp("min", pair, (b, x, y) => b.min(x!, y!), each(Math.min));
    checkOp("lt", pair, (b, x, y) => b.lt(x!, y!), [1, 1, 0, 1, 1, 0]);
    checkOp(
      "eq",
      [
        pair[0]!,
        [
          [2, 3],
          [1, 2, 3, 0.5, 0, 0],
        ],
      ],
      (b, x, y) => b.eq(x!, y!),
      [1, 0, 1, 1, 0, 0],
    );
    checkOp(
      "pow",
      [
        [[3], [0.5, 2, 3]],
        [[3], [2.5, -1, 0.5]],
      ],
      (b, x, y) => b.pow(x!, y!),
      each((p, q) => p! ** q!),
    );
  });
  test("whole numbers wrap around, division floors, shifts keep the sign of i32", () => {
    checkOp("add", [[[1], [2147483647], "i32"]], (b, x) => b.add(x!, 1), [-2147483648]);
    checkOp("sub", [[[1], [0], "u32"]], (b, x) => b.sub(x!, 1), [4294967295]);
    checkOp("mul", [[[1], [0x7fffffff], "i32"]], (b, x) => b.mul(x!, x!), [1]);
    checkOp("mul", [[[1], [0xd2511f53], "u32"]], (b, x) => b.mul(x!, x!), [Number((0xd2511f53n * 0xd2511f53n) & 0xffffffffn)]);
    checkOp("idiv", wholes, (b, x, y) => b.idiv(x!, y!), [3, -4, -4, 3, 2, 5]);
    checkOp("imod", wholes, (b, x, y) => b.imod(x!, y!), [1, 1, -1, -1, 0, 0]);
    checkOp("shl", [[[2], [3, -1], "i32"]], (b, x) => b.shl(x!, 4), [48, -16]);
    checkOp("shr", [[[2], [-16, 16], "i32"]], (b, x) => b.shr(x!, 2), [-4, 4]);
    checkOp("shr", [[[1], [0xfffffff0], "u32"]], (b, x) => b.shr(x!, 4), [0x0fffffff]);
  });
  test("bits and truth values", () => {
    checkOp("and", bools, (b, x, y) => b.and(x!, y!), [0, 0, 0, 1]);
    checkOp("or", bools, (b, x, y) => b.or(x!, y!), [0, 1, 1, 1]);
    checkOp("xor", bools, (b, x, y) => b.xor(x!, y!), [0, 1, 1, 0]);
    checkOp("xor", [[[1], [0xffffffff], "u32"]], (b, x) => b.xor(x!, 15), [0xfffffff0]);
    checkOp(
      "where",
      [
        [[4], [0, 0, 1, 1], "bool"],
        [[4], [1, 2, 3, 4]],
        [[4], [5, 6, 7, 8]],
      ],
      (b, c, x, y) => b.where(c!, x!, y!),
      [5, 6, 3, 4],
    );
  });
  test("kinks: equals give the cotangent to the first argument, |0| has derivative 0, 0^x none that is not finite", () => {
    const at = (x: number, build: (b: Builder, x: Value) => Value) => {
      const b = new Builder();
      const v = b.input("x", []);
      return evaluateValues(gradient(b, build(b, v), [v]), { x: array([], [x]) })[0]!.data[0];
    };
    expect([
      at(0, (b, x) => b.max(x, 0)),
      at(0, (b, x) => b.max(0, x)),
      at(0, (b, x) => b.min(x, 0)),
      at(0, (b, x) => b.min(0, x)),
    ]).toEqual([1, 0, 1, 0]);
    expect(at(0, (b, x) => b.abs(x))).toBe(0);
    expect([
      at(0, (b, x) => b.pow(x, 2)),
      at(0, (b, x) => b.pow(x, 0)),
      at(0, (b, x) => b.pow(x, 1)),
      at(2, (b, x) => b.pow(0, x)),
    ]).toEqual([0, 0, 1, 0]);
    expect(at(-3, (b, x) => b.pow(x, 2))).toBe(-6);
  });
});

expectAllChecked(mapRows);
