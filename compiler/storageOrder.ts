import type { Builder } from "./ir/builder.ts";
import { rowOf } from "./ir/ops.ts";
import type { DType, Graph, Value } from "./ir/value.ts";
import { graphValues, rebuild } from "./ir/walk.ts";

// In which order the axes of parameters lie. In: the graphs that read them. Out: for each parameter whose memory no contraction could read in
// vectors, another order: a convolution's weights lie with their outputs innermost, then forward pass and data gradient read them in place
// and the weight gradient writes them so. Parameters, gradients and moments share the order; files keep the order of the shape.

/** The axes of a tensor as they lie in memory, outermost first. */
export type AxisOrder = readonly number[];

const outputsInnermost: AxisOrder = [2, 3, 1, 0];

/** Orders of parameters by name, where they differ from the order of the shape. */
export function parameterOrders(graphs: readonly Graph[]): Map<string, AxisOrder> {
  const orders = new Map<string, AxisOrder>();
  for (const graph of graphs) {
    for (const v of graphValues(graph)) {
      if (v.op !== "conv") continue;
      const weight = through(v.args[1]!);
      if (weight.op !== "input" || weight.attrs.role !== "param" || weight.shape.length !== 4) continue;
      const [outputs, , height, width] = weight.shape as [number, number, number, number];
      // With one position the outputs lie along the contraction, which is read as it is.
      if (outputs % 4 === 0 && height * width > 1) orders.set(weight.attrs.name, outputsInnermost);
    }
  }
  return orders;
}
function through(v: Value): Value {
  const { class: kind } = rowOf(v.op);
  return kind === "marker" || v.op === "cast" || v.op === "slice" || v.op === "permute" ? through(v.args[0]!) : v;
}

/** The graph reading its parameters as they lie. */
export function readAsStored(graph: Graph, b: Builder, orders: ReadonlyMap<string, AxisOrder>): Graph {
  if (orders.size === 0) return graph;
  return rebuild(graph, b, (v) => {
    if (v.op !== "input" || v.attrs.role !== "param" || !orders.has(v.attrs.name)) return null;
    return storedInput(
      b,
      v.attrs.name,
      { role: "param", dtype: v.attrs.dtype, shape: v.shape, labels: v.labels },
      orders.get(v.attrs.name),
    );
  });
}

/** A leaf as it is written, read as it lies. */
export function storedInput(
  b: Builder,
  name: string,
  leaf: { readonly role: "param" | "state"; readonly dtype?: DType; readonly shape: readonly number[]; readonly labels: readonly string[] },
  order: AxisOrder | undefined,
): Value {
  const { role, dtype = "f32", shape, labels } = leaf;
  if (!order) return b.input(name, shape, { role, dtype, labels });
  const stored = b.input(
    name,
    order.map((axis) => shape[axis]!),
    { role, dtype, labels: order.map((axis) => labels[axis]!) },
  );
  return b.permute(
    stored,
    order.map((_, axis) => order.indexOf(axis)),
  );
}

/** A parameter's value as it is to lie. */
export function asStored(b: Builder, value: Value, order: AxisOrder | undefined): Value {
  return order ? b.permute(value, order) : value;
}
