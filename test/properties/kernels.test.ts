import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { vjp } from "../../compiler/autodiff.ts";
import type { CompileOptions } from "../../compiler/compile.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import type { PlanTarget } from "../../compiler/plan/plan.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { targets } from "../targets.ts";
import { programs } from "./programs.ts";

// Random programs, compiled for adapters of all kinds and run by the CPU interpreter, equal the f64 meaning. Slots begin as not-a-numbers:
// a tensor that is read before it is written, or overwritten while it is needed, is a wrong result. A counterexample is IR text.

/** Largest difference relative to the size of the expected array. */
function difference(actual: NdArray, expected: NdArray): number {
  const scale = expected.data.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-3);
  return expected.data.reduce((worst, x, i) => {
    const d = Math.abs(actual.data[i]! - x) / scale;
    return Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(worst, d);
  }, 0);
}
function check(graph: Graph, inputs: Readonly<Record<string, NdArray>>, target: PlanTarget, options: CompileOptions = {}): void {
  const expected = evaluate(graph, inputs);
  let actual: Record<string, NdArray>;
  try {
    actual = interpretGraph(graph, inputs, target, options);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${printGraph(graph)}`);
  }
  for (const r of graph.results) {
    const d = difference(actual[r.name]!, expected[r.name]!);
    // f32 rounding over programs of a dozen steps whose values stay below 4.
    if (d > 2e-4) {
      const [got, want] = [actual, expected].map((x) => [...x[r.name]!.data.slice(0, 8)]);
      expect.fail(`${r.name} differs by ${d} (${got} for ${want})\n${printGraph(graph)}`);
    }
  }
}
const seed = Number(process.env.ADA_SEED ?? 21);
const numRuns = Number(process.env.ADA_RUNS ?? 30);

describe.each(Object.entries(targets))("random programs for %s", (_, target) => {
  it("equal the f64 meaning, fused and unfused", () => {
    fc.assert(
      fc.property(programs({ steps: 14 }), fc.boolean(), ({ graph, inputs }, fuse) => check(graph, inputs, target, { fuse })),
      { seed, numRuns },
    );
  });
  it("have the gradients of the f64 meaning", () => {
    fc.assert(
      fc.property(programs({ steps: 10 }), ({ b, graph, inputs, params }) => {
        const outputs = graph.results.map((r) => r.value).filter((v) => v.dtype === "f32");
        if (outputs.length === 0 || params.length === 0) return;
        const gradients = vjp(
          b,
          outputs,
          outputs.map((o) => b.splat(1, o.shape)),
          params,
        );
        check({ name: "gradients", results: gradients.map((value, i) => ({ name: `g${i}`, value })) }, inputs, target);
      }),
      { seed: seed + 1, numRuns: Math.ceil(numRuns / 2) },
    );
  });
});
