import type { OpName } from "../ir/value.ts";

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
   * costs 30 to 130 cycles and a vector operation 1 to 5, so a handful of operations is cheaper than a store and a load.
   */
  cloneOperations: 6,
  /** ... and the number of tensors it may read. */
  cloneReads: 2,
  /** Weight of a transcendental function in operations (exp 15, tanh 37 against 1 for a multiplication on lavapipe; less elsewhere). */
  heavyOperation: 8,
  /** A value repeated at least so often by a broadcast is stored first if it takes more than one load or a heavy operation. */
  broadcastFactor: 8,
  /** A reduction over at least so many elements … */
  longReduction: 2048,
  /** … to fewer results than this is split in two passes. */
  enoughRows: 1024,
  /** Rows below which a row-wise chain (softmax, normalisation) is not fused into one kernel unless rows are short: too few invocations. */
  fewRows: 64,
  shortRow: 1024,
} as const;
