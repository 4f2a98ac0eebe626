import { expect, test } from "vitest";
import { Builder } from "../ir/builder.ts";
import type { NdArray } from "../ir/ops/row.ts";
import type { Graph, Value } from "../ir/value.ts";
import { graphInputs } from "../ir/walk.ts";
import { evaluate } from "./evaluate.ts";
import { PointEvaluator, unflatten, wholeOnly } from "./point.ts";

function everyPlace(results: readonly Value[]): void {
  const graph: Graph = { name: "g", results: results.map((value, i) => ({ name: `r${i}`, value })) };
  const inputs = Object.fromEntries(
    graphInputs(graph).map((v): [string, NdArray] => {
      const size = v.shape.reduce((a, b) => a * b, 1);
      return [
        v.attrs.name,
        {
          dtype: v.dtype,
          shape: v.shape,
          data: Float64Array.from({ length: size }, (_, i) => (v.dtype === "f32" ? Math.sin(3 * i + v.id) : i % 5)),
        },
      ];
    }),
  );
  const whole = evaluate(graph, inputs);
  const points = new PointEvaluator(
    (v, index) => {
      if (v.op !== "input") return null;
      const { shape, data } = inputs[v.attrs.name]!;
      return data[index.reduce((at, i, axis) => at * shape[axis]! + i, 0)]!;
    },
    () => 0,
  );
  for (const { name, value } of graph.results)
    for (const [i, want] of whole[name]!.data.entries())
      expect(points.at(value, unflatten(i, value.shape)), `${name} at ${i}`).toBeCloseTo(want, 12);
}

test("single places are those of the whole, for movements, maps and choices", () => {
  const b = new Builder();
  const x = b.input("x", [3, 4, 2]);
  const joined = b.concat([b.reverse(x, [1]), b.input("y", [3, 1, 2]), x], 1);
  const at = b.input("at", [2, 3], { dtype: "i32" });
  everyPlace([
    b.permute(b.reshape(b.tanh(joined), [9, 3, 2]), [2, 0, 1]),
    b.pad(x, [0, 1, 2], [1, 0, 0], [0, 2, 0], 0.5),
    b.sliceAxis(joined, 1, 1, 4, 2),
    b.gather(x, at, 1),
    b.where(b.lt(x, 0), b.mul(x, x), b.broadcastInDim(b.cast(b.iota(4), "f32"), x.shape, [1])),
    b.table([1, 2, 3, 4], [2, 2]),
  ]);
});

test("and for reductions, products and convolutions of all kinds", () => {
  const b = new Builder();
  const x = b.input("x", [3, 4, 5]);
  const y = b.input("y", [5, 3, 2, 4]);
  const picture = b.input("picture", [2, 4, 5, 6]);
  everyPlace([
    b.sum(x, [0, 2]),
    b.reduceMax(x, [1]),
    b.argmax(x, 2),
    b.dot(x, y, { batchA: [0], batchB: [1], contractA: [2], contractB: [0] }),
    b.dot(x, y, { contractA: [1, 2], contractB: [3, 0] }),
    b.conv(picture, b.input("kernel", [6, 2, 3, 2]), {
      groups: 2,
      stride: [2, 1],
      padLow: [1, 0],
      padHigh: [1, 1],
      dilation: [1, 2],
      inputDilation: [2, 1],
    }),
  ]);
});

test("single places are those of the whole, for calls through their bodies", () => {
  const b = new Builder();
  const [q, k, v] = [b.input("q", [2, 3, 4]), b.input("k", [2, 5, 4]), b.input("v", [2, 5, 3])];
  const mask = b.input("mask", [2, 3, 5]);
  const out = b.make("attend", [b.exp(q), k, v, mask], { part: "out", scale: 0.5 });
  const sums = b.make("attend", [b.exp(q), k, v, mask], { part: "sums", scale: 0.5 });
  const rest = [sums, b.input("delta", [2, 3]), out, mask];
  everyPlace([out, sums, ...(["q", "k", "v"] as const).map((part) => b.make("attendGrad", [q, k, v, ...rest], { part, scale: 0.5 }))]);
});

test("what has a meaning as a whole only is named", () => {
  const b = new Builder();
  const at = b.input("at", [4], { dtype: "i32" });
  const scattered = b.exp(b.scatterAdd(at, b.input("u", [4, 2]), { axis: 0, size: 3 }));
  expect(wholeOnly([scattered], () => false)?.op).toBe("scatterAdd");
  expect(wholeOnly([scattered], (v) => v.op === "scatterAdd")).toBeNull();
});
