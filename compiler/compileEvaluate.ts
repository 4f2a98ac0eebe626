import type { CompileOptions } from "./compileOptions.ts";
import type { EvaluateProgram, Leaf } from "./elaborate/program.ts";
import { inlineReadCalls } from "./ir/calls.ts";
import { printGraph } from "./ir/print.ts";
import { graphValues } from "./ir/walk.ts";
import { bytesOf } from "./memory/place.ts";
import type { Plan, PlanTarget } from "./plan/plan.ts";
import { memoryLeaves, PlanBuilder } from "./planBuilder.ts";
import { isFullPrecision } from "./precision.ts";
import { asStored, parameterOrders, readAsStored } from "./storageOrder.ts";
import { frozenType, storedLeaves } from "./storedLeaves.ts";

/** An evaluate block as a plan. */
export function compileEvaluate(evaluation: EvaluateProgram, sourceHash: string, target: PlanTarget, options: CompileOptions = {}): Plan {
  const builder = new PlanBuilder(target, evaluation.uniforms, options);
  options.onStage?.("tensor", evaluation.name, () => printGraph(evaluation.graph), evaluation.graph);
  const needed = new Set(graphValues(evaluation.graph).flatMap((v) => (v.op === "input" ? [v.attrs.name] : [])));
  const leaves = evaluation.leaves.filter((l) => needed.has(l.path));
  const policy = evaluation.precision;
  const orders = parameterOrders([evaluation.graph]);
  const dtypeOf = (l: Leaf) => frozenType(policy, l.role === "param");
  const places = new Map(leaves.map((l) => [l.path, builder.buffer(l.path, bytesOf({ shape: l.shape, dtype: dtypeOf(l) }), "persistent")]));
  builder.leg({
    name: "init",
    graph: {
      name: "init",
      results: leaves.map((l) => ({
        name: l.path,
        value: asStored(evaluation.builder, evaluation.builder.cast(l.init, dtypeOf(l)), orders.get(l.path)),
      })),
    },
    inputs: new Map(),
    results: places,
    written: new Set(),
    read: new Set(),
  });
  const inputs = new Map(places);
  const written = new Set<string>();
  for (const v of memoryLeaves(evaluation.graph)) {
    if (v.attrs.role !== "data") continue;
    inputs.set(v.attrs.name, builder.buffer(v.attrs.name, bytesOf(v), "input"));
    written.add(v.attrs.name);
  }
  const results = new Map(evaluation.graph.results.map((r) => [r.name, builder.buffer(r.name, bytesOf(r.value), "output")]));
  const frozen = new Set(leaves.filter((l) => dtypeOf(l) === "f16").map((l) => l.path));
  const precise = isFullPrecision(policy) ? {} : { precision: { policy, frozen, backward: () => false } };
  const graph = readAsStored(inlineReadCalls(evaluation.graph, evaluation.builder), evaluation.builder, orders);
  builder.leg({ name: "main", graph, inputs, results, written, read: new Set(results.keys()), ...precise });
  return builder.finish({
    kind: "evaluate",
    name: evaluation.name,
    sourceHash,
    batch: evaluation.batch,
    seed: evaluation.seed,
    leg: "main",
    stored: storedLeaves(leaves, places, dtypeOf, orders),
    initLeg: "init",
    dataset: evaluation.dataset,
    models: evaluation.models,
    measures: evaluation.measures.map(({ name, metric, args }) => ({ name, metric, args })),
    report: evaluation.report,
    ...(evaluation.prompts.length === 0 ? {} : { prompts: evaluation.prompts }),
  });
}
