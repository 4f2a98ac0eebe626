import path from "node:path";
import { cleanText } from "../../../runtime/tokenizer/cleanText.ts";
import { openTokenizer } from "../../../runtime/tokenizer/readTokenizer.ts";
import type { BpeTokenizer } from "../../../runtime/tokenizer/tokenizer.ts";
import type { ListFile, ListTable } from "../lists.ts";
import { type CaseResult, judged } from "../result.ts";

// Recorded texts and their ids.

interface Encoded {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
  readonly clean: string;
}

async function tokenizerOf(list: ListFile): Promise<BpeTokenizer> {
  const { vocab_file: file } = list.content.config as { readonly vocab_file: string };
  const opened = await openTokenizer(path.join(list.root, file));
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

const compared = (what: string, found: unknown, wanted: unknown): string | null =>
  JSON.stringify(found) === JSON.stringify(wanted) ? null : `${what} is ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`;

async function* encodings(list: ListFile): AsyncGenerator<CaseResult> {
  const tokenizer = await tokenizerOf(list);
  for (const [i, { text, ids, decoded, clean }] of (list.content.cases as readonly Encoded[]).entries()) {
    const problem =
      compared("the cleaned text", cleanText(text), clean) ??
      compared("the list of ids", tokenizer.encode(text), ids) ??
      compared("the decoded text", tokenizer.decode(ids), decoded);
    yield judged(`${list.name}[${i}]`, problem && `${JSON.stringify(text)}: ${problem}`);
  }
}

async function* prompts(list: ListFile): AsyncGenerator<CaseResult> {
  const tokenizer = await tokenizerOf(list);
  const { max_length: length, pad_ids: pads } = list.content.config as {
    readonly max_length: number;
    readonly pad_ids: Readonly<Record<string, number>>;
  };
  for (const [i, one] of (list.content.cases as readonly Readonly<Record<string, unknown>>[]).entries())
    for (const [field, pad] of Object.entries(pads))
      yield judged(`${list.name}[${i}].${field}`, compared("the prompt", tokenizer.prompt(String(one.text), length, pad), one[field]));
}

export const tokenizerLists: ListTable = { clip_bpe: encodings, clip_prompt77: prompts };
