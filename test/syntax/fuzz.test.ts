import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "../../dsl/parse.ts";
import { fuzzing } from "./fuzzing.ts";
import { everyConstruct } from "./programs.ts";
import { cpuMilliseconds, endsSafely, readsSafely, tokenTexts } from "./safely.ts";

const run = (runs: number) => ({ seed: 7, numRuns: runs });

describe("reading any text", () => {
  test("random characters", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 400 }), readsSafely), run(300));
  });
  test("token soup", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokenTexts), { maxLength: 300 }), (soup) => readsSafely(soup.join(" "))),
      run(400),
    );
  });
  test("every program, cut anywhere", () => {
    for (let end = 0; end < everyConstruct.length; end += 11) readsSafely(everyConstruct.slice(0, end));
    for (let start = 0; start < everyConstruct.length; start += 61) readsSafely(everyConstruct.slice(start));
  });
  test("every program, with a piece left out, doubled or replaced", () => {
    const place = fc.nat(everyConstruct.length);
    fc.assert(
      fc.property(place, fc.nat(30), fc.constantFrom("", ...tokenTexts), (at, length, instead) => {
        readsSafely(everyConstruct.slice(0, at) + instead + everyConstruct.slice(at + length));
      }),
      run(300),
    );
  });
  test("repetitions of one token stay quick", () => {
    for (const one of tokenTexts) readsSafely(`fn f() -> real { return ${`${one} `.repeat(3000)}`);
    for (const one of tokenTexts) readsSafely(`${one} `.repeat(3000));
    for (const one of ["a b, ", "( , ", "let x ", "let = 1 ", "f(a b) ", "[for ", "x = 1 ", "if { ", "fn f( "])
      readsSafely(`fn f() -> real { ${one.repeat(3000)}`);
  });
  test("a large program is read in linear time", () => {
    const time = (copies: number): number => {
      const text = everyConstruct.repeat(copies);
      const before = cpuMilliseconds();
      parse("big.ada", text);
      return cpuMilliseconds() - before;
    };
    time(2);
    expect(time(40)).toBeLessThan(40 * (time(4) / 4) * 4 + 200);
  });
});

describe("reading, checking and formatting any text", () => {
  test.each(fuzzing)("%s", (_, texts, test) => {
    fc.assert(fc.property(texts, test), run(25));
  });
  test("deep nesting and huge numbers get a message", () => {
    const deep = [
      ...["(", "[", "{ a: ", "f(", "x[", "- ", "not ", "if a { ", "fn() => ", "x |> ", "1 + "].map(
        (one) => `const a = ${one.repeat(3000)}1`,
      ),
      `type T = ${"List<".repeat(2000)}Int${">".repeat(2000)}`,
      `grammar g { a = ${"(".repeat(2000)}"x"${")".repeat(2000)} }`,
      `const a = ${"9".repeat(400)}`,
      "const a = 1e999",
      "const a = 9007199254740993",
      `fn f(x: real[n: ${"9".repeat(30)}]) -> real { return sum(x) }`,
      "fn f() -> real { return ones([n: 1e300]) |> sum }",
    ];
    for (const text of deep) endsSafely(text);
    const codes = new Set(deep.flatMap((text) => parse("deep.ada", text).diagnostics.map((one) => one.code)));
    expect(codes).toContain("syntax/too-deep");
    expect(codes).toContain("syntax/number-too-large");
  });
});
