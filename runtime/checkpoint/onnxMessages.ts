import protobuf from "protobufjs";
import { halfValue } from "../../compiler/plan/half.ts";
import type { OnnxArray, OnnxAttribute, OnnxInput, OnnxNode, OnnxType } from "../../compiler/plan/onnxModel.ts";
import { dtypeBytes, elementsOf } from "./tensorFile.ts";

// The messages of ONNX that are read, as far as they are needed, and plain data made of them. Tensors in a file's list of weights are found
// by their place instead (`onnxFile.ts`): they may be larger than memory allows.

const tensorFields = {
  dims: { rule: "repeated", type: "int64", id: 1 },
  dataType: { type: "int32", id: 2 },
  floatData: { rule: "repeated", type: "float", id: 4 },
  int32Data: { rule: "repeated", type: "int32", id: 5 },
  stringData: { rule: "repeated", type: "bytes", id: 6 },
  int64Data: { rule: "repeated", type: "int64", id: 7 },
  name: { type: "string", id: 8 },
  rawData: { type: "bytes", id: 9 },
  doubleData: { rule: "repeated", type: "double", id: 10 },
  uint64Data: { rule: "repeated", type: "uint64", id: 11 },
  externalData: { rule: "repeated", type: "Pair", id: 13 },
  dataLocation: { type: "int32", id: 14 },
};
const root = protobuf.Root.fromJSON({
  nested: {
    Pair: { fields: { key: { type: "string", id: 1 }, value: { type: "string", id: 2 } } },
    Tensor: { fields: tensorFields },
    Attribute: {
      fields: {
        name: { type: "string", id: 1 },
        f: { type: "float", id: 2 },
        i: { type: "int64", id: 3 },
        s: { type: "bytes", id: 4 },
        t: { type: "Tensor", id: 5 },
        g: { type: "bytes", id: 6 },
        floats: { rule: "repeated", type: "float", id: 7 },
        ints: { rule: "repeated", type: "int64", id: 8 },
        strings: { rule: "repeated", type: "bytes", id: 9 },
        type: { type: "int32", id: 20 },
      },
    },
    Node: {
      fields: {
        input: { rule: "repeated", type: "string", id: 1 },
        output: { rule: "repeated", type: "string", id: 2 },
        name: { type: "string", id: 3 },
        opType: { type: "string", id: 4 },
        attribute: { rule: "repeated", type: "Attribute", id: 5 },
        domain: { type: "string", id: 7 },
      },
    },
    OpsetImport: { fields: { domain: { type: "string", id: 1 }, version: { type: "int64", id: 2 } } },
    Dimension: { fields: { dimValue: { type: "int64", id: 1 }, dimParam: { type: "string", id: 2 } } },
    Shape: { fields: { dim: { rule: "repeated", type: "Dimension", id: 1 } } },
    TensorType: { fields: { elemType: { type: "int32", id: 1 }, shape: { type: "Shape", id: 2 } } },
    Type: { fields: { tensorType: { type: "TensorType", id: 1 } } },
    ValueInfo: { fields: { name: { type: "string", id: 1 }, type: { type: "Type", id: 2 } } },
  },
});

type Long = number | { toNumber(): number };
const whole = (value: Long): number => (typeof value === "number" ? value : value.toNumber());
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

interface Message {
  readonly Pair: { readonly key: string; readonly value: string };
  readonly Tensor: {
    readonly dims: readonly Long[];
    readonly dataType: number;
    readonly floatData: readonly number[];
    readonly int32Data: readonly number[];
    readonly int64Data: readonly Long[];
    readonly uint64Data: readonly Long[];
    readonly doubleData: readonly number[];
    readonly rawData: Uint8Array;
    readonly name: string;
    readonly externalData: readonly Message["Pair"][];
    readonly dataLocation: number;
  };
  readonly Attribute: {
    readonly name: string;
    readonly f: number;
    readonly i: Long;
    readonly s: Uint8Array;
    readonly t: Message["Tensor"] | null;
    readonly floats: readonly number[];
    readonly ints: readonly Long[];
    readonly strings: readonly Uint8Array[];
    readonly type: number;
  };
  readonly Node: {
    readonly input: readonly string[];
    readonly output: readonly string[];
    readonly name: string;
    readonly opType: string;
    readonly attribute: readonly Message["Attribute"][];
    readonly domain: string;
  };
  readonly OpsetImport: { readonly domain: string; readonly version: Long };
  readonly ValueInfo: {
    readonly name: string;
    readonly type: {
      readonly tensorType: {
        readonly elemType: number;
        readonly shape: { readonly dim: readonly { readonly dimValue?: Long; readonly dimParam: string }[] } | null;
      } | null;
    } | null;
  };
}
type MessageName = keyof Message;

/** A message of a kind; bytes that are none throw `MessageProblem`. */
export function decode<K extends MessageName>(kind: K, bytes: Uint8Array): Message[K] {
  try {
    return root.lookupType(kind).decode(bytes) as unknown as Message[K];
  } catch (error) {
    throw new MessageProblem(`a ${kind.toLowerCase()} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Sizes of a tensor as one field holds them all. */
export function packedNumbers(bytes: Uint8Array): number[] {
  const reader = protobuf.Reader.create(bytes);
  const numbers: number[] = [];
  try {
    while (reader.pos < reader.len) numbers.push(whole(reader.int64() as unknown as Long));
  } catch (error) {
    throw new MessageProblem(`a list of numbers cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return numbers;
}

/** Something is wrong with a message. */
export class MessageProblem extends Error {}

interface TypeRow {
  readonly type: OnnxType;
  /** As safetensors calls it. */
  readonly dtype: string;
  /** Numbers of raw bytes. */
  readonly raw: (bytes: ArrayBuffer) => ArrayLike<number | bigint>;
  /** Raw bytes of the list that a message may have instead; 16-bit floats are listed as their bits. */
  readonly listed: (tensor: Message["Tensor"]) => ArrayBufferView<ArrayBuffer>;
}
const brain = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
const big = (value: Long): bigint => BigInt(whole(value));
/** By the number that ONNX gives a type. */
const typeRows: Readonly<Record<number, TypeRow>> = {
  1: { type: "float", dtype: "F32", raw: (b) => new Float32Array(b), listed: (t) => Float32Array.from(t.floatData) },
  2: { type: "uint8", dtype: "U8", raw: (b) => new Uint8Array(b), listed: (t) => Uint8Array.from(t.int32Data) },
  3: { type: "int8", dtype: "I8", raw: (b) => new Int8Array(b), listed: (t) => Int8Array.from(t.int32Data) },
  4: { type: "uint16", dtype: "U16", raw: (b) => new Uint16Array(b), listed: (t) => Uint16Array.from(t.int32Data) },
  5: { type: "int16", dtype: "I16", raw: (b) => new Int16Array(b), listed: (t) => Int16Array.from(t.int32Data) },
  6: { type: "int32", dtype: "I32", raw: (b) => new Int32Array(b), listed: (t) => Int32Array.from(t.int32Data) },
  7: { type: "int64", dtype: "I64", raw: (b) => new BigInt64Array(b), listed: (t) => BigInt64Array.from(t.int64Data, big) },
  9: { type: "bool", dtype: "BOOL", raw: (b) => new Uint8Array(b), listed: (t) => Uint8Array.from(t.int32Data) },
  10: {
    type: "float16",
    dtype: "F16",
    raw: (b) => Array.from(new Uint16Array(b), halfValue),
    listed: (t) => Uint16Array.from(t.int32Data),
  },
  11: { type: "double", dtype: "F64", raw: (b) => new Float64Array(b), listed: (t) => Float64Array.from(t.doubleData) },
  12: { type: "uint32", dtype: "U32", raw: (b) => new Uint32Array(b), listed: (t) => Uint32Array.from(t.uint64Data, whole) },
  13: { type: "uint64", dtype: "U64", raw: (b) => new BigUint64Array(b), listed: (t) => BigUint64Array.from(t.uint64Data, big) },
  16: {
    type: "bfloat16",
    dtype: "BF16",
    raw: (b) => Array.from(new Uint16Array(b), brain),
    listed: (t) => Uint16Array.from(t.int32Data),
  },
};
export function typeRow(number: number): TypeRow {
  const row = typeRows[number];
  if (row === undefined) throw new MessageProblem(`a tensor has the type ${number}, which is not read`);
  return row;
}

export function shapeOf(dims: readonly Long[]): readonly number[] {
  const shape = dims.map(whole);
  if (shape.some((size) => !Number.isSafeInteger(size) || size < 0) || !Number.isSafeInteger(elementsOf(shape)))
    throw new MessageProblem(`a tensor has the shape [${shape.join(", ")}]`);
  return shape;
}

/** The bytes of a tensor that carries its numbers itself, as raw bytes or as a list. */
export function bytesOf(tensor: Message["Tensor"]): Uint8Array<ArrayBuffer> {
  const { dtype, listed } = typeRow(tensor.dataType);
  const shape = shapeOf(tensor.dims);
  const size = elementsOf(shape) * dtypeBytes[dtype]!;
  const list = tensor.rawData.length > 0 ? Uint8Array.from(tensor.rawData) : listed(tensor);
  if (list.byteLength !== size)
    throw new MessageProblem(`${tensor.name || "a tensor"} has ${list.byteLength} bytes for ${dtype} [${shape.join(", ")}]`);
  return new Uint8Array(list.buffer);
}

/** The numbers of bytes of a type. */
export const numbersOf = ({ raw }: TypeRow, bytes: Uint8Array<ArrayBuffer>): Float64Array<ArrayBuffer> =>
  Float64Array.from(raw(bytes.buffer) as ArrayLike<number>, Number);

/** A tensor that carries its numbers itself. */
function arrayOf(tensor: Message["Tensor"]): OnnxArray {
  const row = typeRow(tensor.dataType);
  return { type: row.type, shape: shapeOf(tensor.dims), data: numbersOf(row, bytesOf(tensor)) };
}

/** A tensor as a file of its own holds it. */
export function readTensorMessage(bytes: Uint8Array): OnnxArray & { readonly name: string } {
  const tensor = decode("Tensor", bytes);
  return { ...arrayOf(tensor), name: tensor.name };
}

export function nodeOf(bytes: Uint8Array): OnnxNode {
  const node = decode("Node", bytes);
  return {
    name: node.name,
    op: node.opType,
    domain: node.domain === "ai.onnx" ? "" : node.domain,
    inputs: node.input,
    outputs: node.output,
    attributes: new Map(node.attribute.map((one) => [one.name, attributeOf(one)])),
  };
}

function attributeOf(one: Message["Attribute"]): OnnxAttribute {
  switch (one.type) {
    case 1:
      return one.f;
    case 2:
      return whole(one.i);
    case 3:
      return text(one.s);
    case 4:
      if (one.t === null) throw new MessageProblem(`the attribute ${one.name} has no tensor`);
      return arrayOf(one.t);
    case 6:
      return [...one.floats];
    case 7:
      return one.ints.map(whole);
    case 8:
      return one.strings.map(text);
    default:
      throw new MessageProblem(`the attribute ${one.name} is of a kind (${one.type}) that is not read: graphs within graphs are not`);
  }
}

export function inputOf(bytes: Uint8Array): OnnxInput {
  const { name, type } = decode("ValueInfo", bytes);
  const tensor = type?.tensorType;
  if (!tensor) throw new MessageProblem(`${name} is no tensor`);
  const dims =
    tensor.shape?.dim.map((one) => (one.dimParam !== "" ? one.dimParam : Object.hasOwn(one, "dimValue") ? whole(one.dimValue!) : null)) ??
    null;
  return { name, type: tensor.elemType === 8 ? "string" : typeRow(tensor.elemType).type, dims };
}

export function opsetOf(bytes: Uint8Array): { readonly domain: string; readonly version: number } {
  const { domain, version } = decode("OpsetImport", bytes);
  return { domain: domain === "ai.onnx" ? "" : domain, version: whole(version) };
}
