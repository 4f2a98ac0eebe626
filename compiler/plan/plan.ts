import type { HostExpr, UniformDecl } from "./host.ts";
import type { TextureKind } from "./operandTexture.ts";

// The plan: everything a runtime needs to run a compiled program, as plain data (plan.json plus kernels/*.wgsl). No names of layers or
// losses are interpreted here; a plan is buffers, kernels, and legs: lists of dispatches that run in order in one submit.

export interface Plan {
  readonly format: 1;
  readonly compiler: string; // version of the compiler
  readonly target: PlanTarget;
  readonly kernels: readonly PlanKernel[];
  readonly buffers: readonly PlanBuffer[];
  readonly legs: readonly PlanLeg[];
  readonly uniforms: readonly UniformDecl[]; // element i of the uniform buffer, in order; 0 elements: no uniform buffer
  readonly program: TrainPlan | EvaluatePlan | WalkPlan | SurgeryPlan | FunctionPlan;
}
/** What kind of adapter: schedules, and what is worth fusing, differ by it. */
export type AdapterClass = "cpu-subgroups" | "cpu" | "gpu";

/** What the kernels were made for. A plan runs only on an adapter that offers this. */
export interface PlanTarget {
  readonly adapterClass: AdapterClass;
  readonly subgroupSize: number | null;
  readonly textureOperands: boolean;
  /** Whether kernels may use the device's own 16-bit floats; without, these are packed two to a word. */
  readonly shaderF16: boolean;
  readonly features: readonly string[]; // that kernels use
  readonly maxStorageBuffers: number;
  readonly maxBindingBytes: number;
  readonly offsetAlignment: number; // bytes
  readonly maxWorkgroupsPerDimension: number;
}
export interface PlanKernel {
  readonly id: string; // hash of the text
  readonly name: string;
  readonly wgsl: string; // entry point `main`
  /** In binding order (group 0, binding i). The uniform buffer, if used, is the last. */
  readonly bindings: readonly BindingKind[];
}
export type BindingKind = "read" | "readWrite" | TextureKind | "uniform";
export type BufferUse =
  | "persistent" // parameters, gradients, optimiser state: keeps its content between legs
  | "input" // written by the host before a leg (batch fields)
  | "output" // read back by the host
  | "slot" // activations: content means nothing outside a leg
  | "constant" // filled once from `data`
  | "uniform";
export interface PlanBuffer {
  readonly id: number; // index in Plan.buffers
  readonly name: string;
  readonly bytes: number; // multiple of 16
  readonly use: BufferUse;
  readonly data?: string; // base64, little endian, of a constant
}
export interface PlanBinding {
  readonly buffer: number;
  readonly offset: number; // bytes, aligned
  readonly bytes: number;
  readonly rowBytes?: number; // of a row of the matrix, where a kernel reads it in stripes
}
export type PlanOp =
  | {
      readonly kind: "dispatch";
      readonly kernel: number; // index in Plan.kernels
      readonly bindings: readonly PlanBinding[]; // without the uniform buffer
      readonly grid: readonly [number, number, number];
      readonly what: string; // `conv 3x3 32->64 + bias`: for profiles
      readonly template: "contract" | "attend" | "reduce" | "map" | "index";
      readonly flops: number;
      readonly bytesMoved: number;
      readonly origins: readonly string[]; // `std/nn.ada:31:13`
    }
  | { readonly kind: "copy"; readonly from: PlanBinding; readonly to: PlanBinding }
  /** Fills with zero bytes. */
  | { readonly kind: "clear"; readonly target: PlanBinding }
  | PlanRepeat;
/** Operations that run `count` times. Before each run its items go to the uniform buffer; after it, what is kept of it to where all are. */
export interface PlanRepeat {
  readonly kind: "repeat";
  readonly count: number;
  readonly what: string;
  readonly items: readonly PlanItems[];
  readonly ops: readonly PlanOp[];
  readonly every: readonly { readonly from: PlanBinding; readonly to: PlanBinding }[]; // `to` has room for all runs
}
/** Host numbers of the runs: `words` for each run in turn, which its kernels see as the uniforms from `uniform` on. */
export interface PlanItems {
  readonly from: PlanBinding;
  readonly uniform: number; // index in Plan.uniforms
  readonly words: number;
}
export interface PlanLeg {
  readonly name: string;
  readonly ops: readonly PlanOp[];
  /** Named tensors that the host may read after the leg, and where they then are. */
  readonly outputs: readonly {
    readonly name: string;
    readonly at: PlanBinding;
    readonly dtype: "f32" | "f16" | "i32" | "u32" | "bool";
    readonly shape: readonly number[];
  }[];
  /** Named tensors that the host must have written before the leg. */
  readonly inputs: readonly {
    readonly name: string;
    readonly at: PlanBinding;
    readonly dtype: "f32" | "f16" | "i32" | "u32" | "bool";
    readonly shape: readonly number[];
  }[];
  readonly figures: LegFigures;
}
export interface LegFigures {
  readonly peakBytes: number; // slots used by this leg
  readonly liveBytes: number; // lower bound: the largest sum of values alive at once
  readonly flops: number;
  readonly bytesMoved: number;
}

/** A named tensor that outlives legs: a parameter, module state, optimiser state. Checkpoints hold exactly these. */
export interface StoredTensor {
  readonly key: string; // checkpoint name, e.g. `encoder.layer.0.1.conv1.weight`, `optimizer.m/encoder.fc.weight`
  readonly role: "param" | "state" | "optimizer";
  readonly shape: readonly number[];
  /** The axes as they lie on the device, outermost first; absent: as in `shape`. */
  readonly order?: readonly number[];
  readonly dtype: "f32" | "f16"; // as it lies on the device
  readonly at: PlanBinding;
}

export interface TrainPlan {
  readonly kind: "train";
  readonly name: string;
  readonly sourceHash: string; // of all source files and overrides
  readonly settings: {
    readonly batch: number;
    readonly microSteps: number;
    readonly accumulate: number;
    readonly saveEvery: number | null; // updates
    readonly logEvery: number; // updates
    readonly seed: number;
  };
  readonly mix: PlanMix;
  readonly steps: readonly {
    readonly name: string;
    readonly dataset: { readonly binder: string; readonly setting: string };
    readonly choices: readonly HostExpr[];
    /** `first` clears the gradients before it adds to them, `next` adds only. Legs are names in Plan.legs. Inputs of a leg are named `<binder>.<field>`. */
    readonly alternatives: readonly {
      /** One value per choice; null where the choice makes no difference. */
      readonly key: readonly (number | string | boolean | null)[];
      readonly first: string;
      readonly next: string;
      readonly minimises: boolean;
      /** Legs that run first, each for one value that the host waits for. */
      readonly reads?: readonly { readonly name: string; readonly leg: string; readonly type: "bool" | "real" | "int" }[];
      /** The reason of the `require` that ends this path. */
      readonly ended?: string;
      readonly tables?: readonly PlanTableUse[];
      /** Texts that are logged: how often each occurs. */
      readonly notes?: Readonly<Record<string, HostExpr>>;
    }[];
  }[];
  readonly initLeg: string; // fills parameters, module state, optimiser state
  readonly updateLeg: string; // gradient transforms and the optimiser; outputs `log.<name>`
  readonly stored: readonly StoredTensor[];
  readonly datasets: readonly { readonly setting: string; readonly spec: PlanDataset }[];
  readonly models: readonly PlanModel[];
  readonly unreached: readonly string[];
  /** Texts that become inputs of legs, by the name of the input without what follows its dot. */
  readonly prompts?: readonly PlanPrompt[];
  readonly tables?: readonly PlanTable[];
  /** A leg whose outputs are pictures, to be written after every so many updates. */
  readonly preview?: { readonly every: number; readonly leg: string };
  /** The leg that fills copies of models, after everything is loaded and before the first step. */
  readonly copyLeg?: string;
}

/** A model of a program, and where its values come from. */
export interface PlanModel {
  readonly name: string;
  readonly module: string;
  readonly mode: "frozen" | "trained";
  readonly from: string | null;
  readonly keys?: readonly PlanFileKey[];
  readonly surgery?: PlanSurgery;
}

/** Which parameters a `surgery` makes of the file's tensors. What makes them is compiled when the file's shapes are known. */
export interface PlanSurgery {
  readonly name: string;
  readonly params: readonly {
    readonly key: string; // in `stored`
    readonly path: string; // as the program writes it
    readonly axes: readonly string[];
    readonly rule: number; // of the surgery's rules
  }[];
}

/** Where a parameter of a model lies in the file that the model begins from. */
export interface PlanFileKey {
  readonly key: string; // in `stored`
  readonly file: string | null; // null: not in the file, keeps its initial value
  readonly shape: readonly number[]; // in the file: the parameter's, but for axes of size 1
}

/** A prompt, or several of one shape: which texts, which positions are left to the program. */
export interface PlanPrompt {
  readonly name: string;
  readonly length: number; // tokens
  readonly shape: readonly number[];
  readonly elements: readonly (readonly PromptPiece[])[]; // row-major
  readonly slots: readonly { readonly name: string; readonly count: number; readonly words: boolean }[];
}
export type PromptPiece =
  | { readonly kind: "text"; readonly text: HostExpr }
  /** Positions whose rows the program supplies. */
  | { readonly kind: "slot"; readonly name: string; readonly count: number }
  /** Words, then fillers up to a fixed number beyond the words' first token. */
  | { readonly kind: "words"; readonly name: string; readonly text: HostExpr; readonly fillers: number };

/** Records kept by host key: fixed shapes on the device, an index and what the host knows on the host. Both are in the checkpoint. */
export interface PlanTable {
  readonly name: string;
  readonly atMost: number;
  readonly fields: readonly (
    | { readonly kind: "device"; readonly name: string; readonly optional: boolean; readonly stored: string } // key in `stored`
    | { readonly kind: "host"; readonly name: string; readonly optional: boolean; readonly type: "bool" | "int" | "real" | "text" }
  )[];
}
/** What a path does to a table: `take` happens when the step begins, `put` when it ends. */
export type PlanTableUse =
  | { readonly kind: "take"; readonly table: string; readonly key: HostExpr }
  | {
      readonly kind: "put";
      readonly table: string;
      readonly key: HostExpr;
      readonly host: Readonly<Record<string, HostExpr>>;
      readonly present: readonly string[]; // fields that are there
    };
export type PlanMix =
  | { readonly kind: "every"; readonly count: number; readonly mix: PlanMix; readonly otherwise: PlanMix } // counts updates
  | { readonly kind: "of"; readonly choices: readonly { readonly weight: HostExpr; readonly step: string }[] };

export interface EvaluatePlan {
  readonly kind: "evaluate";
  readonly name: string;
  readonly sourceHash: string;
  readonly batch: number;
  readonly seed: number;
  readonly leg: string; // outputs `collect.<name>`, one row per sample
  readonly stored: readonly StoredTensor[]; // to be filled from checkpoints
  readonly initLeg: string;
  readonly dataset: { readonly setting: string; readonly spec: PlanDataset } | null;
  readonly models: readonly PlanModel[];
  readonly measures: readonly { readonly name: string; readonly metric: string; readonly args: readonly PlanMeasureArg[] }[];
  readonly report: string | null;
  /** Texts that become inputs of the leg, as in a train plan. */
  readonly prompts?: readonly PlanPrompt[];
}
export type PlanMeasureArg =
  | { readonly kind: "collected"; readonly name: string }
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "number"; readonly value: number };

/**
 * An evaluation that goes through folders, files and lines: what is done when is said by the program's text. Each leg is named by its key,
 * its inputs and outputs `in0`, `in1`, … and `out0`, …; a leg for other shapes is a plan of its own over the same parameters.
 */
export interface WalkPlan {
  readonly kind: "walk";
  readonly name: string;
  readonly sourceHash: string;
  readonly seed: number;
  readonly stored: readonly StoredTensor[]; // to be filled from checkpoints
  readonly initLeg: string;
  readonly models: readonly PlanModel[];
  /** Those of the stand-ins: whether there are any. */
  readonly prompts?: readonly PlanPrompt[];
  /** What the legs make, by their names. */
  readonly legs: Readonly<Record<string, string>>;
}

/** What a surgery does to one file: a leg for each parameter, named by its key, from the input `old` to the output `new`. */
export interface SurgeryPlan {
  readonly kind: "surgery";
  readonly name: string;
}

/** A bare graph: leg `main` from inputs to outputs. For tests, conformance and benchmarks. */
export interface FunctionPlan {
  readonly kind: "function";
  readonly name: string;
}

/** Plans that measure a device: arithmetic as often as the uniform says, and copying. */
export interface PeakPlans {
  readonly arithmetic: Plan;
  readonly copy: Plan;
}

/** Where pictures of a data set lie. */
export interface PlanSource {
  readonly root: string;
  readonly perSubject: boolean;
  readonly files: string;
  readonly skip: string | null;
  readonly first: number | null;
  readonly onBroken: "skip" | "fatal";
  /** One subject for all pictures of this source. */
  readonly subject?: string;
}

/** A data set as plain data. */
export interface PlanDataset {
  readonly name: string;
  readonly source: PlanSource;
  /** Further sources; `source` in a field is the number of the source that an item comes from. */
  readonly more?: readonly PlanSource[];
  readonly order: PlanOrder;
  readonly fields: readonly PlanField[];
}
/** Which item a place of the data set shows: a pure function of the seed and the place's number. */
export type PlanOrder =
  | "shuffled" // all items once per round, in a random order
  | "sequential"
  | "weighted" // each place is drawn by itself, all pictures equally likely
  /** Each place draws a subject or a source, by weights or all alike, then one of its pictures. */
  | { readonly kind: "drawn"; readonly of: "subject" | "source"; readonly weights: readonly number[] | null }
  /** `run` places of one source, then as many of the next; each source is shuffled by itself. */
  | { readonly kind: "alternate"; readonly run: number };

/** `image` and `mask` are the item's own file and its mask; an expression is a path. */
export type PlanPictureFile = "image" | "mask" | "white" | "black" | HostExpr;
/** What happens to a picture's bytes on the way to a field, in order. Expressions are drawn per place of the data set. */
export type PictureStep =
  | { readonly kind: "alpha" } // how opaque it is, as a grey picture
  | { readonly kind: "resize"; readonly height: number; readonly width: number; readonly rule: "smooth" | "nearest" }
  /** Cut out; `at` says where between the first and the last place, 0..1 for both axes; null is the middle. */
  | { readonly kind: "crop"; readonly height: number; readonly width: number; readonly at: readonly [HostExpr, HostExpr] | null }
  | { readonly kind: "flip"; readonly when: HostExpr }
  /** Shrunk about its centre by `scale` on black, then moved by a part of the free border; `margin` rows and columns stay free. */
  | { readonly kind: "place"; readonly scale: HostExpr; readonly move: readonly [HostExpr, HostExpr]; readonly margin: number }
  /** The face at standard landmarks; it needs a detector, or a picture kept by `cached`. */
  | { readonly kind: "align"; readonly side: number; readonly largest: string }
  /** Kept on disk beside the picture, as it is here. */
  | { readonly kind: "cached"; readonly name: string };

export type PlanField =
  | {
      readonly name: string;
      readonly kind: "image";
      readonly channels: 1 | 3;
      readonly height: number;
      readonly width: number;
      /** What the bytes 0 and 255 become; with `is`, 1 where a byte is that one and 0 elsewhere. */
      readonly range: readonly [number, number];
      readonly is?: number;
      readonly file: PlanPictureFile;
      /** What stands in where there is no such file. */
      readonly or?: "white" | "black";
      readonly steps?: readonly PictureStep[];
    }
  | { readonly name: string; readonly kind: "subjectIndex" }
  | { readonly name: string; readonly kind: "subjectName" }
  /** One value per item, known on the host. */
  | { readonly name: string; readonly kind: "made"; readonly type: "f32" | "i32" | "bool" | "text"; readonly value: HostExpr };
