import { describe, expect, test } from "vitest";
import type { OnnxAttribute, OnnxConstant, OnnxModel, OnnxNode } from "../plan/onnxModel.ts";
import { evaluate } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { importOnnx } from "./importGraph.ts";

const node = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, OnnxAttribute>> = {},
): OnnxNode => ({
  name: "",
  op,
  domain: "",
  inputs,
  outputs: [output],
  attributes: new Map(Object.entries(attributes)),
});
const constant = (shape: readonly number[], data: readonly number[], type: OnnxConstant["type"] = "float"): OnnxConstant => ({
  type,
  shape,
  data: Float64Array.from(data),
});
const model = (nodes: readonly OnnxNode[], constants: Readonly<Record<string, OnnxConstant>> = {}): OnnxModel => ({
  opset: 13,
  nodes,
  inputs: [{ name: "x", type: "float", dims: null }],
  outputs: [nodes.at(-1)!.outputs[0]!],
  constants: new Map(Object.entries(constants)),
});
function run(
  given: OnnxModel,
  shape: readonly number[],
  data: readonly number[],
  weights: Readonly<Record<string, readonly number[]>> = {},
) {
  const imported = importOnnx(given, { x: shape });
  if (!imported.ok) throw new Error(imported.message);
  const inputs = { x: array(shape, data) };
  const params = Object.fromEntries(
    Object.entries(weights).map(([name, values]) => [name, array(given.constants.get(name)!.shape, values)]),
  );
  const made = evaluate(imported.value.graph, { ...inputs, ...params });
  const [name] = given.outputs;
  const found = made[name!]!;
  return { shape: found.shape, data: [...found.data] };
}

describe("a model of ONNX as a graph", () => {
  test("shape arithmetic is done when importing", () => {
    const flat = model(
      [
        node("Shape", ["x"], "s"),
        node("Gather", ["s", "zero"], "n"),
        node("Unsqueeze", ["n", "axes"], "first"),
        node("Concat", ["first", "rest"], "shape", { axis: 0 }),
        node("Reshape", ["x", "shape"], "y"),
      ],
      { zero: constant([], [0], "int64"), axes: constant([1], [0], "int64"), rest: constant([1], [-1], "int64") },
    );
    expect(run(flat, [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8])).toEqual({ shape: [2, 4], data: [1, 2, 3, 4, 5, 6, 7, 8] });
  });
  test("large weights are inputs of the graph", () => {
    const large = model([node("MatMul", ["x", "w"], "y")], { w: { type: "float", shape: [2, 2], data: null } });
    expect(run(large, [1, 2], [1, 2], { w: [1, 2, 3, 4] }).data).toEqual([7, 10]);
  });
  test("windows that would begin behind the end are none, and only what is there counts", () => {
    const pool = model([node("AveragePool", ["x"], "y", { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 })]);
    expect(run(pool, [1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual({ shape: [1, 1, 2, 2], data: [3, 4.5, 7.5, 9] });
  });
  test("whole numbers are divided towards zero, and slices may run to the end of time", () => {
    const sliced = model([node("Slice", ["x", "from", "to", "axis", "by"], "y")], {
      from: constant([1], [-1], "int64"),
      to: constant([1], [-(2 ** 62)], "int64"),
      axis: constant([1], [0], "int64"),
      by: constant([1], [-2], "int64"),
    });
    expect(run(sliced, [5], [1, 2, 3, 4, 5]).data).toEqual([5, 3, 1]);
    const divided = model([node("Div", ["a", "b"], "q"), node("Cast", ["q"], "f", { to: 1 }), node("Add", ["x", "f"], "y")], {
      a: constant([2], [-7, 7], "int64"),
      b: constant([2], [2, 2], "int64"),
    });
    expect(run(divided, [2], [0, 0]).data).toEqual([-3, 3]);
  });
  test("what is not imported is named", () => {
    expect(importOnnx(model([node("LSTM", ["x"], "y")]), { x: [1] })).toMatchObject({
      ok: false,
      message: "LSTM: the operator LSTM is not imported",
    });
    expect(importOnnx(model([node("Relu", ["nothing"], "y")]), { x: [1] })).toMatchObject({ ok: false, message: /nowhere computed/ });
    expect(importOnnx(model([node("Reshape", ["x", "x"], "y")]), { x: [1] })).toMatchObject({
      ok: false,
      message: /known only when the graph is run/,
    });
    expect(importOnnx(model([node("Relu", ["x"], "y")]), {})).toMatchObject({ ok: false, message: "the input x has no shape" });
  });
});
