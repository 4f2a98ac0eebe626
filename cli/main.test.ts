import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../dsl/source.ts";

// The command line as a user meets it: the built program in a process of its own.

const root = packageRoot();
const main = path.join(root, "dist", "cli", "main.js");
const adac = (...words: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status, out: stdout, err: stderr };
};
beforeAll(() => {
  execFileSync(process.execPath, [path.join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"], { cwd: root });
}, 120_000);

describe("adac", () => {
  it("shows an example first in every help", () => {
    for (const words of [
      [],
      ["check"],
      ["compile"],
      ["plan"],
      ["run"],
      ["eval"],
      ["data"],
      ["data", "faces"],
      ["doctor"],
      ["quickstart"],
      ["explain"],
    ]) {
      const { status, out } = adac(...words, "--help");
      expect([words, status]).toEqual([words, 0]);
      expect(out).toMatch(/^Example: adac /);
    }
  });
  it.each([
    [["chekc", "x.ada"], "Did you mean check?"],
    [["run", "--sett", "a=b", "x.ada"], "Did you mean --set?"],
    [["compile", "x.ada", "--emit", "plann"], "Allowed choices are"],
    [["run", "x.ada", "--steps", "many"], "a whole number is expected"],
    [["run", "x.ada", "--set", "batch"], "key=value"],
    [["check"], "missing required argument"],
    [["data", "faces", "--out", "x"], "required option"],
    [["explain", "shape/axis-mismach"], "did you mean `shape/axis-mismatch`?"],
    [["check", "no.ada"], 'no file "no.ada"'],
    [["plan", "no.ada"], 'no file "no.ada"'],
    [["plan", "pipelines/quickstart.ada", "--measure", "--target", "gpu"], "--measure"],
  ])("refuses %j with exit status 2 and a hint", (words, hint) => {
    const { status, out, err } = adac(...words);
    expect(err).toContain(hint);
    expect([status, out]).toEqual([2, ""]);
  });
  it("gives diagnostics the exit status 1, and programs without any the status 0", () => {
    expect(adac("check", "pipelines/quickstart.ada")).toMatchObject({ status: 0 });
    expect(adac("check", "test/diagnostics/check/kinds.ada").status).toBe(1);
    expect(JSON.parse(adac("check", "--json", "test/diagnostics/check/kinds.ada").out).diagnostics.length).toBeGreaterThan(3);
  });
  it("explains a diagnostic", () => {
    expect(adac("explain", "shape/axis-mismatch")).toMatchObject({ status: 0, out: expect.stringContaining("# shape/axis-mismatch") });
  });
  it("gives scripts the cost of every step", () => {
    const rows = JSON.parse(adac("plan", "pipelines/quickstart.ada", "--json").out) as Record<string, unknown>[];
    expect(rows.map((row) => row.step)).toEqual(["recognise", "update", "held_out"]);
    for (const key of ["parameters", "peakBytes", "liveBytes", "dispatches", "uniqueKernels", "flops", "bytesMoved", "compileMs"])
      expect(
        rows.every((row) => typeof row[key] === "number"),
        key,
      ).toBe(true);
  });
});
