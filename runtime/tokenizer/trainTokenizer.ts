import { join } from "node:path";
import { type Checked, type Files, good, realFiles, replaceFile, writeError } from "../checkpoint/files.ts";
import { cleanText } from "./cleanText.ts";
import { symbolsOf, withMerged, wordsOf } from "./tokenizer.ts";
import { idsOfMerges, type Merge } from "./vocabulary.ts";

// Learns a small vocabulary from texts: the pair of neighbours that is most frequent becomes a symbol, again and again. Among equals the pair
// that comes first in code-point order wins, so the result is a function of the texts alone.

interface Word {
  symbols: readonly string[];
  readonly count: number;
}

/** The merges that texts give, at most so many; fewer where no pair occurs twice. */
export function learnMerges(texts: Iterable<string>, most: number): Merge[] {
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of wordsOf(cleanText(text))) counts.set(word, (counts.get(word) ?? 0) + 1);
  const words: Word[] = [...counts].map(([word, count]) => ({ symbols: symbolsOf(word), count }));
  const pairs = new Map<string, number>();
  const places = new Map<string, Set<Word>>();
  const add = (word: Word, sign: 1 | -1): void => {
    for (let i = 0; i + 1 < word.symbols.length; i++) {
      const pair = `${word.symbols[i]} ${word.symbols[i + 1]}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + sign * word.count);
      if (sign < 0) continue;
      const known = places.get(pair);
      if (known) known.add(word);
      else places.set(pair, new Set([word]));
    }
  };
  for (const word of words) add(word, 1);
  const merges: Merge[] = [];
  const made = new Set<string>();
  while (merges.length < most) {
    let best: string | undefined;
    let highest = 1;
    for (const [pair, count] of pairs)
      if (count > highest || (count === highest && best !== undefined && pair < best)) {
        best = pair;
        highest = count;
      }
    if (best === undefined) break;
    const [left, right] = best.split(" ") as [string, string];
    pairs.delete(best);
    // `ab c` and `a bc` make one symbol; it has one id, and so one merge.
    if (made.has(left + right)) continue;
    made.add(left + right);
    merges.push([left, right]);
    for (const word of places.get(best) ?? []) {
      add(word, -1);
      word.symbols = withMerged(word.symbols, left, right);
      add(word, 1);
    }
    pairs.delete(best);
  }
  return merges;
}

/** Writes merges.txt and vocab.json into a folder; gives the number of ids. */
export async function writeVocabulary(folder: string, merges: readonly Merge[], files: Files = realFiles): Promise<Checked<number>> {
  const ids = idsOfMerges(merges);
  const bytes = (text: string) => [new TextEncoder().encode(text)];
  try {
    await files.mkdir(folder, { recursive: true });
    await replaceFile(files, join(folder, "vocab.json"), bytes(`${JSON.stringify(Object.fromEntries(ids), null, 1)}\n`));
    await replaceFile(
      files,
      join(folder, "merges.txt"),
      bytes(["#version: 0.2", ...merges.map(([left, right]) => `${left} ${right}`), ""].join("\n")),
    );
    return good(ids.size);
  } catch (error) {
    return writeError("the vocabulary", folder, error);
  }
}
