import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { vjp } from "../../compiler/autodiff.ts";
import type { CompileOptions } from "../../compiler/compile.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import type { PlanTarget } from "../../compiler/plan/plan.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { interpretGraph, interpretInPlace } from "../interpretPlan.ts";
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
type Inputs = Readonly<Record<string, NdArray>>;
function check(graph: Graph, inputs: Inputs, target: PlanTarget, options: CompileOptions = {}): void {
  agree(graph, inputs, () => interpretGraph(graph, inputs, target, options));
}
function agree(graph: Graph, inputs: Inputs, run: () => Record<string, NdArray>): void {
  const expected = evaluate(graph, inputs);
  let actual: Record<string, NdArray>;
  try {
    actual = run();
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
  it("may replace what they read", () => {
    fc.assert(
      fc.property(programs({ steps: 10 }), fc.constantFrom("one buffer", "own buffers"), ({ b, graph, inputs, params }, memoryOf) => {
        const outputs = graph.results.map((r) => r.value).filter((v) => v.dtype === "f32");
        const cotangents = outputs.map((o) => b.splat(1, o.shape));
        const gradients = vjp(b, outputs, cotangents, params);
        const updates = params.flatMap((p, i) => {
          if (p.op !== "input") return [];
          const name = `next.${p.attrs.name}`;
          // Some inputs change place by place, some by what lies elsewhere in them, some by what replaces another.
          const mixed = i % 3 === 1 ? b.reverse(p, [0]) : p;
          const other = params.find((q) => q !== p && q.shape.join() === p.shape.join());
          return [{ name, value: i % 3 === 2 && other ? other : b.sub(mixed, b.mul(gradients[i]!, 0.1)) }];
        });
        const whole: Graph = { name: "updates", results: [...graph.results, ...updates] };
        agree(whole, inputs, () => interpretInPlace(whole, inputs, target, memoryOf));
      }),
      { seed: seed + 2, numRuns },
    );
  });
});
