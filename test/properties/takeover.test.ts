import { describe, expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { targets } from "../targets.ts";

// Results that take the slot of an operand which dies: the peak falls by exactly that tensor, and the values stay.

const input: NdArray = { dtype: "f32", shape: [16, 16], data: Float64Array.from({ length: 256 }, (_, i) => ((i * 37) % 64) / 32 - 1) };
const bytes = 4 * 256;

/** Two stored values; the kernel of a third product is the last to read them: three at once, two where one is taken over. */
function chain(step: (b: Builder, x: Value) => Value): Graph {
  const b = new Builder();
  const [x, y, z] = [b.input("x", [16, 16]), b.input("y", [16, 16]), b.input("z", [16, 16])];
  const third = b.add(b.add(step(b, b.sin(b.matmul(x, y))), step(b, b.sin(b.matmul(y, z)))), b.matmul(z, x));
  const value = b.matmul(third, x);
  return { name: "chain", results: [{ name: "y", value: b.sum(b.mul(value, value), [1]) }] };
}
const peakOf = (graph: Graph, inPlace: boolean): number => {
  const { figures } = compileGraph(graph, [], targets.eightLanes!, { inPlace }).legs[0]!;
  expect(figures.peakBytes).toBe(figures.liveBytes);
  return figures.peakBytes;
};
const softmax = (b: Builder, x: Value): Value => {
  const e = b.exp(b.sub(x, b.broadcastInDim(b.reduceMax(x, [1]), [16, 16], [0])));
  return b.div(e, b.broadcastInDim(b.sum(e, [1]), [16, 16], [0]));
};

const cases: Readonly<Record<string, { readonly step: (b: Builder, x: Value) => Value; readonly takes: boolean }>> = {
  "by what reads it element by element": { step: (b, x) => b.sin(x), takes: true },
  "not by what reads it elsewhere": { step: (b, x) => b.sin(b.reverse(x, [0])), takes: false },
  "not by what reads it at two places": { step: (b, x) => b.mul(x, b.reverse(x, [1])), takes: false },
};

describe("a slot is taken over", () => {
  it.each(Object.entries(cases))("%s", (_, { step, takes }) => {
    const graph = chain(step);
    const [apart, together] = [peakOf(graph, false), peakOf(graph, true)];
    if (takes) expect(apart - together).toBe(bytes);
    else expect(together).toBe(apart);
  });
  it("and the values are those of the graph, on every target", () => {
    for (const step of [...Object.values(cases).map((c) => c.step), softmax]) {
      const graph = chain(step);
      const expected = evaluate(graph, { x: input, y: input, z: input }).y!;
      for (const [name, target] of Object.entries(targets)) {
        const actual = interpretGraph(graph, { x: input, y: input, z: input }, target).y!;
        for (const [i, e] of expected.data.entries())
          expect(Math.abs(actual.data[i]! - e), `${name} ${i}`).toBeLessThan(1e-4 * (1 + Math.abs(e)));
      }
    }
  });
});
