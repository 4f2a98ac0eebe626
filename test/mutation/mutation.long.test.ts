import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../dsl/source.ts";
import { mutations } from "./mutations.ts";

// The suite notices when a rule is broken: each fault is put into a copy of the project, where the tests named for it must fail, and pass
// again without it.

const root = packageRoot();
const copy = mkdtempSync(path.join(tmpdir(), "ada-mutation-"));
for (const entry of [
  "dsl",
  "compiler",
  "runtime",
  "test",
  "std",
  "models",
  "pipelines",
  "tools",
  "package.json",
  "tsconfig.json",
  "vitest.config.ts",
]) {
  cpSync(path.join(root, entry), path.join(copy, entry), { recursive: true });
}
symlinkSync(path.join(root, "node_modules"), path.join(copy, "node_modules"));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function run(tests: readonly string[]): { readonly passed: boolean; readonly output: string } {
  const made = spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "--project", "pure", ...tests], {
    cwd: copy,
    encoding: "utf8",
  });
  return { passed: made.status === 0, output: `${made.stdout}${made.stderr}` };
}

describe.each(mutations)("$what", ({ file, from, to, tests }) => {
  it("is noticed", () => {
    const place = path.join(copy, file);
    const text = readFileSync(place, "utf8");
    expect(text.split(from).length).toBe(2);
    const before = run(tests);
    expect(before.passed, before.output).toBe(true);
    writeFileSync(place, text.replace(from, to));
    try {
      expect(run(tests).passed).toBe(false);
    } finally {
      writeFileSync(place, text);
    }
  });
});
