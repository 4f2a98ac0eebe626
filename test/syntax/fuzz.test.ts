import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "../../dsl/parse.ts";
import { tokenRows } from "../../dsl/tokens.ts";
import { everyConstruct } from "./programs.ts";

/** Processor time of this process: unlike the clock it does not count what other processes take. */
function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

// Whatever the text, reading it ends soon, throws nothing, and says where each mistake is.

const milliseconds = { base: 400, perKilobyte: 40 };

function readsSafely(text: string): void {
  const before = cpuMilliseconds();
  const { file, diagnostics } = parse("fuzz.ada", text);
  const spent = cpuMilliseconds() - before;
  expect(spent).toBeLessThan(milliseconds.base + (milliseconds.perKilobyte * text.length) / 1024);
  for (const one of diagnostics) {
    for (const span of [one.span, ...one.related.map((related) => related.span)]) {
      expect(span.file).toBe("fuzz.ada");
      expect(span.start).toBeGreaterThanOrEqual(0);
      expect(span.end).toBeGreaterThanOrEqual(span.start);
      expect(span.end).toBeLessThanOrEqual(text.length);
    }
    expect(one.message).not.toMatch(/undefined|NaN|internal/);
  }
  spansInside(file, text.length);
}

/** Every span of the tree lies within the text; a tree from a text with mistakes has no holes. */
function spansInside(root: unknown, length: number): void {
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const one = waiting.pop();
    if (Array.isArray(one)) waiting.push(...one);
    else if (typeof one === "object" && one !== null) {
      if ("start" in one && "end" in one) {
        const { start, end } = one as { start: number; end: number };
        if (!(start >= 0 && end >= start && end <= length)) throw new Error(`span ${start}..${end} outside of 0..${length}`);
      } else waiting.push(...Object.values(one));
    } else if (one === undefined) throw new Error("a field of the tree is undefined");
  }
}

const tokenTexts = [
  ...tokenRows.flatMap((row) => row.text ?? []),
  "x",
  "net",
  "1",
  "0.5",
  '"text"',
  "`a b -> (a b)`",
  "// c\n",
  "/// d\n",
  "\n",
  '"',
  "`",
  "#",
  "é",
];
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
