import type { Builder } from "../builder.ts";
import type { DType, OpAttrs, OpName, Value } from "../value.ts";

// What the op table says about a primitive. In: typed arguments and attributes. Out: the result's type, derivative, meaning and kernel class.
// Invariant: a row is complete, so a primitive is one line in `value.ts` and one row here, and nothing else in the compiler names it by accident.

export type OpClass = "leaf" | "map" | "reduce" | "movement" | "index" | "contract" | "call" | "marker";

/** The template that lowers a primitive; a view is only an index map, a leaf is data that is there already or is computed per element. */
export type Kernel = "leaf" | "view" | "map" | "reduce" | "index" | "contract" | "attend" | "loop";

export interface Inferred {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly labels: readonly string[];
}

/** A dense row-major array; every dtype is held as exact f64 numbers (bool as 0 and 1). */
export interface NdArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type Philox = (
  key0: number,
  key1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
) => readonly [number, number, number, number];

/** What a reference meaning may read besides its arguments. */
export interface ReferenceContext {
  readonly input: (name: string) => NdArray;
  readonly philox: Philox;
}

export type ValueWith<K extends OpName> = Extract<Value, { readonly op: K }>;

/** One cotangent per argument; `null` says that nothing flows to it, "body" that the body of a call is to be differentiated. */
export type GradRule<K extends OpName> = (b: Builder, v: ValueWith<K>, g: Value) => readonly (Value | null)[] | "body";

/** The meaning of a call: the same value in other primitives. */
export interface CallBody<K extends OpName> {
  readonly body: (b: Builder, args: readonly Value[], attrs: OpAttrs[K]) => Value;
}
export type ReferenceRule<K extends OpName> = (
  args: readonly NdArray[],
  attrs: OpAttrs[K],
  context: ReferenceContext,
  result: Inferred,
) => NdArray;

export interface NoGrad {
  readonly none: string;
}

export interface OpRow<K extends OpName> {
  readonly class: OpClass;
  readonly arity: number | "any";
  readonly infer: (args: readonly Value[], attrs: OpAttrs[K]) => Inferred;
  readonly grad: GradRule<K> | NoGrad;
  readonly ref: ReferenceRule<K> | CallBody<K>;
  readonly kernel: Kernel;
}

/** A wrong use of a primitive is a fault of the compiler: the checker has typed the program before. */
export function misuse(op: OpName, message: string): never {
  throw new Error(`internal: op '${op}': ${message}`);
}

export function describe(v: { readonly dtype: DType; readonly shape: readonly number[] }): string {
  return `${v.dtype}[${v.shape.join(", ")}]`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  let n = 1;
  for (const size of shape) n *= size;
  return n;
}

export function requireDType(op: OpName, v: Value, allowed: readonly DType[]): void {
  if (!allowed.includes(v.dtype)) misuse(op, `${describe(v)} given, ${allowed.join(" or ")} wanted`);
}

export function requireShape(op: OpName, shape: readonly number[]): void {
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 1) misuse(op, `axis size ${size} in [${shape.join(", ")}], a positive whole number wanted`);
  }
}

export function requireAxis(op: OpName, axis: number, rank: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= rank) misuse(op, `axis ${axis} of a value of rank ${rank}`);
}

/** Per axis the first label that is known. */
export function mergeLabels(values: readonly Value[]): readonly string[] {
  const first = values[0]!;
  if (values.length === 1 || first.labels.every((label) => label !== "")) return first.labels;
  return first.labels.map((label, axis) => label || (values.find((v) => v.labels[axis])?.labels[axis] ?? ""));
}
