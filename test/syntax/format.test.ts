import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { CstNode } from "chevrotain";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { astSections } from "../../dsl/astTable.ts";
import { hasErrors } from "../../dsl/diagnostics.ts";
import { adaParser } from "../../dsl/grammar.ts";
import { parse, readItems } from "../../dsl/parse.ts";
import { packageRoot } from "../../dsl/source.ts";
import { formatted, keepsEverything } from "./keeps.ts";
import { everyConstruct, right } from "./programs.ts";
import { randomProgram } from "./randomPrograms.ts";

const itemKinds = astSections
  .flatMap(({ declarations }) => declarations)
  .flatMap((one) => (one.row === "node" && one.item && one.kind !== "errorItem" ? [one.kind] : []))
  .sort();
/** The rules that a tree was read by. */
function rulesOf(node: CstNode, into: Set<string>): void {
  into.add(node.name);
  for (const part of Object.values(node.children).flat()) if ("children" in part) rulesOf(part, into);
}

// What formatting keeps: the tree, the comments and their order, and itself.

describe("formatting keeps the tree and the comments, and itself", () => {
  test("random programs with random comments and line breaks", () => {
    let read = 0;
    let all = 0;
    const items = new Set<string>();
    const rules = new Set<string>();
    fc.assert(
      fc.property(randomProgram, (text) => {
        all++;
        const { file, diagnostics } = parse("random.ada", text);
        if (hasErrors(diagnostics)) return;
        read++;
        for (const item of file.items) items.add(item.kind);
        for (const { tree } of readItems(text).items) rulesOf(tree, rules);
        keepsEverything(text);
      }),
      { seed: 3, numRuns: 250 },
    );
    expect(read / all).toBeGreaterThan(0.5);
    // Every kind of item, and every rule of the grammar, was among them.
    expect([...items].sort()).toEqual(itemKinds);
    expect(Object.keys(adaParser().getGAstProductions()).filter((rule) => !rules.has(rule))).toEqual([]);
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
