import type { FileHandle } from "node:fs/promises";
import { type Checked, type CheckpointError, type CheckpointErrorKind, codeOf, type Files, good, readError } from "./files.ts";

// What every reader of tensors gives, whatever the format: names, types and shapes at once, the numbers of a tensor when they are asked for,
// as row-major little-endian bytes in pieces of bounded size.

export interface TensorEntry {
  readonly name: string;
  /** As safetensors calls it: F32, BF16, I64, BOOL, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

export interface TensorFile {
  readonly path: string;
  /** In words. */
  readonly format: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  /** A tensor's bytes, in pieces. A file that is found damaged meanwhile throws `Refused`. */
  read(name: string): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/** Bytes per element. */
export const dtypeBytes: Readonly<Record<string, number>> = {
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
  C64: 8,
  C128: 16,
};

/** The largest piece that a reader gives. */
export const pieceBytes = 8 * 1024 * 1024;

export const elementsOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Pieces of so many bytes as one. */
export async function gathered(pieces: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const whole = new Uint8Array(length);
  let at = 0;
  for await (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A file that is not what it should be, on its way out of a reader. Whoever opens a file turns it into a value. */
export class Refused extends Error {
  readonly error: CheckpointError;
  constructor(kind: CheckpointErrorKind, message: string, help: string) {
    super(message);
    this.error = { kind, message, help };
  }
}
export const damagedHelp = "the file is damaged or not finished: copy it again, or use an earlier checkpoint";
/** A file is damaged, with the byte where that shows. */
export function damaged(path: string, at: number | null, why: string, help = damagedHelp): never {
  throw new Refused("damaged", `${path}${at === null ? "" : ` (byte ${at})`}: ${why}`, help);
}

/** What `work` gives, with refusals and the system's errors as values. */
export async function checked<T>(path: string, work: () => Promise<T>): Promise<Checked<T>> {
  try {
    return good(await work());
  } catch (error) {
    if (error instanceof Refused) return { ok: false, error: error.error };
    if (codeOf(error) !== "") return readError(path, error);
    throw error;
  }
}

/** A file that is read at places. */
export interface FileBytes {
  readonly path: string;
  readonly size: number;
  /** For libraries that want the system's number. */
  readonly fd: number;
  /** Exactly these bytes; a file that has fewer is refused. */
  read(at: number, length: number): Promise<Uint8Array>;
  /** The same range in pieces. */
  pieces(at: number, length: number): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/** Opens a file for reading at places. */
export async function openBytes(path: string, files: Files): Promise<FileBytes> {
  const handle: FileHandle = await files.open(path, "r");
  const { size } = await handle.stat().catch(async (error: unknown) => {
    await handle.close();
    throw error;
  });
  const read = async (at: number, length: number): Promise<Uint8Array> => {
    if (at + length > size)
      throw new Refused("truncated", `${path} ends at byte ${size}; bytes ${at} to ${at + length} are needed`, damagedHelp);
    const into = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await handle.read(into, done, length - done, at + done);
      if (bytesRead === 0)
        throw new Refused("truncated", `${path} became shorter while it was read`, "leave the file alone while it is read");
      done += bytesRead;
    }
    return into;
  };
  return {
    path,
    size,
    fd: handle.fd,
    read,
    async *pieces(at, length) {
      for (let from = 0; from < length; from += pieceBytes) yield await read(at + from, Math.min(pieceBytes, length - from));
    },
    close: () => handle.close(),
  };
}

/** Opens a file with a reader that keeps it; where the reader refuses, the file is closed again. */
export async function openWith<T extends TensorFile>(
  path: string,
  files: Files,
  reader: (bytes: FileBytes) => Promise<T>,
): Promise<Checked<T>> {
  return checked(path, async () => {
    const bytes = await openBytes(path, files);
    try {
      return await reader(bytes);
    } catch (error) {
      await bytes.close();
      throw error;
    }
  });
}
