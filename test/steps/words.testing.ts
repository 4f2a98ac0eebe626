import type { Tokenizer } from "../../compiler/plan/prompt.ts";

/** A tokenizer for tests: a word is a token, one of more than `short` letters several, so that the words of a prompt move its slots. */
export const wordTokenizer = (short: number, ofLong: readonly number[]): Tokenizer => ({
  begin: 1,
  end: 2,
  pad: 0,
  filler: 3,
  encode: (words) =>
    words
      .trim()
      .split(/\s+/)
      .flatMap((word) => (word.length > short ? ofLong : [4])),
});
