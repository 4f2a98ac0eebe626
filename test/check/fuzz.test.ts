import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packageRoot } from "../../dsl/source.ts";
import { everyConstruct } from "../syntax/programs.ts";
import { checkText } from "./load.ts";

/** Processor time of this process: unlike the clock it does not count what other processes take. */
function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

// The checker ends and throws nothing, whatever is left of a program, and it does not take long.

const root = packageRoot();
const sources = ["std/nn.ada", "std/losses.ada", "std/optim.ada", "models/iresnet.ada", "pipelines/quickstart.ada"].map((file) =>
  readFileSync(path.join(root, file), "utf8").replaceAll("../models/", "./models/"),
);
const texts = [...sources, everyConstruct];
const words = texts.map((text) => text.match(/\w+|\s+|[^\w\s]/g)!);
const mostMilliseconds = 5_000;

function endsSoon(text: string): void {
  const start = cpuMilliseconds();
  for (const one of checkText(text).diagnostics) expect(one.message).not.toMatch(/undefined|NaN|\[object/);
  expect(cpuMilliseconds() - start).toBeLessThan(mostMilliseconds);
}

describe("any program", () => {
  test("truncated", () => {
    fc.assert(
      fc.property(fc.nat(texts.length - 1), fc.double({ min: 0, max: 1, noNaN: true }), (which, share) => {
        const text = texts[which]!;
        endsSoon(text.slice(0, Math.floor(share * text.length)));
      }),
      { seed: 5, numRuns: 50 },
    );
  });
  test("with words replaced by other words", () => {
    fc.assert(
      fc.property(fc.nat(texts.length - 1), fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 6 }), (which, swaps) => {
        const tokens = [...words[which]!];
        const names = tokens.filter((t) => /^\w/.test(t));
        for (const [at, from] of swaps) {
          let place = at % tokens.length;
          while (!/^\w/.test(tokens[place]!)) place = (place + 1) % tokens.length;
          tokens[place] = names[from % names.length]!;
        }
        endsSoon(tokens.join(""));
      }),
      { seed: 6, numRuns: 100 },
    );
  });
  test("with stretches left out or doubled", () => {
    fc.assert(
      fc.property(fc.nat(texts.length - 1), fc.nat(), fc.nat(60), fc.boolean(), (which, at, length, twice) => {
        const text = texts[which]!;
        const start = at % text.length;
        endsSoon(twice ? text.slice(0, start + length) + text.slice(start) : text.slice(0, start) + text.slice(start + length));
      }),
      { seed: 7, numRuns: 50 },
    );
  });
});

describe("programs made to take long", () => {
  const functions = (count: number, body: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => `fn f${i}(x: real[...s], over: Axes) -> real[...r] { return ${body(i)} }`).join("\n");
  test.each<[string, string]>([
    ["functions that call each other twice", functions(30, (i) => (i === 0 ? "sum(x, over)" : `f${i - 1}(x, over) + f${i - 1}(x, over)`))],
    [
      "functions that call themselves",
      "fn a(x: real[...s], over: Axes) -> real[...r] { return b(x, over) + b(x, over) }\nfn b(x: real[...s], over: Axes) -> real[...r] { return a(x, over) + a(x, over) }",
    ],
    [
      "a long chain of functions",
      Array.from({ length: 2000 }, (_, i) => `fn f${i}(x: real[n]) -> real[n] { return ${i === 1999 ? "x" : `f${i + 1}(x)`} }`).join("\n"),
    ],
    ["a long sum", `fn f(x: real[n]) -> real[n] { return ${Array.from({ length: 400 }, () => "x").join(" + ")} }`],
    [
      "sizes that grow",
      `fn f(h: Dim, w: Dim) -> Int {\n${Array.from({ length: 40 }, (_, i) => `let s${i} = ${i === 0 ? "h + w" : `s${i - 1} * (s${i - 1} + ${i})`}`).join("\n")}\nreturn s39 }`,
    ],
    [
      "choices in choices",
      `fn f(a: Int, b: Int) -> Int {\n${Array.from({ length: 20 }, (_, i) => `let s${i} = if a < ${i} { ${i === 0 ? "b" : `s${i - 1}`} } else { ${i === 0 ? "a" : `2 * s${i - 1}`} }`).join("\n")}\nreturn floor(s19 / 2) }`,
    ],
    [
      "loops in loops",
      "fn f(x: real[n]) -> real[n] { return sum([for a in 0..60: sum([for b in 0..60: sum([for c in 0..60: a * b * c * x])])]) }",
    ],
    [
      "closures that double",
      `fn f(x: real[n]) -> real[n] {\nlet g0 = fn(y) => y\n${Array.from({ length: 25 }, (_, i) => `let g${i + 1} = fn(y) => g${i}(g${i}(y))`).join("\n")}\nreturn g25(x) }`,
    ],
    [
      "values that double",
      `fn f(x: real[n]) -> real[n] {\nlet r0 = { a: x, b: x }\n${Array.from({ length: 40 }, (_, i) => `let r${i + 1} = { a: r${i}, b: (r${i}, [r${i}, r${i}]) }`).join("\n")}\nreturn r40.a.a.a }`,
    ],
    ["types that hold themselves", "type A = { a: B, b: B }\ntype B = { a: A, b: A }\nfn f(x: A) -> real { return 1 }"],
    [
      "types that double",
      `${Array.from({ length: 30 }, (_, i) => `type T${i} = { a: ${i === 0 ? "real[n]" : `T${i - 1}`}, b: ${i === 0 ? "real[n]" : `T${i - 1}`} }`).join("\n")}\nfn f(x: T29) -> real { return 1 }`,
    ],
  ])("%s", (_, text) => endsSoon(text));
});
