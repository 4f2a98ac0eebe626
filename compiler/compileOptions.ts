import type { PrecisionPolicy } from "../dsl/precision.ts";
import type { Span } from "../dsl/span.ts";
import type { Region } from "./fuse/region.ts";
import type { Graph } from "./ir/value.ts";
import type { LegStore } from "./legContent.ts";
import type { PlanOp } from "./plan/plan.ts";
import type { ScheduleBook } from "./schedule/target.ts";
import type { TileKernel } from "./tile/tile.ts";

/** What a compilation can be asked to do otherwise; every optional pass has a switch, so that a fault can be bisected. */
export interface CompileOptions {
  readonly simplify?: boolean; // default true
  readonly fuse?: boolean; // default true; false: every value is its own kernel
  readonly inPlace?: boolean; // default true
  /** How a bare graph is stored (a program says so itself); default: all f32. */
  readonly precision?: PrecisionPolicy;
  /** Runs every verifier after its pass (always in tests; default true). */
  readonly verify?: boolean;
  /** Gets each stage's printed form as it is made, and the graph itself where the stage is one. */
  readonly onStage?: (stage: Stage, leg: string, text: () => string, graph?: Graph) => void;
  readonly onTime?: (pass: string, ms: number) => void;
  /** Where a span begins, as people write it (`std/nn.ada:31:13`); without it an origin is the file and the offset. */
  readonly placeOf?: (span: Span) => string;
  /** Schedules that a tuner has found, by bucket of shapes; one that is no candidate there is not used. */
  readonly schedules?: ScheduleBook;
  /** Where legs are kept: what is there is not made again. */
  readonly legs?: LegStore;
  /** Gets the kernel of each dispatch in the form that the CPU interpreter runs, and the region that it computes. */
  readonly onKernel?: (dispatch: PlanOp, kernel: TileKernel, region: Region) => void;
}
/** Runs a pass and tells how long it took. */
export function timed<T>({ onTime }: CompileOptions, pass: string, work: () => T): T {
  const start = performance.now();
  const result = work();
  onTime?.(pass, performance.now() - start);
  return result;
}

export type Stage = "tensor" | "grad" | "simple" | "precise" | "fused" | "tiles" | "plan" | "wgsl";
