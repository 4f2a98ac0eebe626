import { expect, test } from "vitest";
import { parse } from "./parse.ts";
import { isHardKeyword, keyword, tokenRows, tokenWords } from "./tokens.ts";

const keywords = (role: string): string[] => tokenRows.filter((row) => row.role === role).map((row) => row.text!);

test("no token stands twice in the table", () => {
  expect(new Set(tokenRows.map((row) => row.name)).size).toBe(tokenRows.length);
  const texts = tokenRows.flatMap((row) => row.text ?? []);
  expect(new Set(texts).size).toBe(texts.length);
});
test("a soft keyword is a name everywhere, a hard keyword nowhere", () => {
  for (const word of keywords("soft")) {
    expect(
      parse("t.ada", `const ${word} = 1\nfn f(${word}: Real) -> Real { let ${word} = ${word} + 1 return ${word} }`).diagnostics,
    ).toEqual([]);
    expect(isHardKeyword(word)).toBe(false);
  }
  for (const word of keywords("hard")) {
    expect(parse("t.ada", `const ${word} = 1`).diagnostics.length).toBeGreaterThan(0);
    expect(isHardKeyword(word)).toBe(true);
  }
});
test("after a dot and before a colon every word is a name", () => {
  for (const word of [...keywords("hard"), ...keywords("soft")]) {
    expect(parse("t.ada", `const a = x.${word}.y(${word}: 1)[${word}: 2]\nconst r = { ${word}: 1 }`).diagnostics).toEqual([]);
  }
});
test("a word that begins with a keyword is one word", () => {
  for (const word of [...keywords("hard"), ...keywords("soft")])
    expect(parse("t.ada", `const ${word}_x = ${word}s`).diagnostics).toEqual([]);
});
test("messages name tokens by their text or in words", () => {
  expect(tokenWords(keyword("let"))).toBe("`let`");
  for (const row of tokenRows) expect(row.text ?? row.words ?? row.role).toBeTruthy();
});
