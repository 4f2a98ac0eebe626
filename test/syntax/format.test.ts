import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasErrors } from "../../dsl/diagnostics.ts";
import { parse } from "../../dsl/parse.ts";
import { packageRoot } from "../../dsl/source.ts";
import { formatted, keepsEverything } from "./keeps.ts";
import { everyConstruct, right } from "./programs.ts";
import { randomProgram } from "./randomPrograms.ts";

// What formatting keeps: the tree, the comments and their order, and itself.

describe("formatting keeps the tree and the comments, and itself", () => {
  test("random programs with random comments and line breaks", () => {
    let read = 0;
    let all = 0;
    fc.assert(
      fc.property(randomProgram, (text) => {
        all++;
        if (hasErrors(parse("random.ada", text).diagnostics)) return;
        read++;
        keepsEverything(text);
      }),
      { seed: 3, numRuns: 150 },
    );
    expect(read / all).toBeGreaterThan(0.5);
  });
  test("a program with every construct, with a break or a comment in any gap", () => {
    keepsEverything(everyConstruct);
    for (const text of right) keepsEverything(text);
    const words = everyConstruct.split(/(\s+)/);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(words.length - 1), fc.constantFrom("\n", " // x\n", "\n// y\n", "\n\n"))), (changes) => {
        const changed = [...words];
        for (const [at, gap] of changes) if (/^\s+$/.test(changed[at]!)) changed[at] = gap;
        const text = changed.join("");
        if (!hasErrors(parse("random.ada", text).diagnostics)) keepsEverything(text);
      }),
      { seed: 4, numRuns: 25 },
    );
  });
});

const root = packageRoot();
const shipped = ["std", "models", "pipelines"].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ada"))
    .map((file) => path.join(folder, file)),
);
describe("shipped programs stand as the formatter would write them", () => {
  test.each(shipped)("%s", (file) => {
    const text = readFileSync(path.join(root, file), "utf8");
    expect(formatted(text)).toBe(text);
    // Only a long text leaves no place for a break.
    for (const line of text.split("\n")) expect(line.replace(/ *\/\/.*$/, "").replace(/"[^"]{80,}"/, '""').length).toBeLessThanOrEqual(140);
  });
});
