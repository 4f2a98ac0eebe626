import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { everyConstruct } from "../test/syntax/programs.ts";
import { generateAst, repositoryRoot } from "../tools/generateAst.ts";
import { astSections } from "./astTable.ts";
import { parse } from "./parse.ts";
import { type AnyNode, children, walk } from "./walk.ts";

test("ast.ts is what the table says", () => {
  const root = repositoryRoot();
  expect(readFileSync(path.join(root, "dsl", "ast.ts"), "utf8")).toBe(generateAst(root));
});

test("no kind is defined twice", () => {
  const kinds = astSections.flatMap((section) => section.declarations.flatMap((row) => (row.row === "node" ? [row.kind] : [])));
  expect(new Set(kinds).size).toBe(kinds.length);
});

test("walking reaches every node, and every node lies within its parent", () => {
  const { file } = parse("t.ada", everyConstruct);
  const reached = new Set<unknown>();
  walk(file, (node) => {
    reached.add(node);
    for (const child of children(node)) {
      expect(child.span.start).toBeGreaterThanOrEqual(node.span.start);
      expect(child.span.end).toBeLessThanOrEqual(node.span.end);
    }
    return undefined;
  });
  const missed: string[] = [];
  const search = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if (!Array.isArray(value) && "kind" in value && "span" in value && !reached.has(value)) missed.push((value as AnyNode).kind);
    Object.values(value).forEach(search);
  };
  search(file);
  expect(missed).toEqual([]);
  const kinds = new Set([...reached].map((node) => (node as AnyNode).kind));
  const known = astSections.flatMap((section) => section.declarations.flatMap((row) => (row.row === "node" ? [row.kind] : [])));
  expect(known.filter((kind) => !kinds.has(kind))).toEqual(["error", "errorItem"]);
});
