import { describe, expect, it } from "vitest";
import { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import type { ReduceValue } from "../schedule/reduce.ts";
import { isEpilogue, isInRow, isPointwise } from "./legal.ts";

const b = new Builder();
const inlined = (v: Value): boolean => v.op !== "input";
const matrix = b.input("m", [6, 6]);
const product = b.matmul(matrix, b.input("n", [6, 6]));

describe("an epilogue of a contraction", () => {
  it("may be elementwise, permuted and reshaped", () => {
    expect(isEpilogue(b.exp(b.mul(product, 2)), product, inlined)).toBe(true);
    expect(isEpilogue(b.permute(b.exp(product), [1, 0]), product, inlined)).toBe(true);
    expect(isEpilogue(b.reshape(b.neg(product), [4, 9]), product, inlined)).toBe(true);
    expect(isEpilogue(b.add(product, b.input("bias", [6, 6])), product, inlined)).toBe(true);
  });
  it("may not read it at two places, or at another than its own", () => {
    expect(isEpilogue(b.add(product, b.permute(product, [1, 0])), product, inlined)).toBe(false);
    expect(isEpilogue(b.add(product, b.reverse(product, [0])), product, inlined)).toBe(false);
  });
  it("has as many elements as the contraction", () => {
    expect(isEpilogue(b.slice(product, [0, 0], [3, 6]), product, inlined)).toBe(false);
    expect(isEpilogue(b.broadcastInDim(product, [2, 6, 6], [1, 2]), product, inlined)).toBe(false);
  });
});

describe("a value in the loop nest of a reduction", () => {
  const x = b.input("x", [5, 7]);
  const sum = b.sum(x, [1]) as ReduceValue;
  const back = b.broadcastInDim(sum, [5, 7], [0]);
  it("reads the result at its own row", () => {
    expect(isInRow(b.div(x, back), sum, inlined)).toBe(true);
    expect(isInRow(b.mul(sum, 0.5), sum, inlined)).toBe(true);
  });
  it("may not read the result of another row", () => {
    expect(isInRow(b.div(x, b.reverse(back, [0])), sum, inlined)).toBe(false);
    const square = b.input("q", [7, 7]);
    const rows = b.sum(square, [1]) as ReduceValue;
    expect(isInRow(b.sub(square, b.broadcastInDim(rows, [7, 7], [1])), rows, inlined)).toBe(false);
  });
});

describe("two maps in one kernel", () => {
  const first = b.exp(matrix);
  it("read each other point by point", () => {
    expect(isPointwise(b.add(first, 1), first, inlined)).toBe(true);
    expect(isPointwise(b.permute(b.permute(b.neg(first), [1, 0]), [1, 0]), first, inlined)).toBe(true);
  });
  it("may also not read each other at all", () => {
    expect(isPointwise(b.neg(matrix), first, inlined)).toBe(true);
    expect(isPointwise(b.input("other", [6, 5]), first, inlined)).toBe(false);
  });
  it("do not read elsewhere", () => {
    expect(isPointwise(b.permute(b.neg(first), [1, 0]), first, inlined)).toBe(false);
    expect(isPointwise(b.add(first, b.reverse(first, [1])), first, inlined)).toBe(false);
  });
});
