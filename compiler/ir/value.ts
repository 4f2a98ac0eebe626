import type { Span } from "../../dsl/span.ts";

// Tensor IR: pure, SSA, interned. A `Value` is one primitive applied to values; the same content is the same object (per `Builder`), so
// equality is `===` and caches are Maps. Shapes are concrete. Axis names are kept as labels for people; they carry no meaning here.

/** `f16` is how numbers are stored, not computed with: it is made and read by `cast`, and only moved in between. */
export type DType = "f32" | "f16" | "i32" | "u32" | "bool";
export type ValueId = number & { readonly _: "ValueId" };

/** Where a value came from: the source text and, outermost first, the calls that led there. */
export interface Origin {
  readonly span: Span;
  readonly chain?: readonly string[];
}

/** What an input leaf is filled with: a batch field, a parameter, declared state, a host number of the step, or a gradient from outside. */
export type InputRole = "data" | "param" | "state" | "uniform" | "grad";

type NoAttrs = Readonly<Record<never, never>>;

/** The attributes of every primitive. Adding a primitive is one line here and one row in the op table. */
export interface OpAttrs {
  // leaves
  input: { readonly name: string; readonly role: InputRole; readonly dtype: DType; readonly shape: readonly number[] };
  const: { readonly value: number; readonly dtype: DType }; // a scalar; tensors of it are broadcasts
  table: { readonly data: readonly number[]; readonly dtype: DType; readonly shape: readonly number[] }; // small constant tensors
  iota: { readonly size: number }; // i32[size]: 0, 1, …
  /**
   * Philox4x32-10 bits, u32[shape]; element e has counter (e, microStep, word >> 2, 0), word & 3 picks the word. Arguments: the micro-step, u32[],
   * and in the body of a loop, where each run has a stream of its own, u32[] that is exclusive-or-ed to key1.
   */
  random: { readonly key0: number; readonly key1: number; readonly word: number; readonly shape: readonly number[] };
  // elementwise, one argument
  neg: NoAttrs;
  abs: NoAttrs;
  exp: NoAttrs;
  log: NoAttrs;
  sin: NoAttrs;
  cos: NoAttrs;
  tanh: NoAttrs;
  sqrt: NoAttrs;
  rsqrt: NoAttrs;
  erf: NoAttrs;
  floor: NoAttrs;
  round: NoAttrs; // half to even
  not: NoAttrs;
  cast: { readonly to: DType };
  // elementwise, two arguments of one shape and dtype
  add: NoAttrs;
  sub: NoAttrs;
  mul: NoAttrs;
  div: NoAttrs; // f32
  idiv: NoAttrs; // i32: floor division
  imod: NoAttrs; // i32: remainder with the divisor's sign
  max: NoAttrs;
  min: NoAttrs;
  pow: NoAttrs;
  lt: NoAttrs;
  eq: NoAttrs;
  and: NoAttrs;
  or: NoAttrs;
  xor: NoAttrs;
  shl: NoAttrs;
  shr: NoAttrs;
  where: NoAttrs; // (bool, a, b)
  // reductions: the axes vanish
  sum: { readonly axes: readonly number[] };
  reduceMax: { readonly axes: readonly number[] };
  argmax: { readonly axis: number }; // i32; the first of equals
  // movement
  reshape: { readonly shape: readonly number[] };
  permute: { readonly order: readonly number[] }; // result axis i is argument axis order[i]
  broadcast: { readonly shape: readonly number[]; readonly axes: readonly number[] }; // argument axis i becomes result axis axes[i]
  slice: { readonly start: readonly number[]; readonly size: readonly number[]; readonly step: readonly number[] }; // step may be negative
  pad: { readonly low: readonly number[]; readonly high: readonly number[]; readonly interior: readonly number[]; readonly value: number };
  concat: { readonly axis: number };
  // indexing. x is [batch…, before…, n, after…] with `axis` the place of n and the first `batch` axes shared with index [batch…, i…].
  /** -> [batch…, before…, i…, after…]; positions are clamped into 0..n. */
  gather: { readonly axis: number; readonly batch: number };
  /** (index, updates [batch…, before…, i…, after…]) -> [batch…, before…, size, after…]; positions outside are dropped. */
  scatterAdd: { readonly axis: number; readonly batch: number; readonly size: number; readonly indexRank: number };
  // contraction
  /** Result axes: batch, free axes of a, free axes of b. */
  dot: {
    readonly batchA: readonly number[];
    readonly batchB: readonly number[];
    readonly contractA: readonly number[];
    readonly contractB: readonly number[];
  };
  /** Cross-correlation, x [n, c, h, w], kernel [o, c / groups, kh, kw] -> [n, o, oh, ow]; pads may be negative. */
  conv: {
    readonly stride: readonly [number, number];
    readonly padLow: readonly [number, number];
    readonly padHigh: readonly [number, number];
    readonly dilation: readonly [number, number];
    readonly inputDilation: readonly [number, number];
    readonly groups: number;
  };
  // calls: a body in primitives is the meaning, a template the speed. Scores are scale * q k^T + mask; sums and gradients are parts of one kernel.
  /** q [b…, query, d], k [b…, key, d], v [b…, key, e] and perhaps mask [b…, query, key] -> [b…, query, e], or the scores' log-sum-exp [b…, query]. */
  attend: { readonly part: "out" | "sums"; readonly scale: number };
  /** (q, k, v, sums, delta [b…, query], cotangent of out, perhaps mask) -> the cotangent of q, k or v; delta is Σ out · cotangent. */
  attendGrad: { readonly part: "q" | "k" | "v"; readonly scale: number };
  /**
   * `count` runs of a body. Arguments: the carried values, items (one element per run), and what all runs share; the body's inputs `carry<k>`,
   * `item<k>` (a scalar host number of the run) and `shared<k>`. Its results `carry<k>` are the next carried values, `every<k>` is kept from
   * each run. The parts are the carried values after the last run, then what was kept, stacked along a first axis.
   */
  loop: { readonly body: Graph; readonly count: number; readonly carried: number; readonly items: number; readonly part: number };
  // markers: identities that passes read
  stop: NoAttrs;
  gradScale: { readonly scale: number };
  save: { readonly name: string };
  tap: { readonly name: string };
  /** The value, for what is computed a second time: what is computed of it is not the same as what was computed before. */
  again: NoAttrs;
}
export type OpName = keyof OpAttrs;

interface ValueOf<K extends OpName> {
  readonly id: ValueId;
  readonly op: K;
  readonly attrs: OpAttrs[K];
  readonly args: readonly Value[];
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly labels: readonly string[]; // one per axis, "" where unknown
  readonly origins: readonly Origin[];
}
export type Value = { [K in OpName]: ValueOf<K> }[OpName];

/** A graph: named results over input leaves. Effects are results with a meaning that the program around the graph gives them. */
export interface Graph {
  readonly name: string;
  readonly results: readonly GraphResult[];
}
export interface GraphResult {
  readonly name: string;
  readonly value: Value;
}
