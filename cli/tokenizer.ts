import { readFile } from "node:fs/promises";
import { readError } from "../runtime/checkpoint/files.ts";
import { openTokenizer } from "../runtime/tokenizer/readTokenizer.ts";
import { learnMerges, writeVocabulary } from "../runtime/tokenizer/trainTokenizer.ts";
import { type Problem, problemText, processStreams, type Streams } from "./job.ts";

// `adac tokenizer`: makes a small vocabulary from texts, and shows what a vocabulary makes of a text.

export interface TrainTokenizerRequest {
  readonly files: readonly string[];
  readonly merges: number;
  readonly out: string;
  readonly streams?: Streams;
}

const failed = (streams: Streams, problem: Problem): number => {
  streams.err.write(problemText(problem));
  return 1;
};

/** Learns merges from the lines of files and writes the vocabulary; gives the exit status. */
export async function trainTokenizerCommand({ files, merges, out, streams = processStreams }: TrainTokenizerRequest): Promise<number> {
  const texts: string[] = [];
  for (const file of files) {
    try {
      texts.push(...(await readFile(file, "utf8")).split("\n"));
    } catch (error) {
      return failed(streams, readError(file, error).error);
    }
  }
  const learnt = learnMerges(texts, merges);
  const written = await writeVocabulary(out, learnt);
  if (!written.ok) return failed(streams, written.error);
  const fewer = learnt.length < merges ? ` (no further pair of symbols occurs twice)` : "";
  streams.out.write(`${out}: ${learnt.length} merges${fewer}, ${written.value} ids; use it with --tokenizer ${out}\n`);
  return 0;
}

export interface EncodeRequest {
  readonly tokenizer: string;
  readonly texts: readonly string[];
  readonly json?: boolean;
  readonly streams?: Streams;
}

/** Prints the ids of texts, without the marks of begin and end; gives the exit status. */
export async function encodeCommand({ tokenizer, texts, json, streams = processStreams }: EncodeRequest): Promise<number> {
  const opened = await openTokenizer(tokenizer);
  if (!opened.ok) return failed(streams, opened.error);
  const rows = texts.map((text) => {
    const ids = opened.value.encode(text);
    return { text, ids, tokens: ids.map((id) => opened.value.decode([id])) };
  });
  if (json) streams.out.write(`${JSON.stringify(rows)}\n`);
  else for (const { ids, tokens } of rows) streams.out.write(`${ids.map((id, i) => `${id} ${JSON.stringify(tokens[i])}`).join("  ")}\n`);
  return 0;
}
