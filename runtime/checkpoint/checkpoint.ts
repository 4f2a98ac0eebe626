import { basename, join } from "node:path";
import type { StoredTensor, TrainPlan } from "../../compiler/plan/plan.ts";
import type { TablesState } from "../train/tables.ts";
import {
  type Checked,
  type CheckpointError,
  codeOf,
  type Files,
  fail,
  good,
  jsonBytes,
  readError,
  realFiles,
  replaceFile,
  syncFolder,
  writeError,
  writeSynced,
} from "./files.ts";
import { floatTypes, readFloats } from "./floats.ts";
import { counted, type FileFacts, fileFacts, openSafetensors, safetensorsBytes, type TensorSource } from "./safetensors.ts";
import type { TensorFile } from "./tensorFile.ts";

// A checkpoint is a folder `checkpoints/000500`: model.safetensors (parameters and module state), optimizer.safetensors, and manifest.json,
// which holds the counters and the hashes of the two. It is written aside and renamed when it is whole, so a folder with a number for a
// name is a finished checkpoint, and nothing that happens while saving touches an earlier one. Its bytes are a function of the run alone.

export interface CheckpointCounters {
  readonly update: number;
  readonly microStep: number;
  /** Batches taken so far from each data setting. */
  readonly batches: Readonly<Record<string, number>>;
}

/** Sums since the last row of the log, so that a resumed run writes the same rows. */
export interface LogWindow {
  readonly sums: Readonly<Record<string, { readonly sum: number; readonly count: number }>>;
}

export interface CheckpointManifest {
  readonly format: 1;
  readonly program: string;
  readonly sourceHash: string;
  readonly compiler: string;
  readonly settings: TrainPlan["settings"];
  readonly counters: CheckpointCounters;
  readonly log: LogWindow;
  /** What the host knows of the program's tables. */
  readonly tables?: TablesState;
  readonly adapter: { readonly name: string; readonly driver: string };
  readonly files: Readonly<Record<TensorFileName, FileFacts>>;
}

export const tensorFileNames = ["model.safetensors", "optimizer.safetensors"] as const;
type TensorFileName = (typeof tensorFileNames)[number];
const manifestName = "manifest.json";
const latestName = "latest";

const fileOf = (role: StoredTensor["role"]): TensorFileName => (role === "optimizer" ? "optimizer.safetensors" : "model.safetensors");

/** `000500`: names sort as their numbers do. */
const checkpointName = (update: number): string => String(update).padStart(6, "0");

export interface SaveRequest {
  /** The folder `checkpoints` of a run. */
  readonly root: string;
  readonly manifest: Omit<CheckpointManifest, "format" | "files">;
  readonly stored: readonly StoredTensor[];
  /** The bytes of a stored tensor, in pieces. */
  readonly read: (tensor: StoredTensor) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** How many checkpoints stay; null: all. */
  readonly keepLast: number | null;
  readonly files?: Files;
}

/** Saves a checkpoint and gives its folder. On any error the earlier ones and the pointer to the latest are as they were. */
export async function saveCheckpoint(request: SaveRequest): Promise<Checked<string>> {
  const files = request.files ?? realFiles;
  const name = checkpointName(request.manifest.counters.update);
  const folder = join(request.root, name);
  const aside = join(request.root, `.partial-${name}`);
  try {
    await files.mkdir(request.root, { recursive: true });
    await removeLeftovers(files, request.root);
    await files.mkdir(aside);
    const facts: Record<string, FileFacts> = {};
    for (const file of tensorFileNames) {
      const tensors = request.stored
        .filter((tensor) => fileOf(tensor.role) === file)
        .map((tensor): TensorSource => ({ name: tensor.key, shape: tensor.shape, read: () => request.read(tensor) }));
      const stream = counted(safetensorsBytes(tensors));
      await writeSynced(files, join(aside, file), stream.parts);
      facts[file] = stream.facts();
    }
    const manifest: CheckpointManifest = { format: 1, ...request.manifest, files: facts as CheckpointManifest["files"] };
    await writeSynced(files, join(aside, manifestName), [jsonBytes(manifest)]);
    await syncFolder(files, aside);
    await putInPlace(files, aside, folder, request.root, name);
    await replaceFile(files, join(request.root, latestName), [new TextEncoder().encode(`${name}\n`)]);
  } catch (error) {
    await files.rm(aside, { recursive: true, force: true }).catch(() => undefined);
    // Only the system's refusals have a code; anything else is a failure of the device or a fault of ours, which others report.
    if (codeOf(error) === "") throw error;
    return writeError(`checkpoint ${name}`, folder, error);
  }
  if (request.keepLast !== null) await removeOld(files, request.root, request.keepLast, name);
  return good(folder);
}

async function putInPlace(files: Files, aside: string, folder: string, root: string, name: string): Promise<void> {
  try {
    await files.rename(aside, folder);
  } catch (error) {
    if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "EEXIST" && codeOf(error) !== "EPERM") throw error;
    // A run that was resumed from an earlier checkpoint comes past this number again.
    const replaced = join(root, `.replaced-${name}`);
    await files.rename(folder, replaced);
    try {
      await files.rename(aside, folder);
    } catch (later) {
      await files.rename(replaced, folder);
      throw later;
    }
    await files.rm(replaced, { recursive: true, force: true });
  }
  await syncFolder(files, root);
}

/** Removes what a crash left behind; a checkpoint that was about to be replaced, and was not, comes back. */
async function removeLeftovers(files: Files, root: string): Promise<void> {
  const entries = await files.readdir(root);
  for (const entry of entries) {
    const replaced = /^\.replaced-(\d+)$/.exec(entry)?.[1];
    if (replaced !== undefined && !entries.includes(replaced)) await files.rename(join(root, entry), join(root, replaced));
    else if (/^\.(partial|removed|replaced)-/.test(entry)) await files.rm(join(root, entry), { recursive: true, force: true });
  }
}

/** Removes the oldest, by number. A checkpoint that cannot be removed is left: saving has succeeded. */
async function removeOld(files: Files, root: string, keepLast: number, saved: string): Promise<void> {
  const others = (await numberedFolders(files, root)).filter((name) => name !== saved);
  for (const name of others.slice(0, Math.max(0, others.length - Math.max(1, keepLast) + 1))) {
    const removed = join(root, `.removed-${name}`);
    try {
      // Renamed first: a folder with a number for a name is always whole.
      await files.rename(join(root, name), removed);
      await files.rm(removed, { recursive: true, force: true });
    } catch (error) {
      if (codeOf(error) === "") throw error;
    }
  }
}

async function numberedFolders(files: Files, root: string): Promise<string[]> {
  return (await files.readdir(root)).filter((entry) => /^\d+$/.test(entry)).sort((a, b) => Number(a) - Number(b));
}

/** The folder of the checkpoint that `path` means: a checkpoint itself, or a run folder or its `checkpoints`, of which the latest. */
export async function findCheckpoint(path: string, files: Files = realFiles): Promise<Checked<string>> {
  const entries = async (folder: string): Promise<Checked<string[]>> => {
    try {
      return good(await files.readdir(folder));
    } catch (error) {
      return codeOf(error) === "ENOENT"
        ? fail("missing", `there is no folder ${folder}`, "give a run folder (runs/NAME-N) or one of its checkpoints")
        : readError(folder, error);
    }
  };
  const top = await entries(path);
  if (!top.ok) return top;
  if (top.value.includes("model.safetensors")) return good(path);
  const root = top.value.includes("checkpoints") ? join(path, "checkpoints") : path;
  const inside = await entries(root);
  if (!inside.ok) return inside;
  const numbered = await numberedFolders(files, root);
  let latest = numbered.at(-1);
  if (inside.value.includes(latestName)) {
    try {
      const named = new TextDecoder().decode(await files.readFile(join(root, latestName))).trim();
      if (numbered.includes(named)) latest = named;
    } catch (error) {
      return readError(join(root, latestName), error);
    }
  }
  if (latest === undefined)
    return fail(
      "missing",
      `${path} holds no finished checkpoint`,
      "the run was stopped before its first one: start it again without --resume",
    );
  return good(join(root, latest));
}

export interface OpenedCheckpoint {
  readonly folder: string;
  readonly manifest: CheckpointManifest;
  readonly model: TensorFile;
  readonly optimizer: TensorFile;
  close(): Promise<void>;
}

/** Opens a checkpoint and verifies every byte of it against its manifest. */
export async function openCheckpoint(folder: string, files: Files = realFiles): Promise<Checked<OpenedCheckpoint>> {
  const opened = await openVerified(folder, files);
  return opened.ok ? opened : { ok: false, error: await withEarlier(opened.error, folder, files) };
}

async function openVerified(folder: string, files: Files): Promise<Checked<OpenedCheckpoint>> {
  const manifest = await readManifest(folder, files);
  if (!manifest.ok) return manifest;
  for (const name of tensorFileNames) {
    const path = join(folder, name);
    const said = manifest.value.files[name];
    let found: FileFacts;
    try {
      found = await fileFacts(files, path);
    } catch (error) {
      return readError(path, error);
    }
    if (found.bytes < said.bytes)
      return fail("truncated", `${path} is truncated: ${found.bytes} of ${said.bytes} bytes are there`, "use an earlier checkpoint");
    if (found.bytes !== said.bytes || found.sha256 !== said.sha256)
      return fail(
        "damaged",
        `${path} is not the file that was saved: its SHA-256 differs from the manifest's`,
        "use an earlier checkpoint",
      );
  }
  const model = await openSafetensors(join(folder, "model.safetensors"), files);
  if (!model.ok) return model;
  const optimizer = await openSafetensors(join(folder, "optimizer.safetensors"), files);
  if (!optimizer.ok) {
    await model.value.close();
    return optimizer;
  }
  return good({
    folder,
    manifest: manifest.value,
    model: model.value,
    optimizer: optimizer.value,
    close: async () => {
      await model.value.close();
      await optimizer.value.close();
    },
  });
}

/** Adds to an error which earlier checkpoint of the same run can be used instead. */
async function withEarlier(error: CheckpointError, folder: string, files: Files): Promise<CheckpointError> {
  const root = join(folder, "..");
  const own = Number(basename(folder));
  const names = await numberedFolders(files, root).catch(() => []);
  for (const name of names.filter((candidate) => Number(candidate) < own).reverse()) {
    const earlier = await openVerified(join(root, name), files);
    if (!earlier.ok) continue;
    await earlier.value.close();
    return { ...error, help: `an earlier one is whole: --resume ${join(root, name)}` };
  }
  return error;
}

async function readManifest(folder: string, files: Files): Promise<Checked<CheckpointManifest>> {
  const path = join(folder, manifestName);
  let text: string;
  try {
    text = new TextDecoder().decode(await files.readFile(path));
  } catch (error) {
    return readError(path, error);
  }
  let manifest: CheckpointManifest;
  try {
    manifest = JSON.parse(text) as CheckpointManifest;
  } catch {
    return fail("truncated", `${path} is not whole: it is not JSON`, "use an earlier checkpoint");
  }
  if (manifest.format !== 1)
    return fail(
      "damaged",
      `${path} has the format ${String(manifest.format)}; this version reads format 1`,
      "use the version of adac that wrote it",
    );
  const lacks = (["sourceHash", "counters", "settings", "files", "log"] as const).filter((key) => typeof manifest[key] === "undefined");
  if (lacks.length > 0 || tensorFileNames.some((name) => typeof manifest.files[name]?.sha256 !== "string"))
    return fail("damaged", `${path} lacks ${lacks[0] ?? "the hashes of its files"}`, "use an earlier checkpoint");
  return good(manifest);
}

/** Says how the program that made a checkpoint differs from this plan; null when it is the same. */
export function programDifference(checkpoint: OpenedCheckpoint, program: TrainPlan): CheckpointError | null {
  const { manifest } = checkpoint;
  if (manifest.sourceHash === program.sourceHash && manifest.program === program.name) return null;
  const differences: string[] = [];
  if (manifest.program !== program.name) differences.push(`it trains ${manifest.program}, this program trains ${program.name}`);
  const was = manifest.settings as unknown as Record<string, unknown>;
  const is = program.settings as unknown as Record<string, unknown>;
  for (const name of new Set([...Object.keys(was), ...Object.keys(is)]))
    if (was[name] !== is[name]) differences.push(`${settingName(name)} was ${String(was[name])} and is ${String(is[name])}`);
  const shapes = new Map(
    [...checkpoint.model.tensors.values(), ...checkpoint.optimizer.tensors.values()].map((entry) => [entry.name, entry.shape.join(" x ")]),
  );
  const mine = new Map(program.stored.map((tensor) => [tensor.key, tensor.shape.join(" x ")]));
  const extra = [...shapes.keys()].filter((key) => !mine.has(key));
  const missing = [...mine.keys()].filter((key) => !shapes.has(key));
  if (missing.length > 0) differences.push(`it lacks ${some(missing)}`);
  if (extra.length > 0) differences.push(`it has ${some(extra)} besides`);
  for (const [key, shape] of mine)
    if (shapes.has(key) && shapes.get(key) !== shape) differences.push(`${key} was [${shapes.get(key)}] and is [${shape}]`);
  if (differences.length === 0)
    differences.push("settings and tensors are the same, but the text of the program or of an imported file has changed");
  const shown = differences.slice(0, 6);
  if (differences.length > shown.length) shown.push(`and ${differences.length - shown.length} more differences`);
  return {
    kind: "other program",
    message: `${checkpoint.folder} was made by another program: ${shown.join("; ")}`,
    help: "resume with the file and the --set values of the run's manifest.json, or start a new run",
  };
}

const settingName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const some = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;

/** Puts the tensors of a checkpoint, as f32 bytes, where a plan wants them. Everything is checked before anything is written. */
export async function loadTensors(
  checkpoint: OpenedCheckpoint,
  stored: readonly StoredTensor[],
  write: (tensor: StoredTensor, bytes: Uint8Array, offset: number) => void,
): Promise<Checked<number>> {
  const sourceOf = (tensor: StoredTensor) => (tensor.role === "optimizer" ? checkpoint.optimizer : checkpoint.model);
  for (const tensor of stored) {
    const entry = sourceOf(tensor).tensors.get(tensor.key);
    const wanted = `[${tensor.shape.join(", ")}]`;
    if (entry === undefined)
      return fail(
        "missing tensor",
        `${sourceOf(tensor).path} has no tensor ${tensor.key} ${wanted}`,
        "the checkpoint is of another program: use the one that made it",
      );
    if (!floatTypes.includes(entry.dtype) || entry.shape.join() !== tensor.shape.join())
      return fail(
        "wrong shape",
        `${tensor.key} is ${entry.dtype} [${entry.shape.join(", ")}] in ${checkpoint.folder}; the program needs F32 ${wanted}`,
        "the checkpoint is of another program: use the one that made it, or set the sizes it was made with",
      );
  }
  for (const tensor of stored) {
    let offset = 0;
    for await (const piece of readFloats(sourceOf(tensor), tensor.key)) {
      write(tensor, piece, offset);
      offset += piece.length;
    }
  }
  return good(stored.length);
}
