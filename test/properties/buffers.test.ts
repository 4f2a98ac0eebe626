import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import { graphInputs } from "../../compiler/ir/walk.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { fewBuffers } from "../targets.ts";

// Kernels that would need one binding more than the adapter has: each was a program that random search found.

const ramp = (shape: readonly number[], dtype: "f32" | "i32" = "f32"): NdArray => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype, shape, data: Float64Array.from({ length: size }, (_, i) => (dtype === "i32" ? i % 3 : ((i * 5) % 7) / 4 - 0.75)) };
};
const graphOf = (...values: readonly Value[]): Graph => ({ name: "g", results: values.map((value, i) => ({ name: `r${i}`, value })) });
function agree(graph: Graph, inputs: Readonly<Record<string, NdArray>>, target = fewBuffers): void {
  const expected = evaluate(graph, inputs);
  const actual = interpretGraph(graph, inputs, target);
  for (const { name } of graph.results)
    for (const [i, x] of expected[name]!.data.entries()) expect(actual[name]!.data[i], `${name}[${i}]`).toBeCloseTo(x, 5);
}

describe("the limit of bindings", () => {
  it("counts a tensor that is read as scalars and as vectors once", () => {
    const b = new Builder();
    const positions = b.input("positions", [2, 2], { dtype: "i32" });
    const x = b.input("x", [2, 3]);
    const gathered = b.gather(x, positions, 1, 1);
    agree(graphOf(b.exp(gathered), b.max(b.min(positions, b.splat(2, [2, 2], "i32")), b.splat(0, [2, 2], "i32"))), {
      x: ramp([2, 3]),
      positions: ramp([2, 2], "i32"),
    });
  });
  it("is kept beside operands that are made up", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3]);
    const w = b.input("w", [4, 3]);
    const half = b.splat(0.5, [2, 4]);
    const zeros = b.splat(0, [2, 3]);
    const graph = graphOf(b.add(b.where(b.lt(zeros, x), x, zeros), b.dot(half, w, { contractA: [1], contractB: [0] })), zeros);
    agree(graph, { x: ramp([2, 3]), w: ramp([4, 3]) });
  });
  it("is kept beside copies of operands", () => {
    const b = new Builder();
    const [x, w, u] = [b.input("x", [8, 8]), b.input("w", [8, 8]), b.input("u", [8, 8])];
    const product = b.dot(x, w, { contractA: [0], contractB: [1] });
    agree(graphOf(b.add(b.add(product, x), b.mul(w, u))), { x: ramp([8, 8]), w: ramp([8, 8]), u: ramp([8, 8]) });
  });
  it("holds for every kernel that is printed", () => {
    const b = new Builder();
    const inputs = Array.from({ length: 9 }, (_, i) => b.input(`x${i}`, [4, 4]));
    const sum = inputs.reduce((s: Value, x) => b.add(b.mul(s, 0.5), b.exp(x)));
    const plan = compileGraph(graphOf(sum, b.sum(sum, [1])), [], fewBuffers);
    for (const kernel of plan.kernels)
      expect(kernel.bindings.filter((k) => k === "read" || k === "readWrite").length).toBeLessThanOrEqual(4);
  });
  it("is kept by random reductions whose operands are read both as vectors and one by one", () => {
    const cases = fc.record({
      rows: fc.constantFrom(1, 3, 4),
      columns: fc.constantFrom(4, 6, 8),
      limit: fc.integer({ min: 3, max: 8 }),
      terms: fc.array(fc.tuple(fc.nat(7), fc.nat(3), fc.boolean()), { minLength: 2, maxLength: 12 }),
      over: fc.constantFrom([0], [1], [0, 1]),
      again: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ rows, columns, limit, terms, over, again }) => {
        const b = new Builder();
        const inputs = Array.from({ length: 8 }, (_, i) => b.input(`x${i}`, i % 3 === 2 ? [columns, rows] : [rows, columns]));
        const read = ([input, way, raised]: (typeof terms)[number]): Value => {
          const x = input % 3 === 2 ? b.permute(inputs[input]!, [1, 0]) : inputs[input]!;
          const at = (from: number, size: number) => b.slice(x, [0, from], [rows, size]);
          const read = [
            x,
            b.reverse(x, [1]),
            b.pad(at(0, columns - 1), [0, 0], [0, 1]),
            b.concat([at(columns - 1, 1), at(0, columns - 1)], 1),
          ][way]!;
          return raised ? b.tanh(read) : read;
        };
        const y = terms.map(read).reduce((sum, x) => b.add(b.mul(sum, 0.5), x));
        const sum = b.sum(y, over);
        const graph = graphOf(sum, ...(again ? [b.mul(y, b.spreadBack(sum, y, over)), b.reduceMax(y, over)] : []));
        const arrays = Object.fromEntries(graphInputs(graph).map((v) => [v.attrs.name, ramp(v.shape)]));
        agree(graph, arrays, { ...fewBuffers, maxStorageBuffers: limit });
      }),
      { numRuns: 60, seed: 9 },
    );
  });
});
