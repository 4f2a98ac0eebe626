import type { CompileOptions } from "./compileOptions.ts";
import type { EvaluateProgram } from "./elaborate/program.ts";
import { addHeldLeg, placeLeaves } from "./heldLegs.ts";
import { printGraph } from "./ir/print.ts";
import type { Plan, PlanTarget } from "./plan/plan.ts";
import { PlanBuilder } from "./planBuilder.ts";

/** An evaluate block as a plan. */
export function compileEvaluate(evaluation: EvaluateProgram, sourceHash: string, target: PlanTarget, options: CompileOptions = {}): Plan {
  const builder = new PlanBuilder(target, evaluation.uniforms, options);
  options.onStage?.("tensor", evaluation.name, () => printGraph(evaluation.graph), evaluation.graph);
  const placed = placeLeaves(builder, evaluation, [evaluation.graph]);
  addHeldLeg(builder, { name: "main", graph: evaluation.graph }, evaluation, placed);
  return builder.finish({
    kind: "evaluate",
    name: evaluation.name,
    sourceHash,
    batch: evaluation.batch,
    seed: evaluation.seed,
    leg: "main",
    stored: placed.stored,
    initLeg: "init",
    dataset: evaluation.dataset,
    models: evaluation.models,
    measures: evaluation.measures.map(({ name, metric, args }) => ({ name, metric, args })),
    report: evaluation.report,
    ...(evaluation.prompts.length === 0 ? {} : { prompts: evaluation.prompts }),
  });
}
