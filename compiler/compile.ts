import type { CompileOptions } from "./compileOptions.ts";
import { inlineReadCalls } from "./ir/calls.ts";
import { printGraph } from "./ir/print.ts";
import type { Graph } from "./ir/value.ts";
import { isGradient } from "./legs.ts";
import { bytesOf } from "./memory/place.ts";
import type { UniformDecl } from "./plan/host.ts";
import type { Plan, PlanTarget } from "./plan/plan.ts";
import { memoryLeaves, PlanBuilder } from "./planBuilder.ts";

// The compile driver: from graphs and elaborated programs to plans. Train and evaluate blocks are in files of their own.

export { compileEvaluate } from "./compileEvaluate.ts";
export type { CompileOptions, Stage } from "./compileOptions.ts";
export { compileSurgery } from "./compileSurgery.ts";
export { compileTrain } from "./compileTrain.ts";
export { compileWalk, compileWalkLeg } from "./compileWalk.ts";

/** A bare graph as a plan with one leg `main`: its memory leaves are the inputs, its results the outputs, by name. */
export function compileGraph(written: Graph, uniforms: readonly UniformDecl[], target: PlanTarget, options: CompileOptions = {}): Plan {
  const builder = new PlanBuilder(target, uniforms, options);
  const graph = inlineReadCalls(written);
  options.onStage?.("tensor", "main", () => printGraph(graph), graph);
  const leaves = memoryLeaves(graph);
  const inputs = new Map(leaves.map((v) => [v.attrs.name, builder.buffer(v.attrs.name, bytesOf(v), "input")]));
  const results = new Map(graph.results.map((r) => [r.name, builder.buffer(r.name, bytesOf(r.value), "output")]));
  const policy = options.precision;
  const precise = policy === undefined ? {} : { precision: { policy, frozen: new Set<string>(), backward: isGradient } };
  builder.leg({ name: "main", graph, inputs, results, written: new Set(inputs.keys()), read: new Set(results.keys()), ...precise });
  return builder.finish({ kind: "function", name: graph.name });
}
