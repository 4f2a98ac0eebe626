import { createHash } from "node:crypto";
import { type Checked, type Files, realFiles, replaceFile } from "./files.ts";
import { type JsonValue, parseJson } from "./headerJson.ts";
import {
  damaged,
  damagedHelp,
  dtypeBytes,
  elementsOf,
  type FileBytes,
  openWith,
  pieceBytes,
  Refused,
  type TensorEntry,
  type TensorFile,
} from "./tensorFile.ts";

// Safetensors: eight bytes with the length of a JSON header, the header (name -> dtype, shape, byte range), the tensors. Reading takes the
// header first and a tensor when it is asked for; every number in the header is checked against the file before it is used.

/** What is written: bytes in pieces. */
export interface TensorSource {
  readonly name: string;
  /** F32 unless said otherwise. */
  readonly dtype?: string;
  readonly shape: readonly number[];
  readonly read: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const largestHeader = 100_000_000;

/** Opens a file and checks its header. */
export function openSafetensors(path: string, files: Files = realFiles): Promise<Checked<TensorFile>> {
  return openWith(path, files, readSafetensors);
}

interface Placed extends TensorEntry {
  /** From the start of the file. */
  readonly offset: number;
}

async function readSafetensors(bytes: FileBytes): Promise<TensorFile> {
  const { path, size } = bytes;
  if (size < 8) throw new Refused("truncated", `${path} has ${size} bytes: it ends inside the length of its header`, damagedHelp);
  const length = Number(new DataView((await bytes.read(0, 8)).buffer).getBigUint64(0, true));
  if (length > largestHeader) damaged(path, 0, `it is no safetensors file: its header would have ${length} bytes`);
  if (8 + length > size)
    throw new Refused("truncated", `${path} ends inside its header: it has ${size} bytes, the header needs ${8 + length}`, damagedHelp);
  const raw = await bytes.read(8, length);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return damaged(path, 8, "it is no safetensors file: its header is not UTF-8 text");
  }
  if (!text.startsWith("{")) damaged(path, 8, "it is no safetensors file: its header does not begin with `{`");
  const byteAt = (at: number): number => 8 + new TextEncoder().encode(text.slice(0, at)).length;
  const parsed = parseJson(text);
  if (!parsed.ok) return damaged(path, byteAt(parsed.at), `it is no safetensors file: its header is not JSON: ${parsed.problem}`);
  const byteOf = (name: string): number => byteAt(parsed.places.get(name)!);
  const { tensors, metadata } = checkHeader(path, parsed.value as ReadonlyMap<string, JsonValue>, byteOf, 8 + length, size);
  return {
    path,
    format: "safetensors",
    tensors,
    metadata,
    async *read(name) {
      const entry = tensors.get(name);
      if (entry === undefined) throw new Error(`internal: a tensor of ${path} was asked for that it does not have`);
      yield* bytes.pieces(entry.offset, entry.bytes);
    },
    close: () => bytes.close(),
  };
}

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function checkHeader(
  path: string,
  header: ReadonlyMap<string, JsonValue>,
  byteOf: (name: string) => number,
  dataStart: number,
  size: number,
) {
  const tensors = new Map<string, Placed>();
  const metadata = new Map<string, string>();
  for (const [name, row] of header) {
    const bad = (why: string): never => damaged(path, byteOf(name), `its header is wrong: ${why}`);
    if (!(row instanceof Map)) return bad(`${name} is no object`);
    if (name === "__metadata__") {
      for (const [key, value] of row as ReadonlyMap<string, JsonValue>) {
        if (typeof value !== "string") return bad(`the metadata ${key} is no text`);
        metadata.set(key, value);
      }
      continue;
    }
    const [dtype, shape, range] = ["dtype", "shape", "data_offsets"].map((key) => row.get(key));
    const width = typeof dtype === "string" && Object.hasOwn(dtypeBytes, dtype) ? dtypeBytes[dtype] : undefined;
    if (typeof dtype !== "string" || width === undefined) return bad(`${name} has the unknown type ${String(dtype)}`);
    if (!Array.isArray(shape) || !shape.every(isCount)) return bad(`${name} has no shape`);
    if (!Array.isArray(range) || range.length !== 2 || !range.every(isCount) || range[1] < range[0])
      return bad(`${name} has no byte range`);
    const [from, to] = range as [number, number];
    if (to - from !== width * elementsOf(shape)) return bad(`${name} has ${to - from} bytes for ${dtype} [${shape.join(", ")}]`);
    tensors.set(name, { name, dtype, shape, offset: dataStart + from, bytes: to - from });
  }
  const sorted = [...tensors.values()].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  let before = "the header";
  for (const entry of sorted) {
    if (entry.offset < end) return damaged(path, entry.offset, `${before} and ${entry.name} overlap`);
    if (entry.offset > end)
      return damaged(path, end, `there are ${entry.offset - end} bytes between ${before} and ${entry.name}, which are nobody's`);
    end = entry.offset + entry.bytes;
    before = entry.name;
  }
  if (end > size) throw new Refused("truncated", `${path} ends before its tensors do: it has ${size} bytes of ${end}`, damagedHelp);
  if (end < size) return damaged(path, end, `there are ${size - end} bytes behind the last tensor`);
  return { tensors, metadata };
}

/** The bytes of a file with these tensors. The same tensors give the same bytes, whatever their order. */
export async function* safetensorsBytes(
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array> {
  // Wide elements first, so that every tensor is aligned to its own.
  const width = (tensor: TensorSource): number => dtypeBytes[tensor.dtype ?? "F32"]!;
  const sorted = [...tensors].sort((a, b) => width(b) - width(a) || (a.name < b.name ? -1 : 1));
  const header = new Map<string, unknown>(Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : []);
  let at = 0;
  for (const tensor of sorted) {
    const bytes = width(tensor) * elementsOf(tensor.shape);
    header.set(tensor.name, { dtype: tensor.dtype ?? "F32", shape: tensor.shape, data_offsets: [at, at + bytes] });
    at += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  // Spaces up to a multiple of 8, so that the tensors are aligned in a mapped file.
  const start = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(text, 8);
  yield start;
  for (const tensor of sorted) {
    let given = 0;
    for await (const piece of tensor.read()) {
      given += piece.length;
      yield piece;
    }
    if (given !== width(tensor) * elementsOf(tensor.shape))
      throw new Error(`internal: ${tensor.name} gave ${given} bytes for [${tensor.shape.join(", ")}]`);
  }
}

export interface FileFacts {
  readonly bytes: number;
  readonly sha256: string;
}

/** Passes bytes on and keeps their count and hash, which `facts` tells once all have passed. */
export function counted(parts: AsyncIterable<Uint8Array>): { readonly parts: AsyncIterable<Uint8Array>; facts(): FileFacts } {
  const hash = createHash("sha256");
  let bytes = 0;
  async function* pass(): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      hash.update(part);
      bytes += part.length;
      yield part;
    }
  }
  return { parts: pass(), facts: () => ({ bytes, sha256: hash.digest("hex") }) };
}

/** Writes a file of tensors on its own: aside, synced, renamed. */
export async function saveSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
  files: Files = realFiles,
): Promise<FileFacts> {
  const stream = counted(safetensorsBytes(tensors, metadata));
  await replaceFile(files, path, stream.parts);
  return stream.facts();
}

/** Count and hash of a file on disk. */
export async function fileFacts(files: Files, path: string): Promise<FileFacts> {
  const handle = await files.open(path, "r");
  try {
    const hash = createHash("sha256");
    const piece = new Uint8Array(pieceBytes);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, piece.length, bytes);
      if (bytesRead === 0) return { bytes, sha256: hash.digest("hex") };
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await handle.close();
  }
}
