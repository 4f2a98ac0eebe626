// What is measured: each workload as a graph for the compiler, as numbers computed here at single places and in double precision, which all
// sides must agree with, and where there are such as kernels written by hand.
import { Builder } from "../../compiler/ir/builder.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import type { HandKernel, OperandStorage } from "../handwritten/kernel.ts";
import type { ConvShape } from "../handwritten/products.ts";
import type { RowShape } from "../handwritten/rows.ts";

export interface WorkloadInput {
  readonly name: string;
  readonly shape: readonly number[];
  /** The number at a place, exact in single precision. */
  readonly at: (place: number) => number;
}
export interface AttentionShape {
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number; // of a head
}
export interface GroupNormShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly groups: number;
}
/** A layer of a text encoder. */
export interface LayerShape {
  readonly tokens: number;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
}
/** What a workload computes, for libraries that have an operation for it. */
export type Task =
  | { readonly kind: "matmul"; readonly m: number; readonly k: number; readonly n: number }
  | { readonly kind: "conv" | "convDataGradient" | "convWeightGradient"; readonly shape: ConvShape }
  | { readonly kind: "attention"; readonly shape: AttentionShape }
  | { readonly kind: "layerNorm" | "softmax"; readonly shape: RowShape }
  | { readonly kind: "groupNormSilu"; readonly shape: GroupNormShape }
  | { readonly kind: "chain" | "costlyChain"; readonly length: number }
  | { readonly kind: "clipLayer" | "clipTraining"; readonly shape: LayerShape };

export interface Workload {
  readonly name: string;
  readonly task: Task;
  readonly flops: number;
  readonly inputs: readonly WorkloadInput[];
  readonly shape: readonly number[]; // of the result
  /** The result at one place. */
  readonly expected: (place: number) => number;
  readonly tolerance: number; // absolute
  readonly graph: Graph;
  readonly byHand?: {
    /** Kernels in the best known style; the fastest of them counts. */
    readonly kernels: (lanes: number, storages: readonly OperandStorage[]) => HandKernel[];
    /** The plain kernel for the first `share` of the result. */
    readonly naive: (share: number) => HandKernel;
  };
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** An input's numbers. */
export function numbersOf({ shape, at }: WorkloadInput): Float32Array<ArrayBuffer> {
  const values = new Float32Array(sizeOf(shape));
  for (let i = 0; i < values.length; i++) values[i] = at(i);
  return values;
}

/** The first place where a result is not what it should be, as text. */
export function disagreement(workload: Workload, places: readonly number[], seen: readonly number[]): string | null {
  for (const [i, place] of places.entries()) {
    const expected = workload.expected(place);
    if (!(Math.abs(seen[i]! - expected) <= workload.tolerance)) return `wrong at ${place}: ${seen[i]}, not ${expected}`;
  }
  return null;
}

/** Single precision rounds each of `terms` summands; this allows for their random walk with room to spare. */
export const sumTolerance = (terms: number): number => 3e-6 * Math.sqrt(terms) + 1e-7 * terms;

export function graphOf(name: string, inputs: readonly WorkloadInput[], result: (b: Builder, values: Value[]) => Value): Graph {
  const b = new Builder();
  const values = inputs.map((input) => b.input(input.name, input.shape));
  return { name, results: [{ name: "result", value: result(b, values) }] };
}
