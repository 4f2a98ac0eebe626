// What another library must offer to be measured beside ours. Each runs in a process of its own (`child.ts`): libraries take over globals,
// and each brings its own copy of Dawn or sets one up.
import { numbersOf, type Task, type Workload } from "../workloads/workload.ts";

/** A workload made ready in a library. */
export interface PreparedTask {
  /** Runs it once and waits for the end. */
  readonly run: () => Promise<void>;
  /** The result in our layout. */
  readonly output: () => Promise<Float32Array>;
  readonly release: () => void | Promise<void>;
}
export interface Peer {
  /** Null where the library is not asked for this. `inParts`: of smaller operations, after one for the whole gave a wrong result. */
  readonly prepare: (workload: Workload, inParts: boolean) => Promise<PreparedTask | null>;
}
export type OpenPeer = (environment: PeerEnvironment) => Promise<Peer>;
export interface PeerEnvironment {
  /** Loads a package of the benchmark's own folder. */
  readonly load: (name: string) => unknown;
  /** The place of a file of such a package. */
  readonly find: (file: string) => string;
  /** Awaits something the device does, with the main thread asleep. */
  readonly wait: <T>(promise: Promise<T>) => Promise<T>;
}

/** Packages of each peer, all of which must be installed. */
export const peerPackages = {
  "jax-js": ["@jax-js/jax"],
  tfjs: ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-webgpu"],
  "onnxruntime-web": ["onnxruntime-web"],
  "onnxruntime-node": ["onnxruntime-node"],
  "onnxruntime-cpu": ["onnxruntime-node"],
} as const satisfies Record<string, readonly string[]>;
export type PeerName = keyof typeof peerPackages;
export const peerNames = Object.keys(peerPackages) as readonly PeerName[];
/** What is no peer but a bound: it does not use the adapter, it is what someone without one would run. */
export const boundNames: readonly PeerName[] = ["onnxruntime-cpu"];

/** What the parent asks, and what the child answers. */
export type Question =
  | { readonly kind: "prepare"; readonly task: Task; readonly inParts: boolean }
  | { readonly kind: "samples"; readonly places: readonly number[] }
  | { readonly kind: "run"; readonly repeats: number }
  | { readonly kind: "release" };
export type Answer =
  | { readonly kind: "ready" }
  | { readonly kind: "prepared"; readonly able: boolean }
  | { readonly kind: "samples"; readonly values: readonly number[] }
  | { readonly kind: "ran"; readonly ms: number }
  | { readonly kind: "released" }
  | { readonly kind: "failed"; readonly message: string };

/** Moves axes: result axis i is argument axis `order[i]`. */
export function permuted(values: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array<ArrayBuffer> {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const [sizes, steps] = [order.map((axis) => shape[axis]!), order.map((axis) => strides[axis]!)];
  const result = new Float32Array(values.length);
  const index = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = values[from]!;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      from -= steps[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
export const toChannelsFirst = [0, 3, 1, 2] as const;
export const toChannelsLast = [0, 2, 3, 1] as const;
export const weightsToOutputsFirst = [3, 2, 0, 1] as const;
export const weightsToOutputsLast = [2, 3, 1, 0] as const;

/** An operand as a library wants it. */
export interface Operand {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}
/** A workload's operands and result for libraries whose pictures and weights have their channels first. */
export interface ChannelsFirst {
  readonly operands: readonly Operand[];
  readonly resultDims: readonly number[];
  readonly restored: (values: Float32Array) => Float32Array;
}
export function channelsFirst(workload: Workload): ChannelsFirst {
  const orders: Readonly<Record<string, readonly number[]>> = {
    picture: toChannelsFirst,
    gradient: toChannelsFirst,
    weights: weightsToOutputsFirst,
  };
  const operands = workload.inputs.map((input): Operand => {
    const values = numbersOf(input);
    const order = orders[input.name];
    if (order === undefined) return { name: input.name, dims: input.shape, values };
    return { name: input.name, dims: order.map((axis) => input.shape[axis]!), values: permuted(values, input.shape, order) };
  });
  const { kind } = workload.task;
  const [there, back] =
    kind === "conv" || kind === "convDataGradient"
      ? [toChannelsFirst, toChannelsLast]
      : kind === "convWeightGradient"
        ? [weightsToOutputsFirst, weightsToOutputsLast]
        : [null, null];
  if (there === null) return { operands, resultDims: workload.shape, restored: (values) => values };
  const resultDims = there.map((axis) => workload.shape[axis]!);
  return { operands, resultDims, restored: (values) => permuted(values, resultDims, back) };
}
