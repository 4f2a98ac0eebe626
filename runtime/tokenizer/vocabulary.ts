import { type Checked, fail, good } from "../checkpoint/files.ts";

// The vocabulary of a byte-pair encoding: 256 symbols for bytes, the same at the end of a word, one for each merge in its order, and the marks
// of begin and end. In: merges, and ids where a file gives them. Out: ranks and ids, looked at as a whole, so that encoding cannot fail.

export const wordEnd = "</w>";
export const beginMark = "<|startoftext|>";
export const endMark = "<|endoftext|>";

/** The letter that stands for each byte: itself where it prints, else one from U+0100 on. And the bytes in the order of their ids. */
const printing = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
const allBytes = Array.from({ length: 256 }, (_, byte) => byte);
const hidden = allBytes.filter((byte) => !printing(byte));
export const byteSymbols: readonly string[] = allBytes.map((byte) =>
  String.fromCharCode(printing(byte) ? byte : 256 + hidden.indexOf(byte)),
);
const baseSymbols: readonly string[] = [...allBytes.filter(printing), ...hidden].map((byte) => byteSymbols[byte]!);

export type Merge = readonly [left: string, right: string];

export interface Vocabulary {
  readonly merges: readonly Merge[];
  /** The rank of a merge, by `left right`. */
  readonly ranks: ReadonlyMap<string, number>;
  readonly ids: ReadonlyMap<string, number>;
  readonly begin: number;
  readonly end: number;
  /** Placeholders: texts that are one token each, found before anything is split. */
  readonly added: ReadonlyMap<string, number>;
}

/** The ids that follow from the merges alone. */
export function idsOfMerges(merges: readonly Merge[]): Map<string, number> {
  const symbols = [...baseSymbols, ...baseSymbols.map((symbol) => symbol + wordEnd), ...merges.map(([left, right]) => left + right)];
  return new Map([...symbols, beginMark, endMark].map((symbol, id) => [symbol, id]));
}

const help = "take the merges.txt and vocab.json of one text model";

/** A vocabulary in which every symbol that encoding can come to has an id; or what is wrong with it. */
export function makeVocabulary(
  path: string,
  merges: readonly Merge[],
  given: ReadonlyMap<string, number> | null,
  added: ReadonlyMap<string, number>,
): Checked<Vocabulary> {
  const bad = (why: string) => fail("damaged", `${path} is no vocabulary: ${why}`, help);
  const ids = given ?? idsOfMerges(merges);
  if (given === null && ids.size !== 512 + merges.length + 2) return bad("a merge makes a symbol that another one makes already");
  const ranks = new Map<string, number>();
  for (const [rank, [left, right]] of merges.entries()) {
    const pair = `${left} ${right}`;
    if (ranks.has(pair)) return bad(`the merge \`${pair}\` is there twice`);
    ranks.set(pair, rank);
    for (const symbol of [left, right, left + right])
      if (!ids.has(symbol)) return bad(`merge ${rank + 1} needs \`${symbol}\`, which has no id`);
  }
  for (const symbol of baseSymbols)
    for (const form of [symbol, symbol + wordEnd]) if (!ids.has(form)) return bad(`the byte symbol \`${form}\` has no id`);
  const seen = new Map<number, string>();
  for (const [symbol, id] of [...ids, ...added]) {
    if (!Number.isInteger(id) || id < 0 || id > 0x7fffffff) return bad(`\`${symbol}\` has the id ${id}`);
    const other = seen.get(id);
    if (other !== undefined && other !== symbol) return bad(`\`${other}\` and \`${symbol}\` both have the id ${id}`);
    seen.set(id, symbol);
  }
  const begin = ids.get(beginMark);
  const end = ids.get(endMark);
  if (begin === undefined || end === undefined) return bad(`${begin === undefined ? beginMark : endMark} has no id`);
  return good({ merges, ranks, ids, begin, end, added });
}
