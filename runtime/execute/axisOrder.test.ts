import { expect, test } from "vitest";
import type { StoredTensor } from "../../compiler/plan/plan.ts";
import { liesAsWritten, toStoredOrder, toWrittenOrder } from "./axisOrder.ts";

const tensor = (shape: readonly number[], order?: readonly number[]): StoredTensor => ({
  key: "w",
  role: "param",
  dtype: "f32",
  shape,
  ...(order ? { order } : {}),
  at: { buffer: 0, offset: 0, bytes: 0 },
});

test("values are turned into the order in which they lie and back", () => {
  const weights = tensor([2, 3, 1, 2], [2, 3, 1, 0]); // [out, in, height, width] with the outputs innermost
  const written = Float32Array.from({ length: 12 }, (_, i) => i); // 6 out + 2 in + width
  const stored = toStoredOrder(weights, written);
  expect([...stored]).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
  expect(toWrittenOrder(weights, stored)).toEqual(written);
});

test("without an order values lie as the shape says", () => {
  expect(liesAsWritten(tensor([2, 3]))).toBe(true);
  expect(liesAsWritten(tensor([2, 3], [0, 1]))).toBe(true);
  expect(liesAsWritten(tensor([2, 3], [1, 0]))).toBe(false);
  expect([...toStoredOrder(tensor([2, 2]), new Float32Array([1, 2, 3, 4]))]).toEqual([1, 2, 3, 4]);
});
