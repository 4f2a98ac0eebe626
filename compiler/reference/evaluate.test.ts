import { describe, expect, test } from "vitest";
import { Builder } from "../ir/builder.ts";
import { graphOf, largestError } from "./differences.ts";
import { erf } from "./erf.ts";
import { evaluate, evaluateValues } from "./evaluate.ts";
import { array, forEachPlace, wrap } from "./ndarray.ts";

describe("evaluate", () => {
  test("gives all results by name", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    const results = evaluate(graphOf([b.add(x, 1), x]), { x: array([2], [1, 2]) });
    expect([...results.r0!.data, ...results.r1!.data]).toEqual([2, 3, 1, 2]);
  });
  test("rounds each f32 result on request", () => {
    const b = new Builder();
    const x = b.input("x", []);
    const third = b.div(x, 3);
    const at = (roundF32: boolean) => evaluateValues([third], { x: array([], [1]) }, { roundF32 })[0]!.data[0];
    expect([at(false), at(true)]).toEqual([1 / 3, Math.fround(1 / 3)]);
  });
  test("says which input is missing or of the wrong type", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    expect(() => evaluateValues([x], { y: array([2], [1, 2]) })).toThrow("internal: evaluate: no input 'x' (given: y)");
    expect(() => evaluateValues([x], { x: array([3], [1, 2, 3]) })).toThrow("'x' is f32[2], f32[3] was given");
  });
});

describe("numbers", () => {
  test("erf is odd and right to f64 on both sides of its seam", () => {
    const table = [
      [0, 0],
      [0.1, 0.1124629160182849],
      [1.5, 0.9661051464753108],
      [2.999, 0.9999777698314002],
      [3.001, 0.9999780483390822],
      [5, 0.9999999999984626],
      [7, 1],
    ];
    for (const [x, y] of table) {
      expect(Math.abs(erf(x!) - y!)).toBeLessThan(3e-16);
      expect(erf(-x!) + erf(x!)).toBe(0);
    }
    expect(erf(Number.NaN)).toBeNaN();
  });
  test("whole numbers wrap at 32 bits", () => {
    expect([wrap(2 ** 31, "i32"), wrap(-1, "u32"), wrap(2 ** 32 + 5, "u32"), wrap(3, "bool")]).toEqual([-(2 ** 31), 2 ** 32 - 1, 5, 1]);
  });
  test("strided walks visit in row-major order", () => {
    const seen: number[] = [];
    forEachPlace([2, 1, 3], [1, 7, 2], 10, (_, place) => seen.push(place));
    expect(seen).toEqual([10, 12, 14, 11, 13, 15]);
  });
  test("errors are relative, and unlike lengths or not-a-numbers are infinitely far", () => {
    expect(largestError([1.1], [1])).toBeCloseTo(0.05);
    expect(largestError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
    expect(largestError([Number.NaN], [1])).toBe(Number.POSITIVE_INFINITY);
    expect(largestError([Number.NaN, Number.POSITIVE_INFINITY], [Number.NaN, Number.POSITIVE_INFINITY])).toBe(0);
  });
});
