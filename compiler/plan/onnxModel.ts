// A model in ONNX as plain data: what a reader of files gives and what the importer takes.

export type OnnxType =
  | "float"
  | "float16"
  | "bfloat16"
  | "double"
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "int32"
  | "int64"
  | "uint32"
  | "uint64"
  | "bool"
  | "string";

/** Numbers of any type; what a double cannot hold exactly is not read. */
export interface OnnxArray {
  readonly type: OnnxType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}
export type OnnxAttribute = number | string | readonly number[] | readonly string[] | OnnxArray;
export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  /** "" is ONNX's own set of operators. */
  readonly domain: string;
  /** "" where an argument is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}
export interface OnnxInput {
  readonly name: string;
  readonly type: OnnxType;
  /** A name or nothing where a size is open; null: not even the rank is said. */
  readonly dims: readonly (number | string | null)[] | null;
}
/** A tensor of the file; without data where it is large: then it is a parameter of the graph. */
export interface OnnxConstant {
  readonly type: OnnxType;
  readonly shape: readonly number[];
  readonly data: Float64Array | null;
}
export interface OnnxModel {
  readonly opset: number;
  readonly nodes: readonly OnnxNode[];
  /** Without those that the file has values for. */
  readonly inputs: readonly OnnxInput[];
  readonly outputs: readonly string[];
  readonly constants: ReadonlyMap<string, OnnxConstant>;
}
