import { randomBytes } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import * as promises from "node:fs/promises";
import { dirname } from "node:path";

// The file operations that checkpoints use, as one record, so that a test can let any of them fail; and the two ways in which they are
// used: writing so that a crash leaves the old or the new content and nothing between, and turning the system's errors into sentences.

export type Files = Pick<typeof promises, "open" | "mkdir" | "rename" | "rm" | "readdir" | "readFile" | "stat">;

export const realFiles: Files = promises;

export type CheckpointErrorKind =
  | "missing"
  | "unreadable"
  | "truncated"
  | "damaged"
  | "malicious"
  | "other program"
  | "missing tensor"
  | "surgery"
  | "wrong shape"
  | "disk full"
  | "unwritable";

/** What is wrong with a checkpoint, and what helps. */
export interface CheckpointError {
  readonly kind: CheckpointErrorKind;
  readonly message: string;
  readonly help: string;
}
export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: CheckpointError };

export const fail = (
  kind: CheckpointErrorKind,
  message: string,
  help: string,
): { readonly ok: false; readonly error: CheckpointError } => ({
  ok: false,
  error: { kind, message, help },
});
export const good = <T>(value: T): Checked<T> => ({ ok: true, value });

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether there is a folder at a path; null where there is nothing. */
export async function isFolder(files: Files, path: string): Promise<boolean | null> {
  try {
    return (await files.stat(path)).isDirectory();
  } catch {
    return null;
  }
}

/** A failed read as an error. */
export function readError(path: string, error: unknown): { readonly ok: false; readonly error: CheckpointError } {
  switch (codeOf(error)) {
    case "ENOENT":
      return fail("missing", `there is no file ${path}`, "check the path; a run folder holds its checkpoints in checkpoints/");
    case "EACCES":
    case "EPERM":
      return fail("unreadable", `no permission to read ${path}`, "check the permissions of the file and its folders");
    default:
      return fail("unreadable", `cannot read ${path}: ${messageOf(error)}`, "check the disk, or use an earlier checkpoint");
  }
}

/** A failed write as an error; `what` is what could not be saved. */
export function writeError(what: string, path: string, error: unknown): { readonly ok: false; readonly error: CheckpointError } {
  const untouched = "earlier checkpoints are untouched";
  switch (codeOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return fail(
        "disk full",
        `the disk is full: ${what} could not be saved to ${path}; ${untouched}`,
        "free some space and run again with --resume",
      );
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return fail(
        "unwritable",
        `no permission to save ${what} to ${path}; ${untouched}`,
        "choose another folder with --out, or change its permissions",
      );
    default:
      return fail(
        "unwritable",
        `${what} could not be saved to ${path}: ${messageOf(error)}; ${untouched}`,
        "check the disk and run again with --resume",
      );
  }
}

/** Makes the entries of a folder durable. Some systems cannot sync a folder; there the rename alone has to do. */
export async function syncFolder(files: Files, folder: string): Promise<void> {
  let handle: promises.FileHandle;
  try {
    handle = await files.open(folder, "r");
  } catch (error) {
    if (codeOf(error) === "EISDIR" || codeOf(error) === "EPERM" || codeOf(error) === "EACCES") return;
    throw error;
  }
  try {
    await handle.sync();
  } catch (error) {
    if (codeOf(error) !== "EINVAL" && codeOf(error) !== "EPERM") throw error;
  } finally {
    await handle.close();
  }
}

/** Writes a whole file and waits until it is on the disk. */
export async function writeSynced(
  files: Files,
  path: string,
  parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  mode?: number,
): Promise<void> {
  const handle = await files.open(path, "w", mode);
  try {
    for await (const part of parts) {
      for (let at = 0; at < part.length; ) {
        const { bytesWritten } = await handle.write(part, at, part.length - at);
        at += bytesWritten;
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A name beside a file that no other process uses. */
const asideOf = (path: string): string => `${path}.${process.pid}.${randomBytes(4).toString("hex")}.partial`;

/** Replaces a file: whoever reads it meanwhile, and who comes after a crash, sees the old content or the new one. */
export async function replaceFile(
  files: Files,
  path: string,
  parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  mode?: number,
): Promise<void> {
  const aside = asideOf(path);
  try {
    await writeSynced(files, aside, parts, mode);
    await files.rename(aside, path);
  } catch (error) {
    await files.rm(aside, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(files, dirname(path));
}

/** The same at once, for what can be made again: it does not wait for the disk, so a crash of the machine may lose it. */
export function replaceFileSync(path: string, content: string | Uint8Array, mode?: number): void {
  const aside = asideOf(path);
  try {
    writeFileSync(aside, content, { mode });
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
}

/** JSON as people read it, with a newline at the end. */
export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}
