import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { diagnosticTable } from "../../dsl/diagnostics.ts";
import { loadProgram } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";

// Every code of the table has a recorded message, and every recorded message a code. The folders are those of the other tests here; `made`
// holds the messages about files that cannot be kept here, because they are too large or cannot be read.

const folder = path.dirname(fileURLToPath(import.meta.url));
const isUpdate = process.env.ADA_UPDATE_SNAPSHOTS !== undefined;

const made: readonly [name: string, main: string, other: { readonly text: string } | { readonly reason: string }][] = [
  ["file-too-large", 'import { a } from "./other.ada"\n', { text: `const a = 1\n${" ".repeat(4_000_000)}` }],
  ["unreadable", 'import { a } from "./other.ada"\n', { reason: "permission denied" }],
];
describe("files that cannot be kept", () => {
  test.each(made)("%s", (name, main, other) => {
    const program = loadProgram("main.ada", {
      projectRoot: "/project",
      stdRoot: "/std",
      exists: () => true,
      readFile: (absolute) => (absolute.endsWith("main.ada") ? { text: main } : absolute.endsWith("other.ada") ? other : { text: "" }),
    });
    const shown = `${renderDiagnostics(program.diagnostics.slice(0, 1), (id) => (id === "main.ada" ? main : undefined))}\n`;
    const expected = path.join(folder, "made", `${name}.out`);
    if (isUpdate || !existsSync(expected)) writeFileSync(expected, shown);
    expect(shown).toBe(readFileSync(expected, "utf8"));
  });
});

test("every code has a recorded message, and every message a code", () => {
  const texts = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".out"))
    .map((file) => readFileSync(path.join(folder, file), "utf8"));
  const shown = new Set(texts.flatMap((text) => [...text.matchAll(/^(?:error|warning) ([\w/-]+):/gm)].map(([, code]) => code)));
  expect([...shown].sort()).toEqual(Object.keys(diagnosticTable).sort());
});
