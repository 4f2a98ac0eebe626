import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { packageRoot } from "../dsl/source.ts";
import { checkFiles } from "./check.ts";
import { readConfig, readSettings } from "./config.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ada-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
const quickstart = path.join(packageRoot(), "pipelines", "quickstart.ada");
function config(text: string) {
  const file = path.join(folder, "a.yaml");
  writeFileSync(file, text);
  return readConfig(file, quickstart, false);
}

test("nested keys are joined, lists and numbers are written as --set takes them", () => {
  const text = "batch: 8\nquickstart: { seed: 3, save: 1_0 }\nname: a b\nlist: [1, 2.5, [true]]\n";
  expect(readSettings("a.yaml", text).given.map(({ key, value, span }) => [key, value, text.slice(span.start, span.end)])).toEqual([
    ["batch", "8", "batch"],
    ["quickstart.seed", "3", "seed"],
    ["quickstart.save", "1_0", "save"],
    ["name", "a b", "name"],
    ["list", "[1,2.5,[true]]", "list"],
  ]);
  expect(readSettings("a.yaml", "# nothing\n")).toEqual({ given: [], diagnostics: [] });
});
test("what fits the program is taken", () => {
  expect(config("quickstart:\n  batch: 8\nsubjects: 12\n")).toEqual({ ok: true, overrides: { "quickstart.batch": "8", subjects: "12" } });
});
test("what does not is reported where it stands", () => {
  expect(config("quickstart:\n  batch: 8\nsubject: 12\n")).toMatchObject({
    ok: false,
    status: 1,
    text: expect.stringContaining("a.yaml:3:1"),
  });
  expect(config("subjects: many\n")).toMatchObject({ ok: false, text: expect.stringContaining("it is a number, and `many` is a text") });
  expect(readConfig(path.join(folder, "none.yaml"), quickstart, false)).toMatchObject({ ok: false, status: 2 });
});
test("adac check knows --set", () => {
  const plain = { json: false, colour: false };
  expect(checkFiles([quickstart], { ...plain, overrides: { batch: "8", subjects: "3" } }).status).toBe(0);
  expect(checkFiles([quickstart], { ...plain, overrides: { bacth: "8" } })).toMatchObject({
    status: 1,
    output: expect.stringContaining("did you mean `batch`?"),
  });
});
