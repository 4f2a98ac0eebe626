import type { Span } from "../dsl/span.ts";
import type { Region } from "./fuse/region.ts";
import type { Graph } from "./ir/value.ts";
import type { Lifetime } from "./memory/pool.ts";
import type { PlanBinding, PlanKernel, PlanLeg, PlanOp } from "./plan/plan.ts";
import type { PrecisionRequest } from "./precision.ts";
import type { TileKernel } from "./tile/tile.ts";

// A leg as far as it can be made without the rest of its plan. It is a function of its graph, of how the buffers that it is given hang together,
// and of the target: so equal legs can be kept, and a plan is put together from what was made now and what was made earlier. Its buffers
// have numbers of its own: first those that it is given, then its constants; a slot is the number of a tenancy behind `firstSlot`.

/** What a leg is to compute, and where what outlives it lies. */
export interface LegRequest {
  readonly name: string;
  readonly graph: Graph;
  /** Places of the memory leaves, by input name. */
  readonly inputs: ReadonlyMap<string, PlanBinding>;
  /** Places of the results, by result name. A place may be that of an input: then the leg changes it. */
  readonly results: ReadonlyMap<string, PlanBinding>;
  /** Inputs that the host writes before the leg, and results that it may read, by name in the graph. */
  readonly written: ReadonlySet<string>;
  readonly read: ReadonlySet<string>;
  /** How values are stored; without it, all in f32. */
  readonly precision?: PrecisionRequest;
  /** Bytes to clear first. */
  readonly clear?: readonly PlanBinding[];
}

/** Numbers of buffers from here on are tenancies: memory that the plan finds a slot for. */
export const firstSlot = 2 ** 24;

export interface ObjectKernel extends Omit<PlanKernel, "id"> {
  readonly features: readonly string[];
}
type Dispatch = Extract<PlanOp, { readonly kind: "dispatch" }>;
export type ObjectOp =
  | (Omit<Dispatch, "origins"> & { readonly origins: readonly Place[] })
  /** A copy as such, or copies that must come out as if all happened at once. */
  | { readonly kind: "copy"; readonly from: PlanBinding; readonly to: PlanBinding }
  | { readonly kind: "moves"; readonly moves: readonly { readonly from: PlanBinding; readonly to: PlanBinding }[] };
/** A place in the sources. */
export type Place = Pick<Span, "file" | "start" | "end">;

export interface LegObject {
  /** Buffers that it is given: constants are numbered from here on. */
  readonly given: number;
  /** Contents of constants, in bytes and as base64. */
  readonly constants: readonly { readonly dtype: string; readonly bytes: number; readonly data: string }[];
  readonly tenancies: readonly Lifetime[];
  readonly kernels: readonly ObjectKernel[];
  /** `kernel` is an index in `kernels`. */
  readonly ops: readonly ObjectOp[];
  readonly outputs: PlanLeg["outputs"];
  readonly inputs: PlanLeg["inputs"];
  readonly flops: number;
  readonly bytesMoved: number;
}

/** A leg that was made just now, with what each dispatch was made from. */
export interface MadeLeg {
  readonly object: LegObject;
  readonly sources: readonly { readonly kernel: TileKernel; readonly region: Region }[];
}
