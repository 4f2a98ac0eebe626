import { spawnSync } from "node:child_process";
import path from "node:path";
import { CommanderError } from "commander";
import { beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../dsl/source.ts";
import { commandLine } from "./commandLine.ts";

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
  // What it says about files in work elsewhere is the build's own matter; it writes what it can.
  spawnSync(process.execPath, [path.join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"], { cwd: root });
}, 120_000);

/** The words of the command line in this process, up to where a command would begin. */
async function usage(...words: string[]): Promise<{ out: string; err: string; ok: boolean }> {
  const written = { out: "", err: "" };
  const line = await commandLine(words, {
    writeOut: (text) => {
      written.out += text;
    },
    writeErr: (text) => {
      written.err += text;
    },
  });
  const error: unknown = await line.parseAsync(words, { from: "user" }).catch((thrown: unknown) => thrown);
  if (!(error instanceof CommanderError)) throw new Error(`${words.join(" ")} began to run`);
  return { ...written, ok: error.exitCode === 0 };
}

describe("the words of adac", () => {
  it.each([
    [],
    ["check"],
    ["fmt"],
    ["import-config"],
    ["compile"],
    ["plan"],
    ["run"],
    ["eval"],
    ["doctor"],
    ["quickstart"],
    ["test"],
    ["explain"],
  ])("show an example first in the help of %j", async (...words) => {
    expect(await usage(...words.flat(), "--help")).toMatchObject({ ok: true, err: "", out: expect.stringMatching(/^Example: adac /) });
  });
  it.each([
    [["chekc", "x.ada"], "Did you mean check?"],
    [["run", "--sett", "a=b", "x.ada"], "Did you mean --set?"],
    [["compile", "x.ada", "--emit", "plann"], "Allowed choices are"],
    [["run", "x.ada", "--steps", "many"], "a whole number is expected"],
    [["run", "x.ada", "--set", "batch"], "key=value"],
    [["check"], "missing required argument"],
  ])("refuse %j with a hint", async (words, hint) => {
    expect(await usage(...words)).toMatchObject({ ok: false, out: "", err: expect.stringContaining(hint) });
  });
});

describe("adac", () => {
  it.each([
    [["chekc", "x.ada"], "Did you mean check?"],
    [["data", "faces", "--out", "x"], "required option"],
    [["explain", "shape/axis-mismach"], "did you mean `shape/axis-mismatch`?"],
    [["plan", "no.ada"], 'no file "no.ada"'],
    [["plan", "pipelines/quickstart.ada", "--measure", "--target", "gpu"], "--measure"],
  ])("refuses %j with exit status 2 and a hint", (words, hint) => {
    const { status, out, err } = adac(...words);
    expect(err).toContain(hint);
    expect([status, out]).toEqual([2, ""]);
  });
  it("gives diagnostics the exit status 1, and programs without any the status 0", () => {
    expect(adac("check", "pipelines/quickstart.ada")).toMatchObject({ status: 0 });
    const wrong = adac("check", "--json", "test/diagnostics/check/kinds.ada");
    expect(wrong.status).toBe(1);
    expect(JSON.parse(wrong.out).diagnostics.length).toBeGreaterThan(3);
  });
  it("shows an example first in the help of data", () => {
    expect(adac("data", "--help")).toMatchObject({ status: 0, out: expect.stringMatching(/^Example: adac /) });
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
