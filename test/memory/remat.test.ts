import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gradient } from "../../compiler/autodiff.ts";
import { compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import { parseGraph } from "../../compiler/ir/parseText.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import { type RematPolicy, rematerialise } from "../../compiler/remat.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { agree } from "../properties/agreement.ts";
import { gradientsOf } from "../properties/kernels.ts";
import { programs } from "../properties/programs.ts";
import { settings } from "../properties/settings.ts";
import { eightLanes } from "../targets.ts";

// What the backward pass computes again: the same values and gradients, in less memory.

const policies: Readonly<Record<string, RematPolicy>> = {
  all: { kind: "except", names: new Set() },
  half: { kind: "fit", bytes: 400 },
  little: { kind: "fit", bytes: 40 },
};
const seed = Number(process.env.ADA_SEED ?? 31);
const numRuns = Number(process.env.ADA_RUNS ?? 40);

/** A chain of layers with the gradients of its input and weights; every fourth layer is marked. */
function chain(layers: number): { readonly graph: Graph; readonly b: Builder } {
  const b = new Builder();
  const x = b.input("x", [32, 64]);
  const weights = Array.from({ length: layers }, (_, i) => b.input(`w${i}`, [64, 64]));
  let y: Value = x;
  for (const [i, w] of weights.entries()) {
    y = b.sin(b.matmul(y, w));
    if (i % 4 === 3) y = b.save(y, "layer.out");
  }
  const loss = b.sum(b.mul(y, y));
  const grads = gradient(b, loss, [x, ...weights]).map((value, i) => ({ name: `g${i}`, value }));
  return { b, graph: { name: "chain", results: [{ name: "loss", value: loss }, ...grads] } };
}
const isForward = (name: string): boolean => name === "loss" || name.startsWith("r");
const figuresOf = (graph: Graph) => compileGraph(graph, [], eightLanes).legs[0]!.figures;

describe("rematerialisation", () => {
  // Gradients of attention with one key are what rounding leaves (see deviceKernels.ts), so programs are without it.
  it("keeps values and gradients of random programs", () => {
    fc.assert(
      fc.property(
        programs({ steps: 8, without: ["attend"] }),
        settings,
        fc.constantFrom(...Object.keys(policies)),
        (program, { target, options }, name) => {
          const gradients = gradientsOf(program);
          if (!gradients) return;
          const whole = { name: "whole", results: [...program.graph.results, ...gradients.results] };
          const again = rematerialise(whole, program.b, isForward, policies[name]!);
          agree(again, program.inputs, () => interpretGraph(again, program.inputs, target, options));
        },
      ),
      { seed, numRuns },
    );
  });
  it("needs less memory in a deep chain, by names and by a budget, and gives the same bits", () => {
    const { graph, b } = chain(16);
    const layer = 4 * 32 * 64;
    const plain = figuresOf(graph);
    const named = rematerialise(graph, b, isForward, { kind: "except", names: new Set(["layer.out"]) });
    const fitted = rematerialise(graph, b, isForward, { kind: "fit", bytes: 16 * layer });
    for (const policy of [named, fitted]) {
      const figures = figuresOf(policy);
      expect(figures.peakBytes / plain.peakBytes).toBeLessThan(0.6);
      expect(figures.flops / plain.flops).toBeLessThan(1.35);
    }
    expect(rematerialise(graph, b, isForward, { kind: "fit", bytes: 1e9 })).toBe(graph);
    expect(rematerialise(graph, b, isForward, { kind: "none" })).toBe(graph);
    const inputs = Object.fromEntries(
      ["x", ...Array.from({ length: 16 }, (_, i) => `w${i}`)].map((name, k) => {
        const shape = name === "x" ? [32, 64] : [64, 64];
        return [
          name,
          { dtype: "f32", shape, data: Float64Array.from({ length: shape[0]! * 64 }, (_, i) => (((i + k) * 37) % 64) / 256 - 0.125) },
        ];
      }),
    ) as Parameters<typeof interpretGraph>[1];
    const before = interpretGraph(graph, inputs, eightLanes);
    for (const policy of [named, fitted]) expect(interpretGraph(policy, inputs, eightLanes)).toEqual(before);
  });
  it("can be read and printed", () => {
    const { graph, b } = chain(2);
    const again = rematerialise(graph, b, isForward, policies.all!);
    expect(printGraph(again)).toContain("= again %");
    const read = parseGraph(printGraph(again));
    expect("graph" in read && printGraph(read.graph)).toBe(printGraph(again));
  });
});
