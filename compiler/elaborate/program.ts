import type { Diagnostic } from "../../dsl/diagnostic.ts";
import type { PrecisionPolicy } from "../../dsl/precision.ts";
import type { Span } from "../../dsl/span.ts";
import type { Builder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/value.ts";
import type { HostExpr, UniformDecl } from "../plan/host.ts";
import type { PlanDataset, PlanMeasureArg, PlanMix, PlanModel, PlanPrompt, PlanTable, PlanTableUse } from "../plan/plan.ts";
import type { RematPolicy } from "../remat.ts";
import type { WalkNote } from "./evaluateWalk.ts";
import type { WalkLeg } from "./walkRequests.ts";

// What elaboration leaves: modules instantiated, sizes concrete, each step one graph per alternative; nothing differentiated yet.

/** A leaf of a model. Its input leaf in every graph has `name: path` and role "param" or "state". */
export interface Leaf {
  readonly path: string; // `encoder.layer[0][1].conv1.weight`
  readonly key: string; // the same in checkpoint spelling: `encoder.layer.0.1.conv1.weight`
  readonly role: "param" | "state";
  readonly shape: readonly number[];
  readonly labels: readonly string[];
  readonly trained: boolean;
  readonly group: number; // index into Optimizer.groups (0: no override)
  /** Starting value, over `random` leaves whose micro-step argument is the constant 0. Used unless a checkpoint supplies it. */
  readonly init: Value;
  readonly span: Span;
}

/** One way through a step: which values of its host choices lead here, and what it computes. */
export interface Alternative {
  readonly key: readonly (number | string | boolean | null)[]; // one per StepKind.choices; null: it makes no difference
  /** Values that the host waits for on this way, in order; a choice may depend on them. */
  readonly reads: readonly { readonly name: string; readonly type: "bool" | "real" | "int" }[];
  readonly ended: string | null; // the reason of the `require` that ends it
  readonly tables: readonly PlanTableUse[];
  /** Texts that are logged: the host counts them. */
  readonly notes: Readonly<Record<string, HostExpr>>;
  /** Results: `loss` (sum of everything minimised, f32[]; absent if nothing is), `log.<name>`, `update.<leaf path>`, `read.<name>`. */
  readonly graph: Graph;
}
export interface StepKind {
  readonly name: string;
  readonly dataset: { readonly binder: string; readonly setting: string }; // `face` and the train block's data setting of that name
  readonly choices: readonly HostExpr[];
  readonly alternatives: readonly Alternative[];
}

/**
 * Arena optimiser. Inputs of `graph`: `params` and `grads` f32[n], `state.<name>` f32[n] or f32, and `state.numbers` with states of
 * one number where there are many; results the same, and `log.<name>`.
 */
export interface Optimizer {
  readonly name: string;
  /** `at`: the input that holds a state, and where in it a state that is one number lies. */
  readonly states: readonly {
    readonly name: string;
    readonly arena: boolean;
    readonly at: { readonly input: string; readonly place: number };
  }[];
  /** What the states begin as, over the input leaf `params`. */
  readonly start: Graph;
  readonly groups: readonly { readonly settings: Readonly<Record<string, number>> }[];
  readonly graph: Graph;
  /** It looks at single parameters, so their elements must lie in the order of their axes. */
  readonly byTensor: boolean;
}

/** Where each trained parameter lies in the flat arenas. Offsets in elements, aligned so that a slice can be bound; gaps stay 0. */
export interface ArenaLayout {
  readonly size: number;
  readonly slices: readonly {
    readonly path: string;
    readonly offset: number;
    readonly size: number;
    readonly shape: readonly number[];
  }[];
  readonly groups: readonly { readonly start: number; readonly end: number }[];
}

export interface TrainProgram {
  readonly kind: "train";
  readonly name: string;
  readonly builder: Builder; // all graphs share it
  readonly leaves: readonly Leaf[]; // in declaration order
  readonly arena: ArenaLayout; // of the trained params that some step's loss reaches
  readonly unreached: readonly string[]; // trained parameters that no `minimize` reaches
  readonly precision: PrecisionPolicy;
  readonly remat: RematPolicy;
  readonly steps: readonly StepKind[];
  readonly mix: PlanMix;
  readonly optimizer: Optimizer;
  /** Over `grads` f32[n] (accumulated, averaged or summed already) and `params`; result `grads`. null: no `gradient` setting. */
  readonly gradient: Graph | null;
  readonly uniforms: readonly UniformDecl[]; // every uniform input leaf of every graph, by name
  readonly datasets: readonly { readonly setting: string; readonly spec: PlanDataset }[];
  readonly models: readonly PlanModel[];
  readonly prompts: readonly PlanPrompt[];
  readonly tables: readonly PlanTable[];
  /** Leaves that begin as what other leaves are when the run starts. */
  readonly copies: readonly { readonly from: string; readonly to: string }[];
  /** Pictures of the models after every so many updates: results `preview.0`, …. */
  readonly preview: { readonly every: number; readonly graph: Graph } | null;
  readonly settings: {
    readonly batch: number;
    readonly microSteps: number;
    readonly accumulate: { readonly count: number; readonly by: "sum" | "mean" };
    readonly saveEvery: number | null; // updates
    readonly logEvery: number;
    readonly seed: number;
  };
}

/** One pass over a data set with a frozen model, then measures over what was collected. */
export interface EvaluateProgram {
  readonly kind: "evaluate";
  readonly name: string;
  readonly builder: Builder;
  readonly leaves: readonly Leaf[];
  readonly models: readonly PlanModel[];
  readonly dataset: { readonly setting: string; readonly spec: PlanDataset } | null;
  readonly batch: number;
  readonly seed: number;
  /** Results `collect.<name>`: one row per sample. */
  readonly graph: Graph;
  readonly uniforms: readonly UniformDecl[];
  readonly measures: readonly {
    readonly name: string;
    readonly metric: string;
    readonly args: readonly PlanMeasureArg[];
    readonly span: Span;
  }[];
  readonly report: string | null; // path of the report, relative to the run folder
  readonly prompts: readonly PlanPrompt[];
  readonly precision: PrecisionPolicy;
}
/** An evaluation that goes through folders, files and lines. Its legs are compiled for stand-ins; others when they are met. */
export interface WalkProgram {
  readonly kind: "walk";
  readonly name: string;
  readonly builder: Builder;
  readonly leaves: readonly Leaf[];
  readonly models: readonly PlanModel[];
  readonly seed: number;
  readonly legs: readonly WalkLeg[];
  readonly prompts: readonly PlanPrompt[];
  /** What it does, in order, for people. */
  readonly notes: readonly WalkNote[];
  readonly precision: PrecisionPolicy;
}

/** What a surgery does to the tensors of one file: a graph for each parameter, from the input `old` to the result `new`. */
export interface SurgeryProgram {
  readonly name: string;
  readonly builder: Builder;
  readonly params: readonly { readonly key: string; readonly graph: Graph }[];
}

/** A function of a file elaborated alone, for tests and conformance: `fn` of tensors with given sizes. */
export interface FunctionProgram {
  readonly builder: Builder;
  readonly graph: Graph; // results `result` or `result.<field>` / `result.<index>`
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: "f32" | "i32" }[];
  readonly leaves: readonly Leaf[];
  readonly models: readonly PlanModel[];
  readonly uniforms: readonly UniformDecl[];
}

export type Elaborated<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };
