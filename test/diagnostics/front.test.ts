import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { resolveNames } from "../../dsl/names.ts";
import { loadProgram } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { diskHost } from "../../dsl/source.ts";

// Every message of the front half (reading, imports, names) with the program that causes it: `front/x.ada` and `front/x.out`.
// After changing a message on purpose: `ADA_UPDATE_SNAPSHOTS=1 npx vitest run test/diagnostics`, and read the difference.

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "front");
const host = { ...diskHost(folder, path.join(folder, "std")), workingFolder: folder };
const isUpdate = process.env.ADA_UPDATE_SNAPSHOTS !== undefined;
const cases = readdirSync(folder)
  .filter((file) => file.endsWith(".ada"))
  .sort();

function check(file: string): string {
  const program = loadProgram(file, host);
  const diagnostics = [...program.diagnostics, ...resolveNames(program).diagnostics];
  const shown = renderDiagnostics(diagnostics, (id) => program.files.get(id)?.text);
  return `${shown.replaceAll(`${folder}${path.sep}`, "").replaceAll(folder, ".")}\n`;
}

describe("messages", () => {
  test.each(cases)("%s", (file) => {
    const shown = check(file);
    const expected = path.join(folder, file.replace(/\.ada$/, ".out"));
    if (isUpdate || !existsSync(expected)) writeFileSync(expected, shown);
    expect(shown).toBe(readFileSync(expected, "utf8"));
    expect(shown.trim()).not.toBe("");
  });
});
