import { Builder } from "../../compiler/ir/builder.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import type { Inputs } from "../properties/agreement.ts";

// Graphs with tensors larger than a lowered limit, one for each class of kernels.

const inputs = (b: Builder, shapes: Readonly<Record<string, readonly number[]>>): Value[] =>
  Object.entries(shapes).map(([name, shape]) => b.input(name, shape, { dtype: name === "index" ? "i32" : "f32" }));
function numbersFor(shapes: Readonly<Record<string, readonly number[]>>): Inputs {
  const of = ([name, shape]: [string, readonly number[]]) => {
    const data = Float64Array.from({ length: shape.reduce((a, c) => a * c, 1) }, (_, i) => ((i * 37) % 128) / 64 - 1);
    return [name, { dtype: name === "index" ? "i32" : "f32", shape, data: name === "index" ? data.map((x) => Math.round(x * 90)) : data }];
  };
  return Object.fromEntries(Object.entries(shapes).map(of));
}

/** A graph with a tensor of more than `limit` bytes. */
export interface LargeCase {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly make: (b: Builder, ...args: Value[]) => Value;
  /** Dispatches with all in one binding, and in windows. */
  readonly dispatches: readonly [number, number];
}
export const limit = 4096;
export const largeCases: Readonly<Record<string, LargeCase>> = {
  "a map": { shapes: { x: [40, 60] }, make: (b, x) => b.exp(x!), dispatches: [1, 3] },
  "a sum over what is cut": { shapes: { x: [40, 60] }, make: (b, x) => b.sum(x!, [0]), dispatches: [1, 3] },
  "a sum beside what is cut": { shapes: { x: [40, 60] }, make: (b, x) => b.sum(x!, [1]), dispatches: [1, 4] },
  "a product of two": {
    shapes: { x: [24, 48], y: [48, 40] },
    make: (b, x, y) => b.matmul(x!, y!),
    dispatches: [1, 5],
  },
  "a convolution, with its neighbouring rows": {
    shapes: { x: [1, 8, 16, 16], w: [8, 8, 3, 3] },
    make: (b, x, w) => {
      const twice = b.conv(b.conv(x!, w!, { padLow: [1, 1], padHigh: [1, 1] }), w!, { padLow: [1, 1], padHigh: [1, 1] });
      return b.sum(twice, [2, 3]);
    },
    dispatches: [5, 16],
  },
  "a gather from a table": { shapes: { x: [100, 16], index: [50] }, make: (b, x, index) => b.gather(x!, index!), dispatches: [1, 1] },
  "a scatter into a table": {
    shapes: { index: [50], x: [50, 16] },
    make: (b, index, x) => b.scatterAdd(index!, x!, { axis: 0, size: 100 }),
    dispatches: [1, 3],
  },
};

/** The graph and numbers for its inputs. */
export function largeCase({ shapes, make }: LargeCase): { readonly graph: Graph; readonly inputs: Inputs } {
  const b = new Builder();
  return { graph: { name: "g", results: [{ name: "y", value: make(b, ...inputs(b, shapes)) }] }, inputs: numbersFor(shapes) };
}
