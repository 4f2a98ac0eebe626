import protobuf from "protobufjs";
import { valuesOf } from "../values.ts";
import type { Workload } from "../workloads.ts";
import { type OpenPeer, type PreparedTask, permuted, toChannelsFirst, toChannelsLast, weightsToOutputsFirst } from "./peer.ts";

// onnxruntime's native WebGPU provider, which brings its own Dawn. A run takes its first operand from the host and gives the result back to
// it, so its times include an upload and a readback; the other operands are weights of the model.

interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}
interface OrtSession {
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}
interface Ort {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
  readonly Tensor: new (type: string, values: Float32Array, dims: readonly number[]) => OrtTensor;
}

// The part of onnx.proto that these models need.
const onnx = protobuf
  .parse(
    `syntax = "proto3";
message Attribute { string name = 1; float f = 2; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; repeated Attribute attribute = 5; }
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
  readonly attribute?: readonly object[];
}
const [floatAttribute, integerAttribute, integersAttribute] = [1, 2, 7];
const float32 = 1;
const node = (op_type: string, input: readonly string[], output: string, attribute: readonly object[] = []): OnnxNode => ({
  op_type,
  input,
  output: [output],
  attribute,
});

interface Weight {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: Float32Array;
}

function nodesOf({
  task,
}: Workload): { readonly nodes: readonly OnnxNode[]; readonly constants: readonly (readonly [string, number])[] } | null {
  switch (task.kind) {
    case "matmul":
      return { nodes: [node("MatMul", ["left", "right"], "result")], constants: [] };
    case "conv":
      return {
        nodes: [node("Conv", ["picture", "weights"], "result", [{ name: "pads", ints: [1, 1, 1, 1], type: integersAttribute }])],
        constants: [],
      };
    case "layerNorm": {
      const attributes = [
        { name: "axis", i: -1, type: integerAttribute },
        { name: "epsilon", f: 1e-5, type: floatAttribute },
      ];
      return { nodes: [node("LayerNormalization", ["x", "scale", "shift"], "result", attributes)], constants: [] };
    }
    case "softmax":
      return { nodes: [node("Softmax", ["x"], "result", [{ name: "axis", i: -1, type: integerAttribute }])], constants: [] };
    case "chain": {
      const constants = [
        ["c0", 1.01],
        ["c1", 0.1],
        ["c2", 0.5],
      ] as const;
      const nodes = [
        node("Mul", ["input", "c0"], "y0"),
        node("Add", ["y0", "c1"], "y1"),
        node("Mul", ["y1", "input"], "y2"),
        node("Sub", ["y2", "c2"], "y3"),
        node("Relu", ["y3"], "y4"),
        node("Mul", ["y4", "y4"], "y5"),
        node("Add", ["y5", "input"], "y6"),
        node("Mul", ["y6", "c2"], "result"),
      ];
      return { nodes, constants };
    }
    case "convDataGradient":
    case "convWeightGradient":
      return null;
    default:
      return task satisfies never;
  }
}

function modelOf(
  nodes: readonly OnnxNode[],
  input: { readonly name: string; readonly dims: readonly number[] },
  outputDims: readonly number[],
  weights: readonly Weight[],
): Uint8Array {
  const value = (name: string, dims: readonly number[]) => ({
    name,
    type: { tensor_type: { elem_type: float32, shape: { dim: dims.map((dim_value) => ({ dim_value })) } } },
  });
  const initializer = weights.map(({ name, dims, values }) => ({
    name,
    dims,
    data_type: float32,
    raw_data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  }));
  const graph = { node: nodes, name: "bench", initializer, input: [value(input.name, input.dims)], output: [value("result", outputDims)] };
  return onnx.encode(onnx.fromObject({ ir_version: 8, graph, opset_import: [{ domain: "", version: 17 }] })).finish();
}

export const openOnnxruntime: OpenPeer = async ({ load, wait }) => {
  const ort = load("onnxruntime-node") as Ort;
  return {
    prepare: async (workload): Promise<PreparedTask | null> => {
      const body = nodesOf(workload);
      if (body === null) return null;
      const isConv = workload.task.kind === "conv";
      const operands = workload.inputs.map(({ name, shape, stream }, i): Weight => {
        const values = valuesOf(
          stream,
          shape.reduce((a, b) => a * b, 1),
        );
        if (!isConv) return { name, dims: shape, values };
        const order = i === 0 ? toChannelsFirst : weightsToOutputsFirst;
        return { name, dims: order.map((axis) => shape[axis]!), values: permuted(values, shape, order) };
      });
      const [first, ...weights] = operands as [Weight, ...Weight[]];
      const constants = body.constants.map(([name, value]): Weight => ({ name, dims: [], values: Float32Array.of(value) }));
      const outputDims = isConv ? toChannelsFirst.map((axis) => workload.shape[axis]!) : workload.shape;
      const model = modelOf(body.nodes, first, outputDims, [...weights, ...constants]);
      const session = await wait(ort.InferenceSession.create(model, { executionProviders: ["webgpu"], logSeverityLevel: 3 }));
      const feeds = { [first.name]: new ort.Tensor("float32", first.values, first.dims) };
      return {
        run: async () => void (await session.run(feeds)),
        output: async () => {
          const { data, dims } = (await session.run(feeds)).result!;
          return isConv ? permuted(data, dims, toChannelsLast) : data;
        },
        release: () => session.release(),
      };
    },
  };
};
