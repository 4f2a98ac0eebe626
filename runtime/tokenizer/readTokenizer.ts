import { basename, dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Checked, codeOf, type Files, fail, good, readError, realFiles } from "../checkpoint/files.ts";
import { type BpeTokenizer, createTokenizer } from "./tokenizer.ts";
import { type Merge, makeVocabulary } from "./vocabulary.ts";

// Reads a tokenizer from disk. In: a folder with merges.txt (and vocab.json, added_tokens.json), one of these files, or the merges alone, as
// published: a header line, then a merge in each line, gzipped or not. Out: a tokenizer, or what is wrong.

/** CLIP's published list goes on behind the merges that its vocabulary has. */
const clipMerges = 49_152 - 256 - 2;
const largestFile = 64 * 1024 * 1024;
const names = { merges: "merges.txt", ids: "vocab.json", added: "added_tokens.json" } as const;
const help = "give a folder with merges.txt and vocab.json, or bpe_simple_vocab_16e6.txt.gz";

/** Opens the tokenizer that lies at a path. */
export async function openTokenizer(path: string, files: Files = realFiles): Promise<Checked<BpeTokenizer>> {
  const isOne = Object.values(names).some((name) => name === basename(path));
  /** What lies in the folder, or beside one of its files. */
  let folder: string | null;
  let entries: readonly string[];
  try {
    folder = (await files.stat(path)).isDirectory() ? path : isOne ? dirname(path) : null;
    entries = folder === null ? [] : await files.readdir(folder);
  } catch (error) {
    return codeOf(error) === "ENOENT" ? fail("missing", `there is no tokenizer at ${path}`, help) : readError(path, error);
  }
  if (folder !== null && !entries.includes(names.merges)) return fail("missing", `the folder ${folder} holds no ${names.merges}`, help);
  const at = (name: string): string => join(folder ?? "", name);
  const mergesFile = folder === null ? path : at(names.merges);
  const merges = await readMerges(mergesFile, files);
  if (!merges.ok) return merges;
  const ids = entries.includes(names.ids) ? await readIds(at(names.ids), files) : good(null);
  if (!ids.ok) return ids;
  const added = entries.includes(names.added) ? await readIds(at(names.added), files) : good(new Map<string, number>());
  if (!added.ok) return added;
  const vocabulary = makeVocabulary(ids.value === null ? mergesFile : at(names.ids), merges.value, ids.value, added.value);
  return vocabulary.ok ? good(createTokenizer(vocabulary.value)) : vocabulary;
}

async function readText(path: string, files: Files): Promise<Checked<string>> {
  try {
    const { size } = await files.stat(path);
    if (size > largestFile) return fail("damaged", `${path} has ${size} bytes: that is no vocabulary`, help);
    const bytes = await files.readFile(path);
    const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, { maxOutputLength: largestFile }) : bytes;
    return good(new TextDecoder("utf-8", { fatal: true }).decode(plain));
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError || /^Z_/.test(codeOf(error)))
      return fail("damaged", `${path} is no vocabulary: it is not UTF-8 text, plain or gzipped`, help);
    return readError(path, error);
  }
}

async function readMerges(path: string, files: Files): Promise<Checked<readonly Merge[]>> {
  const text = await readText(path, files);
  if (!text.ok) return text;
  const lines = text.value.split(/\r?\n/).slice(1, clipMerges + 1);
  while (lines.at(-1) === "") lines.pop();
  const merges: Merge[] = [];
  for (const [i, line] of lines.entries()) {
    const [left, right, ...rest] = line.split(" ");
    if (!left || !right || rest.length > 0)
      return fail("damaged", `${path}:${i + 2}: a merge is two symbols with a space between, not \`${line.slice(0, 60)}\``, help);
    merges.push([left, right]);
  }
  return good(merges);
}

async function readIds(path: string, files: Files): Promise<Checked<ReadonlyMap<string, number>>> {
  const text = await readText(path, files);
  if (!text.ok) return text;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.value);
  } catch (error) {
    return fail("damaged", `${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, help);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    return fail("damaged", `${path} is no object of symbols and ids`, help);
  const wrong = Object.entries(parsed).find(([, id]) => typeof id !== "number");
  if (wrong) return fail("damaged", `${path}: \`${wrong[0].slice(0, 60)}\` has no number`, help);
  return good(new Map(Object.entries(parsed as Record<string, number>)));
}
