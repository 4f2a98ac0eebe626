import { realpath } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import type { OnnxConstant, OnnxInput, OnnxModel, OnnxNode } from "../../compiler/plan/onnxModel.ts";
import { type Checked, type Files, realFiles } from "./files.ts";
import { bytesOf, decode, inputOf, MessageProblem, nodeOf, numbersOf, opsetOf, packedNumbers, shapeOf, typeRow } from "./onnxMessages.ts";
import {
  damaged,
  damagedHelp,
  dtypeBytes,
  elementsOf,
  type FileBytes,
  gathered,
  openBytes,
  openWith,
  Refused,
  type TensorEntry,
  type TensorFile,
} from "./tensorFile.ts";

// ONNX files: a graph, and its weights. The file is walked field by field; weights are passed over and read when they are asked for, from the
// file or from the one beside it that they say. In: a file. Out: its weights as a file of tensors, and the graph as plain data.

export interface OnnxFile extends TensorFile {
  readonly model: OnnxModel;
}

/** Weights up to so many numbers are read at once: shapes, axes, scales. */
const smallWeights = 4096;
/** Names, sizes and places of weights. */
const largestPart = 8192;
const largestNode = 64 * 1024 * 1024;

interface Field {
  readonly id: number;
  /** 0 a number, 2 bytes. */
  readonly wire: number;
  readonly value: number;
  readonly at: number;
  readonly length: number;
}

/** The fields of the message between two places. */
async function* fields(bytes: FileBytes, from: number, to: number): AsyncGenerator<Field> {
  const { path } = bytes;
  let at = from;
  let window: Uint8Array = new Uint8Array();
  let start = 0;
  const varint = async (): Promise<number> => {
    let value = 0n;
    for (let i = 0n; ; i++) {
      if (at >= to) damaged(path, at, "a number is cut off");
      if (at < start || at >= start + window.length) {
        start = at;
        window = await bytes.read(at, Math.min(4096, to - at));
      }
      const byte = window[at - start]!;
      at++;
      value |= BigInt(byte & 0x7f) << (7n * i);
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
      if (i > 8n) damaged(path, at, "a number has more than ten bytes");
    }
  };
  while (at < to) {
    const place = at;
    const tag = await varint();
    const id = Math.floor(tag / 8);
    const wire = tag % 8;
    let length = 0;
    let value = 0;
    if (wire === 0) value = await varint();
    else if (wire === 1) length = 8;
    else if (wire === 5) length = 4;
    else if (wire === 2) length = await varint();
    else damaged(path, place, `a field is of the kind ${wire}, which ONNX does not use: this is no ONNX file`);
    if (length < 0 || at + length > to) damaged(path, place, `a field of ${length} bytes ends behind what holds it`);
    yield { id, wire, value, at, length };
    at += length;
  }
}

/** Where the numbers of a weight lie. */
interface Weight {
  readonly entry: TensorEntry;
  readonly typeNumber: number;
  readonly source:
    | { readonly kind: "raw"; readonly bytes: FileBytes; readonly at: number }
    /** Lists of numbers within the message, which is read whole. */
    | { readonly kind: "message"; readonly at: number; readonly length: number };
}

async function weightOf(bytes: FileBytes, at: number, length: number, beside: (location: string) => Promise<FileBytes>): Promise<Weight> {
  const { path } = bytes;
  const dims: number[] = [];
  let typeNumber = 0;
  let name = "";
  let raw: { readonly at: number; readonly length: number } | null = null;
  let isOutside = false;
  const outside = new Map<string, string>();
  const part = (field: Field): Promise<Uint8Array> => {
    if (field.length > largestPart) damaged(path, field.at, `${field.length} bytes of what is no number of a weight`);
    return bytes.read(field.at, field.length);
  };
  for await (const field of fields(bytes, at, at + length)) {
    if (field.id === 1 && field.wire === 0) dims.push(field.value);
    else if (field.id === 1) dims.push(...packedNumbers(await part(field)));
    else if (field.id === 2) typeNumber = field.value;
    else if (field.id === 8) name = new TextDecoder().decode(await part(field));
    else if (field.id === 9) raw = field;
    else if (field.id === 13) {
      const { key, value } = decode("Pair", await part(field));
      outside.set(key, value);
    } else if (field.id === 14) isOutside = field.value === 1;
  }
  const row = typeRow(typeNumber);
  const shape = shapeOf(dims);
  const size = elementsOf(shape) * dtypeBytes[row.dtype]!;
  if (!Number.isSafeInteger(size)) damaged(path, at, `${name} has the shape [${shape.join(", ")}]`);
  const entry: TensorEntry = { name, dtype: row.dtype, shape, bytes: size };
  if (isOutside) {
    const file = await beside(outside.get("location") ?? "");
    const offset = Number(outside.get("offset") ?? 0);
    const given = Number(outside.get("length") ?? size);
    if (!Number.isSafeInteger(offset) || offset < 0 || given !== size)
      damaged(
        path,
        at,
        `${name} is said to lie at byte ${outside.get("offset") ?? 0} of ${file.path}, with ${outside.get("length") ?? size} bytes; it needs ${size}`,
      );
    if (offset + size > file.size) damaged(path, at, `${name} ends behind the end of ${file.path}`);
    return { entry, typeNumber, source: { kind: "raw", bytes: file, at: offset } };
  }
  if (raw !== null) {
    if (raw.length !== size) damaged(path, at, `${name} has ${raw.length} bytes for ${row.dtype} [${shape.join(", ")}]`);
    return { entry, typeNumber, source: { kind: "raw", bytes, at: raw.at } };
  }
  return { entry, typeNumber, source: { kind: "message", at, length } };
}

/** Opens an ONNX file. */
export function openOnnx(path: string, files: Files = realFiles): Promise<Checked<OnnxFile>> {
  return openWith(path, files, async (bytes) => {
    const others = new Map<string, FileBytes>();
    try {
      return await readOnnx(bytes, others, files);
    } catch (error) {
      for (const other of others.values()) await other.close();
      throw refusalOf(path, error);
    }
  });
}

/** A problem of a message as one of the file. */
function refusalOf(path: string, error: unknown): unknown {
  return error instanceof MessageProblem ? new Refused("damaged", `${path}: ${error.message}`, damagedHelp) : error;
}

async function readOnnx(bytes: FileBytes, others: Map<string, FileBytes>, files: Files): Promise<OnnxFile> {
  const { path } = bytes;
  const folder = await realpath(dirname(resolve(path)));
  const beside = async (location: string): Promise<FileBytes> => {
    const leaves = (place: string): boolean => {
      const way = relative(folder, place);
      return way === "" || way.startsWith("..") || isAbsolute(way);
    };
    const refused = () =>
      damaged(
        path,
        null,
        `its weights lie in \`${location.slice(0, 200)}\`, which is outside of its folder`,
        "put the weights beside the file",
      );
    if (location === "" || isAbsolute(location) || location.includes("\0") || leaves(resolve(folder, location))) return refused();
    const known = others.get(location);
    if (known !== undefined) return known;
    // A link may lead out as well.
    if (leaves(await realpath(resolve(folder, location)))) return refused();
    const made = await openBytes(resolve(folder, location), files);
    others.set(location, made);
    return made;
  };
  const content = (field: Field): Promise<Uint8Array> => {
    if (field.length > largestNode) damaged(path, field.at, `a part of ${field.length} bytes that is no weight`);
    return bytes.read(field.at, field.length);
  };
  let opset: number | null = null;
  let graph: Field | null = null;
  for await (const field of fields(bytes, 0, bytes.size)) {
    if (field.wire !== 2) continue;
    if (field.id === 7) graph = field;
    else if (field.id === 8) {
      const { domain, version } = opsetOf(await content(field));
      if (domain === "") opset = version;
    }
  }
  if (graph === null || opset === null)
    return damaged(path, null, "it has no graph or does not say its set of operators: it is no ONNX file");
  const nodes: OnnxNode[] = [];
  const inputs: OnnxInput[] = [];
  const outputs: string[] = [];
  const weights = new Map<string, Weight>();
  for await (const field of fields(bytes, graph.at, graph.at + graph.length)) {
    if (field.wire !== 2) continue;
    if (field.id === 1) nodes.push(nodeOf(await content(field)));
    else if (field.id === 5) {
      const weight = await weightOf(bytes, field.at, field.length, beside);
      if (weights.has(weight.entry.name)) damaged(path, field.at, `the weight ${weight.entry.name} is there twice`);
      weights.set(weight.entry.name, weight);
    } else if (field.id === 11) inputs.push(inputOf(await content(field)));
    else if (field.id === 12) outputs.push(inputOf(await content(field)).name);
    else if (field.id === 15) damaged(path, field.at, "it has sparse weights, which are not read");
  }
  const read = async function* ({ entry, source }: Weight): AsyncGenerator<Uint8Array> {
    if (source.kind === "raw") yield* source.bytes.pieces(source.at, entry.bytes);
    else {
      const message = await bytes.read(source.at, source.length);
      try {
        yield bytesOf(decode("Tensor", message));
      } catch (error) {
        throw refusalOf(path, error);
      }
    }
  };
  const constants = new Map<string, OnnxConstant>();
  for (const [name, weight] of weights) {
    const row = typeRow(weight.typeNumber);
    const { shape, bytes: size } = weight.entry;
    const data = elementsOf(shape) <= smallWeights ? numbersOf(row, await gathered(read(weight), size)) : null;
    constants.set(name, { type: row.type, shape, data });
  }
  return {
    path,
    format: `ONNX, operators of set ${opset}, ${nodes.length} nodes`,
    tensors: new Map([...weights].map(([name, weight]) => [name, weight.entry])),
    metadata: new Map(),
    model: { opset, nodes, inputs: inputs.filter((one) => !weights.has(one.name)), outputs, constants },
    read(name) {
      const weight = weights.get(name);
      if (weight === undefined) throw new Error(`internal: a tensor of ${path} was asked for that it does not have`);
      return read(weight);
    },
    async close() {
      for (const other of others.values()) await other.close();
      await bytes.close();
    },
  };
}
