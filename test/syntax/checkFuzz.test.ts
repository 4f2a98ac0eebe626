import fc from "fast-check";
import { expect, test } from "vitest";
import { checkProgram } from "../../dsl/check/index.ts";
import { loadProgram } from "../../dsl/program.ts";
import { diagnosticsToJson, renderDiagnostics } from "../../dsl/render.ts";
import type { SourceHost } from "../../dsl/source.ts";
import { everyConstruct } from "./programs.ts";

// The whole way of `adac check`, from text to printed messages: whatever the text, it ends and throws nothing.

const prelude = "fn silu(x: real[...s]) -> real[...s] { return x / (1 + exp(-x)) }";
function hostOf(text: string): SourceHost {
  const files: Readonly<Record<string, string>> = {
    "/library/prelude.ada": prelude,
    "/library/nn.ada": "module Linear(out: Dim) {}",
    "/project/main.ada": text,
  };
  return {
    projectRoot: "/project",
    stdRoot: "/library",
    exists: (absolute) => absolute in files,
    readFile: (absolute) => (absolute in files ? { text: files[absolute]! } : { reason: "no such file" }),
  };
}
function checksSafely(text: string): void {
  const program = loadProgram("main.ada", hostOf(text));
  const diagnostics = checkProgram(program);
  const textOf = (file: string) => program.files.get(file)?.text;
  expect(renderDiagnostics(diagnostics, textOf)).not.toMatch(/undefined|NaN/);
  for (const one of diagnosticsToJson(diagnostics, textOf).diagnostics) {
    expect(one.start.line).toBeGreaterThan(0);
    expect(one.end.line).toBeGreaterThanOrEqual(one.start.line);
  }
}

test("programs with a piece left out, doubled or replaced", () => {
  const words = everyConstruct.match(/\w+|\S/g)!;
  fc.assert(
    fc.property(fc.nat(everyConstruct.length), fc.nat(40), fc.constantFrom("", ...words), (at, length, instead) => {
      checksSafely(everyConstruct.slice(0, at) + instead + everyConstruct.slice(at + length));
    }),
    { seed: 11, numRuns: 150 },
  );
});
test("programs whose words have changed places", () => {
  const words = everyConstruct.match(/\w+|\s+|[^\w\s]/g)!;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(words.length - 1), fc.nat(words.length - 1)), { minLength: 1, maxLength: 5 }), (swaps) => {
      const changed = [...words];
      for (const [a, b] of swaps) [changed[a], changed[b]] = [changed[b]!, changed[a]!];
      checksSafely(changed.join(""));
    }),
    { seed: 13, numRuns: 150 },
  );
});
