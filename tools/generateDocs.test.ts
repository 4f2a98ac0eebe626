import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { pageOf } from "../cli/explain.ts";
import { diagnosticTable } from "../dsl/diagnostics.ts";
import { packageRoot } from "../dsl/source.ts";
import { generatedDocs, stalePages } from "./generateDocs.ts";

const root = packageRoot();

describe("generated documentation (`npm run docs` writes it)", () => {
  const files = generatedDocs(root);
  test("is current", () => {
    const outdated = [...files].filter(
      ([file, text]) => !existsSync(path.join(root, file)) || readFileSync(path.join(root, file), "utf8") !== text,
    );
    expect(outdated.map(([file]) => file)).toEqual([]);
  });
  test("has no page of a code or rule that is gone", () => expect(stalePages(root, files)).toEqual([]));
  test("has the page that `adac explain` prints for every code", () => {
    for (const code of Object.keys(diagnosticTable)) expect(files.has(pageOf(code)), code).toBe(true);
  });
  test("leaves no placeholder unread", () => {
    for (const [file, text] of files)
      if (file.startsWith("spec/diagnostics/")) expect(text.split("## Example")[0], file).not.toMatch(/(?<!\\u)\{[a-z]+\}/);
  });
});
