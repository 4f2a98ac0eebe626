import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { resolveNames } from "../../dsl/names.ts";
import { parse } from "../../dsl/parse.ts";
import { loadProgram } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { diskHost, packageRoot } from "../../dsl/source.ts";

// The programs that ship with the compiler are read without a complaint.

const root = packageRoot();
const files = ["std", "models", "pipelines"].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ada"))
    .map((file) => path.join(folder, file)),
);

test("there are programs", () => expect(files.length).toBeGreaterThan(0));
describe("shipped programs", () => {
  test.each(files)("%s", (file) => {
    expect(parse(file, readFileSync(path.join(root, file), "utf8")).diagnostics).toEqual([]);
    const program = loadProgram(file, { ...diskHost(root), workingFolder: root });
    const diagnostics = [...program.diagnostics, ...resolveNames(program).diagnostics];
    expect(renderDiagnostics(diagnostics, (id) => program.files.get(id)?.text)).toBe("");
  });
});
