import type { Graph } from "../ir/value.ts";
import type { PlanPrompt } from "../plan/plan.ts";

// What a walk asks of the world around it, as plain data, and what it is told. A walk is an `evaluate` block without a data set: it goes
// through folders, files and lines that are known only while it runs. Elaboration asks, a driver answers: the real one reads files and runs
// legs on a device, the one of `adac plan` answers with stand-ins.

/** A tensor in the host's memory. Without data it stands in for one: only its type is known. */
export interface HostTensor {
  readonly dtype: "f32" | "f16" | "i32" | "u32" | "bool";
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint32Array | null;
}
/** One folder of a subject. */
export interface WalkFolder {
  readonly name: string;
  readonly path: string;
  readonly images: readonly string[];
}
/** Device work between two points at which the host needs values: inputs `in0`, `in1`, …, results `out0`, `out1`, …. */
export interface WalkLeg {
  /** Equal for equal work, whatever its inputs hold. */
  readonly key: string;
  /** The name of what it makes, for people. */
  readonly name: string;
  readonly graph: Graph;
}
/** The numbers of one `measure`, with what stands for it in each key of each report. */
export interface WalkMeasure {
  readonly name: string;
  readonly value: number;
  /** For each `report`, what stands for each of its keys. */
  readonly keys: readonly (readonly string[])[];
}
export interface WalkReport {
  readonly statistics: readonly string[];
  readonly by: readonly string[];
  /** Paths with their ending: csv, json or html. */
  readonly files: readonly string[];
}

export type WalkRequest =
  | {
      readonly kind: "folders";
      readonly root: string;
      readonly files: string;
      readonly skip: string | null;
      readonly first: number | null;
      readonly binder: string;
    }
  | { readonly kind: "lines"; readonly file: string }
  | { readonly kind: "load"; readonly file: string }
  | {
      readonly kind: "made";
      readonly name: string;
      readonly args: Readonly<Record<string, number | string | boolean>>;
      readonly of: HostTensor;
    }
  | ({ readonly kind: "prompt"; readonly prompt: PlanPrompt; readonly input: string } & Pick<HostTensor, "shape" | "dtype">)
  | { readonly kind: "leg"; readonly leg: WalkLeg; readonly inputs: readonly HostTensor[]; readonly wait: string }
  | { readonly kind: "write"; readonly picture: HostTensor; readonly file: string }
  | { readonly kind: "measure"; readonly measure: WalkMeasure }
  | { readonly kind: "ended"; readonly reason: string }
  | { readonly kind: "report"; readonly reports: readonly WalkReport[] };

/** What each request is answered with. */
export interface WalkAnswers {
  readonly folders: readonly WalkFolder[];
  readonly lines: readonly string[];
  readonly load: HostTensor;
  readonly made: HostTensor | null;
  readonly prompt: HostTensor;
  readonly leg: readonly HostTensor[];
  readonly write: null;
  readonly measure: null;
  readonly ended: null;
  readonly report: null;
}
export type WalkAnswer = WalkAnswers[keyof WalkAnswers];
export type Walking<T> = Generator<WalkRequest, T, WalkAnswer>;

/** Asks the driver; the answer is of the request's kind. */
export function* demand<K extends WalkRequest["kind"]>(request: Extract<WalkRequest, { kind: K }>): Walking<WalkAnswers[K]> {
  return (yield request) as WalkAnswers[K];
}

/** Unwinds to the statement that is run: it needs an answer first, and is then run again from its beginning. */
export class Asked {
  readonly key: string;
  readonly find: () => Walking<unknown>;
  constructor(key: string, find: () => Walking<unknown>) {
    this.key = key;
    this.find = find;
  }
}
