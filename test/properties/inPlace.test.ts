import { expect, it } from "vitest";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { interpretInPlace } from "../interpretPlan.ts";
import { targets } from "../targets.ts";

// Results that replace inputs, slices of one buffer or each in its own. Each case is one that once went wrong, or would if a rule were missing.

type Results = Readonly<Record<string, Value>>;
const cases: Readonly<Record<string, (b: Builder, x: Value, y: Value) => Results>> = {
  "each place by what was there": (b, x, y) => ({ "next.x": b.mul(x, 0.5), "next.y": b.add(y, 1) }),
  "by what was elsewhere in it": (b, x) => ({ "next.x": b.reverse(x, [0]) }),
  "after a kernel that reads the old content": (b, x, y) => ({ "next.x": b.mul(x, 0.5), other: b.sum(b.mul(x, y), [1]) }),
  "by another input that is replaced too": (b, x, y) => ({ "next.x": y, "next.y": b.mul(y, 2), other: b.exp(x) }),
  "by each other": (_, x, y) => ({ "next.x": y, "next.y": x }),
  "by each other's kernels": (b, x, y) => ({ "next.x": b.sub(x, b.exp(y)), "next.y": b.sub(y, b.exp(x)) }),
  "by what another replaced input was": (b, x, y) => ({ "next.x": b.add(b.matmul(x, y), x), "next.y": b.add(b.matmul(y, x), y) }),
  "by a product with it": (b, x, y) => ({ "next.x": b.sub(x, b.matmul(x, y)) }),
  "by a product, and what was in other rows": (b, x, y) => ({ "next.x": b.sub(b.reverse(x, [0]), b.matmul(y, b.exp(y))) }),
  "by a reduction over rows that hold it": (b, x) => {
    const wide = b.broadcastInDim(x, [4, 4, 5], [0, 1]);
    return { "next.x": b.sub(x, b.sum(b.sin(wide), [2])) };
  },
  "by its own softmax": (b, x) => {
    const e = b.exp(b.sub(x, b.broadcastInDim(b.reduceMax(x, [1]), [4, 4], [0])));
    return { "next.x": b.div(e, b.broadcastInDim(b.sum(e, [1]), [4, 4], [0])) };
  },
};

it.each(Object.entries(cases))("an input is replaced %s", (_, make) => {
  const b = new Builder();
  const [x, y] = [b.input("x", [4, 4]), b.input("y", [4, 4])];
  const graph = { name: "g", results: Object.entries(make(b, x, y)).map(([name, value]) => ({ name, value })) };
  const filled = (from: number): NdArray => ({
    dtype: "f32",
    shape: [4, 4],
    data: Float64Array.from({ length: 16 }, (_, i) => from + ((i * 5) % 16) / 16),
  });
  const inputs = { x: filled(0), y: filled(-1) };
  const expected = evaluate(graph, inputs);
  for (const [name, target] of Object.entries(targets)) {
    for (const memoryOf of ["one buffer", "own buffers"] as const) {
      const actual = interpretInPlace(graph, inputs, target, memoryOf);
      for (const r of graph.results)
        for (const [i, e] of expected[r.name]!.data.entries())
          expect(actual[r.name]!.data[i], `${name}: ${r.name}[${i}]`).toBeCloseTo(e, 5);
    }
  }
});
