import { describe, expect, test } from "vitest";
import { checkOp, expectAllChecked, type Given } from "../../../test/checkOp.ts";
import { gradient } from "../../autodiff.ts";
import { evaluateValues } from "../../reference/evaluate.ts";
import { array } from "../../reference/ndarray.ts";
import { Builder } from "../builder.ts";
import { reduceRows } from "./reduce.ts";
import type { NdArray } from "./row.ts";

describe("reductions", () => {
  const x: Given = [[2, 3, 2], "waves"];
  const by = (axes: readonly number[], f: (a: number, e: number) => number, start: number) => (v: NdArray) => {
    const out = new Map<string, number>();
    v.data.forEach((e, i) => {
      const index = [Math.floor(i / 6), Math.floor(i / 2) % 3, i % 2].filter((_, axis) => !axes.includes(axis)).join();
      out.set(index, f(out.get(index) ?? start, e));
    });
    return [...out.values()];
  };
  test("sum and maximum over any axes", () => {
    for (const axes of [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]]) {
      checkOp(
        "sum",
        [x],
        (b, v) => b.sum(v!, axes),
        by(axes, (a, e) => a + e, 0),
      );
      checkOp("reduceMax", [x], (b, v) => b.reduceMax(v!, axes), by(axes, Math.max, Number.NEGATIVE_INFINITY));
    }
    checkOp("sum", [[[2], [4294967295, 2], "u32"]], (b, v) => b.sum(v!), [1]);
  });
  test("equal maxima share the cotangent", () => {
    const b = new Builder();
    const v = b.input("x", [4]);
    const [g] = evaluateValues(gradient(b, b.reduceMax(v), [v]), { x: array([4], [3, 1, 3, 3]) });
    expect([...g!.data]).toEqual([1 / 3, 0, 1 / 3, 1 / 3]);
  });
  test("argmax gives the first of equals", () => {
    checkOp(
      "argmax",
      [
        [
          [2, 3],
          [1, 5, 5, -1, -2, -1],
        ],
      ],
      (b, v) => b.argmax(v!, 1),
      [1, 0],
    );
    checkOp(
      "argmax",
      [
        [
          [2, 3],
          [1, 5, 5, -1, 6, 5],
        ],
      ],
      (b, v) => b.argmax(v!, 0),
      [0, 1, 0],
    );
  });
});

expectAllChecked(reduceRows);
