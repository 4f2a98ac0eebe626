import protobuf from "protobufjs";
import type { LayerShape, Workload } from "../workloads/workload.ts";
import type { Operand } from "./peer.ts";

// Workloads as ONNX models: one operand comes in with each run, the others are weights of the model.

// The part of onnx.proto that these models need.
const onnx = protobuf
  .parse(
    `syntax = "proto3";
message Attribute { string name = 1; float f = 2; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; repeated Attribute attribute = 5; string domain = 7; }
message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message Dimension { int64 dim_value = 1; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message Value { string name = 1; Type type = 2; }
message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated Value input = 11; repeated Value output = 12; }
message Opset { string domain = 1; int64 version = 2; }
message Model { int64 ir_version = 1; Graph graph = 7; repeated Opset opset_import = 8; }`,
    { keepCase: true },
  )
  .root.lookupType("Model");

interface OnnxNode {
  readonly op_type: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly domain?: string;
  readonly attribute?: readonly object[];
}
const [floatAttribute, integerAttribute, integersAttribute] = [1, 2, 7];
const [float32, int64] = [1, 7];
/** A domain of operators that are ONNX Runtime's own. */
const own = "com.microsoft";
const node = (op_type: string, input: readonly string[], output: string, attribute: readonly object[] = [], domain = ""): OnnxNode => ({
  op_type,
  input,
  output: [output],
  attribute,
  domain,
});
const pads = { name: "pads", ints: [1, 1, 1, 1], type: integersAttribute };
const lastAxis = { name: "axis", i: -1, type: integerAttribute };
const epsilon = { name: "epsilon", f: 1e-5, type: floatAttribute };
const permutation = (order: readonly number[]) => ({ name: "perm", ints: order, type: integersAttribute });

interface Weight {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}
const scalar = (name: string, value: number): Weight => ({ name, dims: [], values: Float32Array.of(value) });
const sizes = (name: string, values: readonly number[]): Weight => ({
  name,
  dims: [values.length],
  values: BigInt64Array.from(values, BigInt),
});
const filled = (name: string, length: number, value: number): Weight => ({
  name,
  dims: [length],
  values: new Float32Array(length).fill(value),
});

interface ModelBody {
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly Weight[];
}

function bodyOf({ task }: Workload, inParts: boolean): ModelBody | null {
  switch (task.kind) {
    case "matmul":
      return { nodes: [node("MatMul", ["left", "right"], "result")], constants: [] };
    case "conv":
      return { nodes: [node("Conv", ["picture", "weights"], "result", [pads])], constants: [] };
    case "convDataGradient":
      return { nodes: [node("ConvTranspose", ["gradient", "weights"], "result", [pads])], constants: [] };
    case "convWeightGradient":
    case "clipTraining":
      return null;
    case "attention": {
      if (inParts)
        return {
          nodes: [
            node("Transpose", ["k"], "turned", [permutation([0, 2, 1])]),
            node("MatMul", ["q", "turned"], "s0"),
            node("Mul", ["s0", "rate"], "s1"),
            node("Softmax", ["s1"], "s2", [lastAxis]),
            node("MatMul", ["s2", "v"], "result"),
          ],
          constants: [scalar("rate", 1 / Math.sqrt(task.shape.width))],
        };
      const heads = { name: "num_heads", i: task.shape.heads, type: integerAttribute };
      return { nodes: [node("MultiHeadAttention", ["q", "k", "v"], "result", [heads], own)], constants: [] };
    }
    case "layerNorm":
      return { nodes: [node("LayerNormalization", ["x", "scale", "shift"], "result", [lastAxis, epsilon])], constants: [] };
    case "groupNormSilu": {
      const { channels, height, width, groups } = task.shape;
      return {
        nodes: [
          node("Reshape", ["x", "grouped"], "x1"),
          node("InstanceNormalization", ["x1", "one", "zero"], "x2", [epsilon]),
          node("Reshape", ["x2", "whole"], "x3"),
          node("Reshape", ["scale", "byChannel"], "scale1"),
          node("Reshape", ["shift", "byChannel"], "shift1"),
          node("Mul", ["x3", "scale1"], "x4"),
          node("Add", ["x4", "shift1"], "x5"),
          node("Sigmoid", ["x5"], "x6"),
          node("Mul", ["x5", "x6"], "result"),
        ],
        constants: [
          sizes("grouped", [1, groups, (channels / groups) * height * width]),
          sizes("whole", [channels, height, width]),
          sizes("byChannel", [channels, 1, 1]),
          filled("one", groups, 1),
          filled("zero", groups, 0),
        ],
      };
    }
    case "softmax":
      return { nodes: [node("Softmax", ["x"], "result", [lastAxis])], constants: [] };
    case "chain":
      return {
        nodes: [
          node("Mul", ["input", "c0"], "y0"),
          node("Add", ["y0", "c1"], "y1"),
          node("Mul", ["y1", "input"], "y2"),
          node("Sub", ["y2", "c2"], "y3"),
          node("Relu", ["y3"], "y4"),
          node("Mul", ["y4", "y4"], "y5"),
          node("Add", ["y5", "input"], "y6"),
          node("Mul", ["y6", "c2"], "result"),
        ],
        constants: [scalar("c0", 1.01), scalar("c1", 0.1), scalar("c2", 0.5)],
      };
    case "costlyChain":
      return {
        nodes: [
          node("Mul", ["input", "c0"], "y0"),
          node("Add", ["y0", "c1"], "y1"),
          node("Tanh", ["y1"], "y2"),
          node("Mul", ["y2", "input"], "y3"),
          node("Sub", ["y3", "c2"], "y4"),
          node("Relu", ["y4"], "y5"),
          node("Sigmoid", ["y5"], "y6"),
          node("Mul", ["y6", "y6"], "result"),
        ],
        constants: [scalar("c0", 1.01), scalar("c1", 0.1), scalar("c2", 0.5)],
      };
    case "clipLayer":
      return clipBody(task.shape);
    default:
      return task satisfies never;
  }
}

function clipBody({ tokens, width, heads }: LayerShape): ModelBody {
  const linear = (x: string, name: string): OnnxNode[] => [
    node("MatMul", [x, name], `${name}0`),
    node("Add", [`${name}0`, `${name}Bias`], `${name}1`),
  ];
  const split = (name: string, order: readonly number[]): OnnxNode[] => [
    node("Reshape", [`${name}1`, "split"], `${name}2`),
    node("Transpose", [`${name}2`], `${name}3`, [permutation(order)]),
  ];
  const norm = (x: string, n: 1 | 2): OnnxNode => node("LayerNormalization", [x, `scale${n}`, `shift${n}`], `h${n}`, [lastAxis, epsilon]);
  const nodes = [
    norm("x", 1),
    ...linear("h1", "query"),
    ...split("query", [1, 0, 2]),
    ...linear("h1", "key"),
    ...split("key", [1, 2, 0]),
    ...linear("h1", "value"),
    ...split("value", [1, 0, 2]),
    node("MatMul", ["query3", "key3"], "s0"),
    node("Mul", ["s0", "rate"], "s1"),
    node("Add", ["s1", "mask"], "s2"),
    node("Softmax", ["s2"], "s3", [lastAxis]),
    node("MatMul", ["s3", "value3"], "o0"),
    node("Transpose", ["o0"], "o1", [permutation([1, 0, 2])]),
    node("Reshape", ["o1", "joined"], "o2"),
    ...linear("o2", "out"),
    node("Add", ["x", "out1"], "r"),
    norm("r", 2),
    ...linear("h2", "up"),
    node("Mul", ["up1", "quick"], "g0"),
    node("Sigmoid", ["g0"], "g1"),
    node("Mul", ["up1", "g1"], "g2"),
    ...linear("g2", "down"),
    node("Add", ["r", "down1"], "result"),
  ];
  const constants = [
    scalar("rate", 1 / Math.sqrt(width / heads)),
    scalar("quick", 1.702),
    sizes("split", [tokens, heads, width / heads]),
    sizes("joined", [tokens, width]),
  ];
  return { nodes, constants };
}

/** The model of a workload whose first operand is its input; null where ONNX has no such operation. */
export function modelOf(
  workload: Workload,
  operands: readonly Operand[],
  resultDims: readonly number[],
  inParts: boolean,
): Uint8Array | null {
  const body = bodyOf(workload, inParts);
  if (body === null) return null;
  const [first, ...weights] = operands as [Operand, ...Operand[]];
  const value = (name: string, dims: readonly number[]) => ({
    name,
    type: { tensor_type: { elem_type: float32, shape: { dim: dims.map((dim_value) => ({ dim_value })) } } },
  });
  const initializer = [...weights, ...body.constants].map(({ name, dims, values }) => ({
    name,
    dims,
    data_type: values instanceof BigInt64Array ? int64 : float32,
    raw_data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  }));
  const graph = {
    node: body.nodes,
    name: "bench",
    initializer,
    input: [value(first.name, first.dims)],
    output: [value("result", resultDims)],
  };
  const opset_import = [
    { domain: "", version: 17 },
    { domain: own, version: 1 },
  ];
  return onnx.encode(onnx.fromObject({ ir_version: 8, graph, opset_import })).finish();
}
