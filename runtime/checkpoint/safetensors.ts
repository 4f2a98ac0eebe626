import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { type Checked, type Files, fail, good, readError, realFiles, replaceFile } from "./files.ts";

// Safetensors: eight bytes with the length of a JSON header, the header (name -> dtype, shape, byte range), the tensors. Reading takes the
// header first and a tensor when it is asked for; every number in the header is checked against the file before it is used.

export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** A tensor's bytes, in pieces of bounded size. */
  read(name: string): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/** What is written: bytes in pieces, in all 4 per element. */
export interface TensorSource {
  readonly name: string;
  readonly shape: readonly number[];
  readonly read: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const dtypeBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};
const largestHeader = 100_000_000;
const pieceBytes = 8 * 1024 * 1024;
const another = "the file is damaged or not finished: use an earlier checkpoint, or copy the file again";

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Opens a file and checks its header. */
export async function openSafetensors(path: string, files: Files = realFiles): Promise<Checked<SafetensorsFile>> {
  let handle: FileHandle;
  try {
    handle = await files.open(path, "r");
  } catch (error) {
    return readError(path, error);
  }
  try {
    const header = await readHeader(path, handle);
    if (!header.ok) {
      await handle.close();
      return header;
    }
    const { tensors, metadata } = header.value;
    return good({ path, tensors, metadata, read: (name) => pieces(handle, path, tensors.get(name)), close: () => handle.close() });
  } catch (error) {
    await handle.close();
    return readError(path, error);
  }
}

async function* pieces(handle: FileHandle, path: string, entry: TensorEntry | undefined): AsyncGenerator<Uint8Array> {
  if (entry === undefined) throw new Error(`internal: a tensor of ${path} was asked for that it does not have`);
  for (let from = 0; from < entry.bytes; from += pieceBytes) {
    const piece = new Uint8Array(Math.min(pieceBytes, entry.bytes - from));
    if (!(await fill(handle, piece, entry.offset + from))) throw new Error(`internal: ${path} became shorter while it was read`);
    yield piece;
  }
}

/** Reads until `into` is full; false when the file ends before. */
async function fill(handle: FileHandle, into: Uint8Array, position: number): Promise<boolean> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await handle.read(into, at, into.length - at, position + at);
    if (bytesRead === 0) return false;
    at += bytesRead;
  }
  return true;
}

type Header = Pick<SafetensorsFile, "tensors" | "metadata">;

async function readHeader(path: string, handle: FileHandle): Promise<Checked<Header>> {
  const size = (await handle.stat()).size;
  const prefix = new Uint8Array(8);
  if (!(await fill(handle, prefix, 0)))
    return fail("truncated", `${path} has ${size} bytes: it ends inside the length of its header`, another);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > largestHeader) return fail("damaged", `${path} is no safetensors file: its header would have ${length} bytes`, another);
  if (8 + length > size)
    return fail("truncated", `${path} ends inside its header: it has ${size} bytes, the header needs ${8 + length}`, another);
  const text = new Uint8Array(length);
  if (!(await fill(handle, text, 8))) return fail("truncated", `${path} ends inside its header`, another);
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch {
    return fail("damaged", `${path} is no safetensors file: its header is not JSON`, another);
  }
  return checkHeader(path, parsed, 8 + length, size);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function checkHeader(path: string, parsed: unknown, dataStart: number, size: number): Checked<Header> {
  const bad = (why: string) => fail("damaged", `the header of ${path} is wrong: ${why}`, another);
  if (!isRecord(parsed)) return bad("it is no object");
  const tensors = new Map<string, TensorEntry>();
  const metadata: Record<string, string> = {};
  let end = dataStart;
  for (const [name, row] of Object.entries(parsed)) {
    if (!isRecord(row)) return bad(`${name} is no object`);
    if (name === "__metadata__") {
      for (const [key, value] of Object.entries(row)) metadata[key] = String(value);
      continue;
    }
    const { dtype, shape, data_offsets: range } = row;
    const width = typeof dtype === "string" ? dtypeBytes[dtype] : undefined;
    if (typeof dtype !== "string" || width === undefined) return bad(`${name} has the unknown type ${String(dtype)}`);
    if (!Array.isArray(shape) || !shape.every(isCount)) return bad(`${name} has no shape`);
    if (!Array.isArray(range) || range.length !== 2 || !range.every(isCount) || range[1] < range[0])
      return bad(`${name} has no byte range`);
    const [from, to] = range as [number, number];
    if (to - from !== width * elements(shape)) return bad(`${name} has ${to - from} bytes for ${dtype} [${shape.join(", ")}]`);
    tensors.set(name, { name, dtype, shape, offset: dataStart + from, bytes: to - from });
    end = Math.max(end, dataStart + to);
  }
  if (end > size) return fail("truncated", `${path} ends before its tensors do: it has ${size} bytes of ${end}`, another);
  const sorted = [...tensors.values()].sort((a, b) => a.offset - b.offset);
  for (const [i, entry] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before !== undefined && before.offset + before.bytes > entry.offset) return bad(`${before.name} and ${entry.name} overlap`);
  }
  return good({ tensors, metadata });
}

/** The bytes of a file with these tensors. The same tensors give the same bytes, whatever their order. */
export async function* safetensorsBytes(
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let at = 0;
  for (const tensor of sorted) {
    const bytes = 4 * elements(tensor.shape);
    header[tensor.name] = { dtype: "F32", shape: tensor.shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
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
    if (given !== 4 * elements(tensor.shape))
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
export async function saveSafetensors(path: string, tensors: readonly TensorSource[], files: Files = realFiles): Promise<FileFacts> {
  const stream = counted(safetensorsBytes(tensors));
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
