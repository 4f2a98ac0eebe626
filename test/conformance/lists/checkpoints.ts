import path from "node:path";
import { openTensorFile } from "../../../runtime/checkpoint/open.ts";
import { openSafetensors } from "../../../runtime/checkpoint/safetensors.ts";
import { Refused, type TensorFile } from "../../../runtime/checkpoint/tensorFile.ts";
import type { ListFile, ListTable } from "../lists.ts";
import { bytesOf } from "../readTensors.ts";
import { type CaseResult, judged } from "../result.ts";

// Recorded checkpoint files, to be read bit for bit or refused. Of some files only a part of the tensors is recorded.

interface Recorded {
  readonly file: string;
  readonly expect: string;
  readonly expected_values?: string;
  readonly tensors?: Readonly<Record<string, { readonly dtype: string; readonly shape: readonly number[] }>>;
}

/** What two files have in common before the names of tensors: a recording names the tensors of an object inside of the file. */
function prefixOf(found: readonly string[], wanted: readonly string[]): string {
  const [first] = wanted;
  const match = found.find((name) => name === first || name.endsWith(`.${first}`));
  return match === undefined || first === undefined ? "" : match.slice(0, match.length - first.length);
}

async function compared(file: TensorFile, recorded: Recorded, folder: string): Promise<string | null> {
  for (const name of file.tensors.keys()) await bytesOf(file, name);
  const wanted = Object.entries(recorded.tensors ?? {});
  const prefix = prefixOf(
    [...file.tensors.keys()],
    wanted.map(([name]) => name),
  );
  for (const [name, { dtype, shape }] of wanted) {
    const entry = file.tensors.get(prefix + name);
    if (entry === undefined) return `it has no ${name}; it has ${[...file.tensors.keys()].slice(0, 20).join(", ")}`;
    if (entry.dtype !== dtype || entry.shape.join() !== shape.join()) return `${name} is ${entry.dtype} [${entry.shape.join(", ")}]`;
  }
  if (recorded.expected_values === undefined) return null;
  const expected = await openSafetensors(path.join(folder, recorded.expected_values));
  if (!expected.ok) return `its values cannot be read: ${expected.error.message}`;
  try {
    for (const name of expected.value.tensors.keys()) {
      const found = file.tensors.has(prefix + name) ? await bytesOf(file, prefix + name) : null;
      if (found === null || Buffer.compare(found, await bytesOf(expected.value, name)) !== 0) return `${name} differs`;
    }
    return null;
  } finally {
    await expected.value.close();
  }
}

async function problemOf(recorded: Recorded, folder: string): Promise<string | null> {
  const mayRead = /read/.test(recorded.expect);
  const mayRefuse = /refuse/.test(recorded.expect);
  const opened = await openTensorFile(path.join(folder, recorded.file));
  if (!opened.ok) return mayRefuse ? null : `refused: ${opened.error.message}`;
  try {
    const problem = await compared(opened.value, recorded, folder);
    return mayRead ? problem : "it was read";
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return mayRefuse ? null : `refused: ${error.message}`;
  } finally {
    await opened.value.close();
  }
}

async function* checkpoints(list: ListFile): AsyncGenerator<CaseResult> {
  for (const recorded of list.content.files as readonly Recorded[]) {
    let problem: string | null;
    try {
      problem = await problemOf(recorded, list.folder);
    } catch (error) {
      problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    yield judged(recorded.file, problem);
  }
}

export const checkpointLists: ListTable = { checkpoint_manifest: checkpoints };
