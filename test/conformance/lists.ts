import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { checkpointKeyLists } from "./lists/checkpointKeys.ts";
import { checkpointLists } from "./lists/checkpoints.ts";
import { onnxLists } from "./lists/onnx.ts";
import { tokenizerLists } from "./lists/tokenizer.ts";
import type { CaseResult } from "./result.ts";
import type { Prepare } from "./run.ts";

// Recordings that are lists of cases in one JSON file, without tensors beside it. Like cases they are found, never listed: what a file is
// follows from its `kind`.

/** A file of cases: where it lies, and what it says. */
export interface ListFile {
  readonly root: string;
  readonly folder: string;
  readonly name: string;
  readonly content: Readonly<Record<string, unknown>>;
}
/** One row per kind: runs all cases of a file. */
export type ListTable = Readonly<Record<string, (list: ListFile, prepare: Prepare) => AsyncIterable<CaseResult> | Iterable<CaseResult>>>;

const lists: ListTable = { ...tokenizerLists, ...checkpointLists, ...checkpointKeyLists, ...onnxLists };

export interface FoundList {
  readonly group: string;
  readonly kind: string;
  readonly run: (prepare: Prepare) => AsyncIterable<CaseResult> | Iterable<CaseResult>;
}

/** All lists under a folder of recordings. */
export function discoverLists(root: string): FoundList[] {
  const found: FoundList[] = [];
  for (const group of readdirSync(root).sort()) {
    const folder = path.join(root, group);
    if (!statSync(folder).isDirectory()) continue;
    for (const entry of readdirSync(folder).sort()) {
      if (!entry.endsWith(".json") || entry.endsWith(".index.json")) continue;
      const content = JSON.parse(readFileSync(path.join(folder, entry), "utf8")) as Record<string, unknown>;
      const run = typeof content.kind === "string" ? lists[content.kind] : undefined;
      if (!run) continue;
      const list: ListFile = { root, folder, name: path.basename(entry, ".json"), content };
      found.push({ group, kind: String(content.kind), run: (prepare) => run(list, prepare) });
    }
  }
  return found;
}
