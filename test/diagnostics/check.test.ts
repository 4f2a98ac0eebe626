import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { checkTypes } from "../../dsl/check/index.ts";
import { resolveNames } from "../../dsl/names.ts";
import { loadProgram } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { diskHost } from "../../dsl/source.ts";

// Every message of the checker with the program that causes it: `check/x.ada` and `check/x.out`. Each program is readable and its names
// are right, so that all there is to say is about types.
// After changing a message on purpose: `ADA_UPDATE_SNAPSHOTS=1 npx vitest run test/diagnostics`, and read the difference.

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "check");
const host = { ...diskHost(folder, path.join(folder, "std")), workingFolder: folder };
const isUpdate = process.env.ADA_UPDATE_SNAPSHOTS !== undefined;
const cases = readdirSync(folder)
  .filter((file) => file.endsWith(".ada"))
  .sort();

function check(file: string) {
  const program = loadProgram(file, host);
  const { diagnostics } = checkTypes(program);
  const earlier = [...program.diagnostics, ...resolveNames(program).diagnostics];
  const show = (list: typeof diagnostics) => renderDiagnostics(list, (id) => program.files.get(id)?.text);
  return { earlier: show(earlier), shown: `${show(diagnostics)}\n` };
}

describe("messages", () => {
  test.each(cases)("%s", (file) => {
    const { shown, earlier } = check(file);
    expect(earlier).toBe("");
    const expected = path.join(folder, file.replace(/\.ada$/, ".out"));
    if (isUpdate || !existsSync(expected)) writeFileSync(expected, shown);
    expect(shown).toBe(readFileSync(expected, "utf8"));
    expect(shown.trim()).not.toBe("");
  });
});
