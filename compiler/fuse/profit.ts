import type { OpName } from "../ir/value.ts";
import type { AdapterClass } from "../plan/plan.ts";

// What is worth fusing: named weights, in one place, with the measurement behind each. Legality is elsewhere (`legal.ts`).

/** Primitives that cost several plain operations on every adapter measured. */
export const heavyOps: ReadonlySet<OpName> = new Set([
  "exp",
  "log",
  "sin",
  "cos",
  "tanh",
  "erf",
  "pow",
  "sqrt",
  "rsqrt",
  "div",
  "random",
  "idiv",
  "imod",
]);

export const profit = {
  /**
   * Arithmetic up to which a value is computed again in each kernel that needs it rather than stored. On the software adapters one load
   * costs 30 to 130 cycles and a vector operation 1 to 5, so a sigmoid is cheaper than a store and a load. Against 6: 6 % fewer bytes moved
   * and 6 % less memory in the gradient of an SD-1.5 UNet, the same number of kernels.
   */
  cloneOperations: 24,
  /** ... and the number of tensors it may read. */
  cloneReads: 2,
  /** Weight of a transcendental function in operations (exp 15, tanh 37 against 1 for a multiplication on lavapipe; less elsewhere). */
  heavyOperation: 8,
  /** A value repeated at least so often by a broadcast is stored first if it takes more than one load or a heavy operation. */
  broadcastFactor: 8,
  /** Arithmetic up to which a mask that reads nothing is computed where the scores are (a load of four costs 50 to 250 cycles). */
  maskOperations: 24,
  /** A reduction over at least so many elements is split in two passes if it has too few results to keep the adapter busy. */
  longReduction: 2048,
  /** Reductions over one space with at least so many times fewer results share a kernel even if they read nothing in common. */
  fewResults: 256,
  /** A reduction starts from another one of the same tensor if that has at least so many times fewer elements than the tensor. */
  shareReduction: 16,
  /** Elements of a row up to which a row-wise chain (softmax, normalisation) is one kernel however few rows there are. */
  shortRow: 1024,
} as const;

/** What depends on how much an adapter does at once. */
export interface Parallelism {
  /** Results of a long reduction from which on it takes one pass. */
  readonly enoughRows: number;
  /** Rows from which on a row-wise chain is one kernel. */
  readonly fewRows: number;
}
/** On CPU adapters a row is work for one core, of which there are a handful; a GPU wants thousands of invocations. */
export const parallelism: Readonly<Record<AdapterClass, Parallelism>> = {
  "cpu-subgroups": { enoughRows: 32, fewRows: 16 },
  cpu: { enoughRows: 32, fewRows: 16 },
  gpu: { enoughRows: 1024, fewRows: 64 },
};
