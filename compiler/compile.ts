import type { EvaluateProgram, TrainProgram } from "./elaborate/program.ts";
import type { Graph } from "./ir/value.ts";
import type { UniformDecl } from "./plan/host.ts";
import type { Plan, PlanTarget } from "./plan/plan.ts";

/** What a compilation can be asked to do otherwise; every optional pass has a switch, so that a fault can be bisected. */
export interface CompileOptions {
  readonly simplify?: boolean; // default true
  readonly fuse?: boolean; // default true; false: every value is its own kernel
  readonly inPlace?: boolean; // default true
  /** Runs every verifier after its pass (always in tests; default true). */
  readonly verify?: boolean;
  /** Gets each stage's printed form as it is made. */
  readonly onStage?: (stage: Stage, leg: string, text: () => string) => void;
  readonly onTime?: (pass: string, ms: number) => void;
}
export type Stage = "tensor" | "grad" | "simple" | "fused" | "tiles" | "plan" | "wgsl";

export type CompileGraph = (graph: Graph, uniforms: readonly UniformDecl[], target: PlanTarget, options?: CompileOptions) => Plan;
export type CompileTrain = (train: TrainProgram, sourceHash: string, target: PlanTarget, options?: CompileOptions) => Plan;
export type CompileEvaluate = (evaluation: EvaluateProgram, sourceHash: string, target: PlanTarget, options?: CompileOptions) => Plan;
