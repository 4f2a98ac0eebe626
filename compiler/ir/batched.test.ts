import { describe, expect, test } from "vitest";
import { Draws } from "../plan/philox.ts";
import { evaluateValues } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { batched } from "./batched.ts";
import { Builder } from "./builder.ts";
import type { Value } from "./value.ts";

// The graph of a batch means the graph of one item, for each item.

const count = 3;
const draws = new Draws(3, "batched");
const numbers = (shape: readonly number[], whole: boolean) =>
  Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (whole ? draws.integer(3) : draws.normal()));

interface Case {
  /** Inputs of the item, and inputs that all items share. */
  readonly item: Readonly<Record<string, readonly number[]>>;
  readonly shared?: Readonly<Record<string, readonly number[]>>;
  readonly whole?: readonly string[];
  readonly make: (b: Builder, x: (name: string) => Value) => Value;
}
const conv = { stride: [1, 1], padLow: [1, 0], padHigh: [0, 1], dilation: [1, 1], inputDilation: [1, 1], groups: 2 } as const;
const cases: Readonly<Record<string, Case>> = {
  "elementwise with what is shared": {
    item: { x: [2, 3] },
    shared: { y: [2, 3] },
    make: (b, x) => b.where(b.lt(x("x"), x("y")), b.mul(x("x"), x("y")), b.exp(x("x"))),
  },
  "a scalar of the item": { item: { x: [2, 3], s: [] }, make: (b, x) => b.mul(x("x"), b.broadcastInDim(x("s"), [2, 3], [])) },
  reductions: { item: { x: [2, 3, 4] }, make: (b, x) => b.add(b.sum(x("x"), [0, 2]), b.reduceMax(x("x"), [0, 2])) },
  "the largest": { item: { x: [2, 5] }, make: (b, x) => b.cast(b.argmax(x("x"), 1), "f32") },
  movement: {
    item: { x: [2, 3, 4] },
    make: (b, x) => {
      const turned = b.reverse(b.permute(x("x"), [2, 0, 1]), [1]);
      const cut = b.slice(b.reshape(turned, [4, 6]), [1, 0], [2, 3], [1, 2]);
      return b.concat([b.pad(cut, [1, 0], [0, 2], [0, 1], 7), b.splat(2, [3, 7])], 0);
    },
  },
  "gather from the item": { item: { x: [4, 2] }, shared: { i: [3] }, whole: ["i"], make: (b, x) => b.gather(x("x"), x("i"), 0) },
  "gather by the item": { item: { i: [3, 2] }, shared: { x: [2, 4, 2] }, whole: ["i"], make: (b, x) => b.gather(x("x"), x("i"), 1) },
  "gather by pairs": { item: { x: [2, 4], i: [2, 3] }, whole: ["i"], make: (b, x) => b.gather(x("x"), x("i"), 1, 1) },
  scatter: {
    item: { i: [3], u: [3, 2] },
    whole: ["i"],
    make: (b, x) => b.scatterAdd(x("i"), x("u"), { axis: 0, size: 4 }),
  },
  "item times matrix": { item: { x: [2, 3] }, shared: { m: [3, 4] }, make: (b, x) => b.matmul(x("x"), x("m")) },
  "matrix times item": { item: { x: [3, 2] }, shared: { m: [4, 3] }, make: (b, x) => b.matmul(x("m"), x("x")) },
  "item times item": {
    item: { x: [2, 3, 4], y: [2, 4, 5] },
    make: (b, x) => b.dot(x("x"), x("y"), { batchA: [0], batchB: [0], contractA: [2], contractB: [1] }),
  },
  "item times shared pairs": {
    item: { x: [2, 3, 4] },
    shared: { y: [2, 4, 5] },
    make: (b, x) => b.dot(x("x"), x("y"), { batchA: [0], batchB: [0], contractA: [2], contractB: [1] }),
  },
  "convolution with one kernel": {
    item: { x: [2, 4, 5, 4] },
    shared: { k: [6, 2, 3, 2] },
    make: (b, x) => b.make("conv", [x("x"), x("k")], conv),
  },
  "convolution with its own kernel": { item: { x: [2, 4, 5, 4], k: [6, 2, 3, 2] }, make: (b, x) => b.make("conv", [x("x"), x("k")], conv) },
  "one picture under many kernels": {
    item: { k: [6, 2, 3, 2] },
    shared: { x: [1, 4, 5, 4] },
    make: (b, x) => b.make("conv", [x("x"), x("k")], conv),
  },
  "attention of the item over what is shared": {
    item: { q: [2, 3, 4] },
    shared: { k: [2, 5, 4], v: [2, 5, 2] },
    make: (b, x) => b.make("attend", [x("q"), x("k"), x("v")], { part: "out", scale: 0.5 }),
  },
  "nothing of the item": { item: { x: [2] }, shared: { y: [2, 2] }, make: (b, x) => b.neg(x("y")) },
};

describe("a graph of one item for a batch", () => {
  test.each(Object.entries(cases))("%s", (_, { item, shared = {}, whole = [], make }) => {
    const b = new Builder();
    const isItem = (name: string) => Object.hasOwn(item, name);
    const shapeOf = (name: string) => (isItem(name) ? item : shared)[name]!;
    const dtype = (name: string) => (whole.includes(name) ? ("i32" as const) : ("f32" as const));
    const one = (name: string) => b.input(name, shapeOf(name), { dtype: dtype(name) });
    const root = make(b, one);
    const many = batched(b, root, count, (name) =>
      isItem(name) ? b.input(`all ${name}`, [count, ...shapeOf(name)], { dtype: dtype(name) }) : null,
    );
    expect(many.shape).toEqual([count, ...root.shape]);
    const given = (name: string, shape: readonly number[]) => array(shape, numbers(shape, whole.includes(name)), dtype(name));
    const common = Object.fromEntries(Object.entries(shared).map(([name, shape]) => [name, given(name, shape)]));
    const items = Array.from({ length: count }, () =>
      Object.fromEntries(Object.entries(item).map(([name, shape]) => [name, given(name, shape)])),
    );
    const together = Object.fromEntries(
      Object.entries(item).map(([name, shape]) => [
        `all ${name}`,
        array(
          [count, ...shape],
          items.flatMap((values) => [...values[name]!.data]),
          dtype(name),
        ),
      ]),
    );
    const expected = items.flatMap((values) => [...evaluateValues([root], { ...common, ...values })[0]!.data]);
    const found = [...evaluateValues([many], { ...common, ...together })[0]!.data];
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 10);
    expect(found).toHaveLength(expected.length);
  });

  test("each item draws for itself, the first as one alone", () => {
    const b = new Builder();
    const root = b.cast(b.random(b.scalar(4, "u32"), { key0: 1, key1: 2, word: 1, shape: [5] }), "f32");
    const many = batched(b, root, count, () => null);
    const [one, all] = evaluateValues([root, many], {}).map((x) => [...x.data]);
    expect(all!.slice(0, 5)).toEqual(one);
    expect(new Set(all).size).toBe(15);
  });
});
