import fc from "fast-check";
import { it } from "vitest";
import { vjp } from "../../compiler/autodiff.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { interpretGraph, interpretInPlace } from "../interpretPlan.ts";
import { agree } from "./agreement.ts";
import { type Program, programs } from "./programs.ts";
import { settings } from "./settings.ts";

// Random programs over all primitives, compiled for random adapters with random passes and run by the CPU interpreter, equal the f64 meaning.
// Slots begin as not-a-numbers: a tensor that is read before it is written, or overwritten while it is needed, is a wrong result.

/** The gradients of all f32 results with respect to all f32 inputs; null when there are none. */
export function gradientsOf({ b, graph, params }: Program): Graph | null {
  const outputs = graph.results.map((r) => r.value).filter((v) => v.dtype === "f32");
  if (outputs.length === 0 || params.length === 0) return null;
  const cotangents = outputs.map((o) => b.splat(1, o.shape));
  return { name: "gradients", results: vjp(b, outputs, cotangents, params).map((value, i) => ({ name: `g${i}`, value })) };
}

/** The program and, of its inputs, what an update makes of them: some by place, some by what lies elsewhere in them, some by another. */
function withUpdates(program: Program): Graph {
  const { b, graph, params } = program;
  const gradients = gradientsOf(program)?.results ?? [];
  const updates = gradients.flatMap(({ value: gradient }, i) => {
    const p = params[i]!;
    if (p.op !== "input") return [];
    const mixed = i % 3 === 1 && p.shape.length > 0 ? b.reverse(p, [0]) : p;
    const other = params.find((q) => q !== p && q.shape.join() === p.shape.join());
    return [{ name: `next.${p.attrs.name}`, value: i % 3 === 2 && other ? other : b.sub(mixed, b.mul(gradient, 0.1)) }];
  });
  return { name: "updates", results: [...graph.results, ...updates] };
}

/** Declares the properties; `runs` cases of values, and half as many each of gradients, of replaced inputs and of special numbers. */
export function kernelProperties(runs: number, seed: number): void {
  const half = Math.ceil(runs / 2);
  it("equal the f64 meaning", () => {
    fc.assert(
      fc.property(programs({ steps: 14 }), settings, ({ graph, inputs }, { target, options }) =>
        agree(graph, inputs, () => interpretGraph(graph, inputs, target, options)),
      ),
      { seed, numRuns: runs },
    );
  });
  it("have the gradients of the f64 meaning", () => {
    fc.assert(
      // Where a softmax has one key, or nearly, its gradient is what rounding leaves of terms that cancel: attention.test.ts measures those by their terms.
      fc.property(programs({ steps: 10, without: ["attend"] }), settings, (program, { target, options }) => {
        const gradients = gradientsOf(program);
        if (gradients) agree(gradients, program.inputs, () => interpretGraph(gradients, program.inputs, target, options));
      }),
      { seed: seed + 1, numRuns: half },
    );
  });
  it("may replace what they read", () => {
    fc.assert(
      fc.property(programs({ steps: 10 }), settings, fc.constantFrom("one buffer", "own buffers"), (program, { target }, memoryOf) => {
        const whole = withUpdates(program);
        agree(whole, program.inputs, () => interpretInPlace(whole, program.inputs, target, memoryOf));
      }),
      { seed: seed + 2, numRuns: half },
    );
  });
  it("carry NaN and infinities where the f64 meaning has them", () => {
    fc.assert(
      fc.property(programs({ steps: 10, special: true }), settings, ({ graph, inputs }, { target, options }) =>
        agree(graph, inputs, () => interpretGraph(graph, inputs, target, options)),
      ),
      { seed: seed + 3, numRuns: half },
    );
  });
}
