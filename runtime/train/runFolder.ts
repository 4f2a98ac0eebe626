import { basename, dirname, join } from "node:path";
import type { TrainPlan } from "../../compiler/plan/plan.ts";
import {
  type Checked,
  codeOf,
  type Files,
  fail,
  good,
  jsonBytes,
  readError,
  realFiles,
  replaceFile,
  writeError,
} from "../checkpoint/files.ts";

// Run folders: `runs/<train block>-<n>`, each with what is needed to go on with it. The manifest says what was run and how it ended.

export interface RunManifest {
  readonly format: 1;
  /** The program, as the command named it. */
  readonly file: string;
  readonly block: string;
  /** `--set` values. */
  readonly overrides: Readonly<Record<string, string>>;
  /** Where the vocabulary lay, for programs with prompts. */
  readonly tokenizer?: string;
  readonly compiler: string;
  readonly sourceHash: string;
  readonly settings: TrainPlan["settings"];
  readonly adapter: { readonly name: string; readonly driver: string; readonly features: readonly string[] };
  readonly started: string; // ISO time
  readonly status: "running" | "finished" | "stopped" | "failed";
  /** How far the run came, and why it ended where it failed. */
  readonly microSteps: number | null;
  readonly failure: string | null;
}

const manifestName = "manifest.json";

/** Makes the next run folder of a train block. */
export async function createRunFolder(root: string, block: string, files: Files = realFiles): Promise<Checked<string>> {
  try {
    await files.mkdir(root, { recursive: true });
    const numbers = await runNumbers(root, block, files);
    // Another process may take a number at the same time: the one that makes the folder has it.
    for (let n = (numbers.at(-1) ?? 0) + 1; ; n++) {
      const folder = join(root, `${block}-${n}`);
      try {
        await files.mkdir(folder);
        return good(folder);
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw error;
      }
    }
  } catch (error) {
    if (codeOf(error) === "") throw error;
    return writeError("the run folder", root, error);
  }
}

async function runNumbers(root: string, block: string, files: Files): Promise<number[]> {
  const entries = await files.readdir(root);
  return entries
    .filter((entry) => entry.startsWith(`${block}-`) && /^\d+$/.test(entry.slice(block.length + 1)))
    .map((entry) => Number(entry.slice(block.length + 1)))
    .sort((a, b) => a - b);
}

/** The latest run of a train block that has a finished checkpoint. */
export async function latestRun(root: string, block: string, files: Files = realFiles): Promise<Checked<string>> {
  const numbers = await runNumbers(root, block, files).catch(() => []);
  for (const n of numbers.reverse()) {
    const folder = join(root, `${block}-${n}`);
    const checkpoints = await files.readdir(join(folder, "checkpoints")).catch(() => []);
    if (checkpoints.some((entry) => /^\d+$/.test(entry))) return good(folder);
  }
  return fail("missing", `no run of ${block} in ${root} has a checkpoint`, `train it first, or name a run folder`);
}

/** The run folder that a path given to `--resume` lies in: itself, its `checkpoints`, or one of them. */
export async function runFolderOf(path: string, files: Files = realFiles): Promise<Checked<string>> {
  const up = basename(path) === "checkpoints" ? dirname(path) : basename(dirname(path)) === "checkpoints" ? dirname(dirname(path)) : path;
  const entries = await files.readdir(up).catch((error: unknown) => error);
  if (!Array.isArray(entries))
    return codeOf(entries) === "ENOENT"
      ? fail("missing", `there is no folder ${up}`, "give a run folder, as in --resume runs/NAME-1")
      : readError(up, entries);
  if (!entries.includes(manifestName))
    return fail("missing", `${up} is no run folder: it has no ${manifestName}`, "give a run folder, as in --resume runs/NAME-1");
  return good(up);
}

export async function readRunManifest(folder: string, files: Files = realFiles): Promise<Checked<RunManifest>> {
  const path = join(folder, manifestName);
  let text: string;
  try {
    text = new TextDecoder().decode(await files.readFile(path));
  } catch (error) {
    return readError(path, error);
  }
  try {
    const manifest = JSON.parse(text) as RunManifest;
    if (manifest.format === 1 && typeof manifest.block === "string" && typeof manifest.overrides === "object") return good(manifest);
    return fail("damaged", `${path} is not the manifest of a run`, "give a run folder that adac has made");
  } catch {
    return fail("damaged", `${path} is not JSON`, "give a run folder that adac has made");
  }
}

export async function writeRunManifest(folder: string, manifest: RunManifest, files: Files = realFiles): Promise<Checked<string>> {
  const path = join(folder, manifestName);
  try {
    await replaceFile(files, path, [jsonBytes(manifest)]);
    return good(path);
  } catch (error) {
    return writeError("the manifest of the run", path, error);
  }
}
