import type { Tokenizer } from "../../compiler/plan/prompt.ts";
import { cleanText } from "./cleanText.ts";
import { beginMark, byteSymbols, endMark, type Vocabulary, wordEnd } from "./vocabulary.ts";

// CLIP's byte-pair encoding. In: a vocabulary and a text. Out: ids, without the marks of begin and end. A text is cleaned, cut into words,
// and the symbols of each word are merged, best rank first, until no merge is left.

const pattern = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;
const fillerText = ",";
/** Words that are kept, so that a text of many words does not fill the memory. */
const mostKept = 100_000;

export interface BpeTokenizer extends Tokenizer {
  readonly vocabulary: Vocabulary;
  readonly decode: (ids: readonly number[]) => string;
  /** A text with its marks, cut or filled up to a length; `pad` is the tokenizer's own unless given. */
  readonly prompt: (text: string, length: number, pad?: number) => number[];
}

/** Symbols with each pair of neighbours `left right` as one. */
export function withMerged(symbols: readonly string[], left: string, right: string): readonly string[] {
  const next: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      next.push(left + right);
      i++;
    } else next.push(symbols[i]!);
  }
  return next;
}

/** The symbols of a word after all merges. */
function mergeSymbols(start: readonly string[], ranks: ReadonlyMap<string, number>): readonly string[] {
  let symbols = start;
  while (symbols.length > 1) {
    let best = Number.POSITIVE_INFINITY;
    let at = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = ranks.get(`${symbols[i]} ${symbols[i + 1]}`);
      if (rank !== undefined && rank < best) {
        best = rank;
        at = i;
      }
    }
    if (at < 0) break;
    symbols = withMerged(symbols, symbols[at]!, symbols[at + 1]!);
  }
  return symbols;
}

/** The symbols of a word before any merge; the last one ends the word. */
export function symbolsOf(word: string): string[] {
  const symbols = Array.from(new TextEncoder().encode(word), (byte) => byteSymbols[byte]!);
  symbols[symbols.length - 1] += wordEnd;
  return symbols;
}

/** The words of a cleaned text. */
export function wordsOf(text: string): readonly string[] {
  return text.match(pattern) ?? [];
}

/** A tokenizer for a vocabulary. */
export function createTokenizer(vocabulary: Vocabulary): BpeTokenizer {
  const { ids, ranks, begin, end, added } = vocabulary;
  const kept = new Map<string, readonly number[]>([
    [beginMark, [begin]],
    [endMark, [end]],
  ]);
  const wordIds = (word: string): readonly number[] => {
    const known = kept.get(word);
    if (known !== undefined) return known;
    const made = mergeSymbols(symbolsOf(word), ranks).map((symbol) => ids.get(symbol)!);
    if (kept.size < mostKept) kept.set(word, made);
    return made;
  };
  const plainIds = (text: string): number[] => wordsOf(cleanText(text)).flatMap(wordIds);
  // The longest placeholder wins: `z_10` is not `z_1` and a nought.
  const placeholders = [...added.keys()].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const escaped = placeholders.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const splitter = placeholders.length === 0 ? null : new RegExp(`(${escaped.join("|")})`, "u");
  const encode = (text: string): number[] =>
    splitter === null
      ? plainIds(text)
      : text.split(splitter).flatMap((part, i) => (i % 2 === 1 ? [added.get(part)!] : part === "" ? [] : plainIds(part)));
  const [filler] = plainIds(fillerText);
  const symbols = new Map([...ids, ...added].map(([symbol, id]) => [id, symbol]));
  const bytesOf = new Map(byteSymbols.map((symbol, byte) => [symbol, byte]));
  return {
    vocabulary,
    begin,
    end,
    pad: end,
    filler: filler!,
    encode,
    decode: (all) => {
      const text = all.map((id) => symbols.get(id) ?? "").join("");
      const bytes = Uint8Array.from([...text].flatMap((symbol) => bytesOf.get(symbol) ?? [...new TextEncoder().encode(symbol)]));
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes).replaceAll(wordEnd, " ");
    },
    prompt: (text, length, pad = end) => {
      const inner = encode(text).slice(0, length - 2);
      const all = [begin, ...inner, end];
      return [...all, ...new Array<number>(length - all.length).fill(pad)];
    },
  };
}
