import { describe, expect, test } from "vitest";
import { format } from "./index.ts";

const formatted = (text: string): string => {
  const made = format("a.ada", text);
  if (!("text" in made)) throw new Error(made.diagnostics[0]!.message);
  return made.text;
};
/** Untidy text and how it is laid out. */
const examples: readonly [what: string, untidy: string, tidy: string][] = [
  [
    "columns of neighbours; a much longer name begins anew",
    "module M(){part a=Linear(1) part bcd=Linear(2) part a_very_long_name=Linear(3)\nparam weight:f32[n]\n\n\n\nparam b:f32[n]=0 when x}",
    [
      "module M() {",
      "  part a   = Linear(1)",
      "  part bcd = Linear(2)",
      "  part a_very_long_name = Linear(3)",
      "  param weight: f32[n]",
      "",
      "  param b: f32[n] = 0 when x",
      "}",
    ].join("\n"),
  ],
  [
    "a block of one statement stays on its line, one of two is opened",
    "fn f(x: real)->real{return -x**2+x[ h:0 .. 3 ]}\nfn g(x: real) -> real { let y = x return y }",
    "fn f(x: real) -> real { return -x ** 2 + x[h: 0..3] }\nfn g(x: real) -> real {\n  let y = x\n  return y\n}",
  ],
  [
    "settings stay on the author's lines",
    "train t{batch 4 seed 3\neach step : a\n  gradient clip(1) optimizer sgd(){**.bias( lr:0 ) a.{b , c}(lr: 1)}}",
    "train t {\n  batch 4  seed 3\n  each step: a\n  gradient clip(1)  optimizer sgd() { **.bias(lr: 0)  a.{b,c}(lr: 1) }\n}",
  ],
  [
    "comments",
    "const a = 1 // one\nconst bb = 2    // two\n// alone\n\n\n/// told\nconst c = [1, // first\n2]",
    "const a  = 1  // one\nconst bb = 2  // two\n// alone\n\n/// told\nconst c = [1,  // first\n           2]",
  ],
  [
    "long signatures break before the arrow, long calls behind a comma, long sums before a sign",
    `fn ${"f".repeat(60)}(${"x".repeat(50)}: real[n]) -> real[n, some_more: 3] {
      let a = call(${"a".repeat(70)}, ${"b".repeat(70)})
      return ${"a".repeat(70)} * 2 + ${"b".repeat(70)} * 3 }`,
    [
      `fn ${"f".repeat(60)}(${"x".repeat(50)}: real[n])`,
      "    -> real[n, some_more: 3] {",
      `  let a = call(${"a".repeat(70)},`,
      `               ${"b".repeat(70)})`,
      `  return ${"a".repeat(70)} * 2`,
      `      + ${"b".repeat(70)} * 3`,
      "}",
    ].join("\n"),
  ],
];
describe("layout", () => {
  test.each(examples)("%s", (_, untidy, tidy) => {
    expect(formatted(untidy)).toBe(`${tidy}\n`);
    expect(formatted(tidy)).toBe(`${tidy}\n`);
  });
  test("an empty file stays empty, a file of comments keeps them", () => {
    expect(formatted("\n\n")).toBe("");
    expect(formatted("\n// a\n\n\n// b")).toBe("// a\n\n// b\n");
  });
  test("a text with mistakes is answered with its diagnostics", () => {
    expect(format("a.ada", "const = 1")).toMatchObject({ diagnostics: [{ code: "syntax/unexpected" }] });
  });
  test("a line of ten thousand numbers is laid out quickly", () => {
    const made = formatted(`const a = [${"12345, ".repeat(10_000)}1]`);
    expect(Math.max(...made.split("\n").map((line) => line.length))).toBeLessThanOrEqual(140);
  });
});
