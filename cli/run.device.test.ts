import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PlanDataset } from "../compiler/plan/plan.ts";
import { linearRegression, type RegressionSettings, targetOf } from "../test/plans/linearRegression.ts";
import { regressionEvaluation } from "../test/plans/regressionEvaluation.ts";
import { evalCommand } from "./eval.ts";
import type { CompileFile } from "./job.ts";
import { type RunRequest, runCommand } from "./run.ts";
import { keptStreams } from "./streams.testing.ts";

// The commands from end to end, on plans written by hand, so that this tier does not wait for the compiler.

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-run-"));
  for (let person = 0; person < 3; person++)
    for (let view = 0; view < 3; view++) {
      const grey = [20, 20, 20, 20].map((level, k) => level + (k === person ? 200 : 0) + 3 * view);
      await mkdir(join(folder, "faces", `p${person}`), { recursive: true });
      await sharp(Uint8Array.from(grey), { raw: { width: 2, height: 2, channels: 1 } })
        .png()
        .toFile(join(folder, "faces", `p${person}`, `${view}.png`));
    }
});
afterEach(() => rm(folder, { recursive: true }));

function compiler(changes: Partial<RegressionSettings> = {}): CompileFile {
  const here = (spec: PlanDataset): PlanDataset => ({ ...spec, source: { ...spec.source, root: join(folder, "faces") } });
  return ({ adapter, overrides }) => {
    const train = linearRegression(targetOf(adapter), {
      ...changes,
      ...(overrides.lr === undefined ? {} : { lr: Number(overrides.lr), sourceHash: "f".repeat(64) }),
    });
    const evaluation = regressionEvaluation(targetOf(adapter));
    const dataset = evaluation.program.dataset!;
    return {
      ok: true,
      trains: [{ ...train, program: { ...train.program, datasets: train.program.datasets.map((d) => ({ ...d, spec: here(d.spec) })) } }],
      walks: [],
      evaluations: [{ ...evaluation, program: { ...evaluation.program, dataset: { ...dataset, spec: here(dataset.spec) } } }],
    };
  };
}
async function run(changes: Partial<RunRequest> = {}, compile = compiler()) {
  const s = keptStreams();
  const status = await runCommand({ file: "regression.ada", out: join(folder, "runs"), streams: s, ...changes }, compile);
  return { status, ...s.written };
}
const json = async (path: string) => JSON.parse(await readFile(path, "utf8"));
const bytes = (...path: string[]) => readFile(join(folder, ...path));

describe("adac run", () => {
  it("trains, evaluates, reports, and says where", async () => {
    const { status, out, err } = await run();
    expect(err).not.toContain("error");
    expect(status).toBe(0);
    const made = join(folder, "runs", "regression-1");
    expect(out).toContain(`run: ${made}\n`);
    expect(out).toMatch(/held_out: auc [01]\.\d{4} \(eer /);
    expect((await readdir(made)).sort()).toEqual([
      "checkpoints",
      "events.out.tfevents.ada",
      "held_out.json",
      "manifest.json",
      "metrics.jsonl",
      "report.html",
      "report.json",
    ]);
    expect(await json(join(made, "manifest.json"))).toMatchObject({
      block: "regression",
      status: "finished",
      microSteps: 24,
      file: "regression.ada",
    });
    const report = await json(join(made, "report.json"));
    // Nine pictures in batches of four: the filled-up rows of the last batch are dropped.
    expect(report.metrics).toMatchObject({ steps: 24, updates: 12, "auc/same_pairs": 9, "auc/different_pairs": 27 });
    expect(report.metrics.auc).toBeGreaterThan(0.9);
    expect((await bytes("runs", "regression-1", "report.html")).toString()).toContain("data:image/png;base64,");
  });

  it("profiles what it has trained, and evaluates what was saved before", async () => {
    const plain = await run();
    const { status, out } = await run({ profile: true });
    expect(status).toBe(0);
    const profile = await json(join(folder, "runs", "regression-2", "profile.json"));
    expect(profile.peak.flops).toBeGreaterThan(1e8);
    expect(profile.peak.bytes).toBeGreaterThan(1e7);
    expect(profile.data).toMatchObject({ microSteps: 24 });
    for (const leg of profile.legs) {
      const sum = (rows: readonly { readonly ms: number }[]): number => rows.reduce((total, row) => total + row.ms, 0);
      expect(sum(leg.lines)).toBeCloseTo(leg.totalMs, 6);
      expect(sum(leg.rows)).toBeCloseTo(leg.totalMs, 6);
    }
    expect(profile.legs.map((leg: { readonly leg: string }) => leg.leg)).toContain("update");
    expect(out).toMatch(/profile of regression-2 on .*: [\d.]+ Gflop\/s and [\d.]+ GB\/s at most/);
    const held = (text: string): string => text.split("\n").find((line) => line.startsWith("held_out"))!;
    expect(held(out)).toBe(held(plain.out));
  });

  it("goes on where a run was stopped, with the settings it was started with, to the same bytes", async () => {
    await run({ overrides: { lr: "0.04" } });
    expect(await run({ overrides: { lr: "0.04" }, steps: 8 })).toMatchObject({ status: 0 });
    const second = join(folder, "runs", "regression-2");
    const resumed = await run({ resume: second });
    expect(resumed.err).toContain("going on from micro-step 8");
    expect(resumed.status).toBe(0);
    for (const name of ["model.safetensors", "optimizer.safetensors", "manifest.json"])
      expect(
        (await bytes("runs", "regression-2", "checkpoints", "000012", name)).equals(
          await bytes("runs", "regression-1", "checkpoints", "000012", name),
        ),
      ).toBe(true);
  });

  it("stops when asked to, saves, and says how to go on", async () => {
    const stop = new AbortController();
    stop.abort();
    const { status, out } = await run({ signal: stop.signal });
    expect(status).toBe(0);
    expect(out).toMatch(/stopped after micro-step 0 and saved; go on with: adac run regression.ada --resume .*regression-1/);
    expect(await json(join(folder, "runs", "regression-1", "manifest.json"))).toMatchObject({ status: "stopped" });
  });

  it("says what is wrong with a truncated checkpoint and which earlier one to take", async () => {
    await run();
    const made = join(folder, "runs", "regression-1");
    await truncate(join(made, "checkpoints", "000012", "model.safetensors"), 50);
    const { status, err } = await run({ resume: made });
    expect(status).toBe(1);
    expect(err).toMatch(
      /error: .*000012.model.safetensors is truncated: 50 of \d+ bytes are there\nhelp: an earlier one is whole: --resume .*000008/,
    );
    expect((await run({ resume: join(made, "checkpoints", "000008") })).status).toBe(0);
  });

  it("refuses to go on with another program", async () => {
    await run();
    const { status, err } = await run({ resume: join(folder, "runs", "regression-1"), overrides: { lr: "0.1" } });
    expect(status).toBe(1);
    expect(err).toMatch(/was made by another program: settings and tensors are the same, but the text .* has changed/);
  });

  it("names a broken picture and goes on without it, and counts it nowhere", async () => {
    await truncate(join(folder, "faces", "p1", "1.png"), 40);
    const { status, err } = await run();
    expect(status).toBe(0);
    expect(err).toMatch(/passed over .*p1.1\.png/);
    const report = await json(join(folder, "runs", "regression-1", "report.json"));
    expect(report.metrics).toMatchObject({ "auc/same_pairs": 7, "auc/different_pairs": 21 });
  });

  it("explains wrong usage and a missing data set", async () => {
    expect(await run({ block: "elsewhere" })).toMatchObject({
      status: 2,
      err: expect.stringContaining("has no train block elsewhere\nhelp: it has: regression"),
    });
    expect(await run({ steps: 99 })).toMatchObject({ status: 2, err: expect.stringContaining("--set micro_steps=99") });
    expect(await run({ resume: join(folder, "nowhere") })).toMatchObject({ status: 1, err: expect.stringContaining("there is no folder") });
    await rm(join(folder, "faces"), { recursive: true });
    expect(await run()).toMatchObject({ status: 1, err: expect.stringMatching(/cannot read the folder .*faces: it does not exist/) });
    const refused: CompileFile = () => ({ ok: false, text: "a.ada:1:1: no" });
    expect(await run({}, refused)).toMatchObject({ status: 1, err: expect.stringContaining("a.ada:1:1: no\n") });
  });

  it("says when the run folder cannot be made", async () => {
    await writeFile(join(folder, "taken"), "");
    expect(await run({ out: join(folder, "taken") })).toMatchObject({
      status: 1,
      err: expect.stringContaining("the run folder could not be saved"),
    });
  });
});

describe("adac eval", () => {
  it("measures the latest run again and gives the numbers to scripts", async () => {
    await run();
    const before = await json(join(folder, "runs", "regression-1", "report.json"));
    const s = keptStreams();
    const status = await evalCommand({ file: "regression.ada", out: join(folder, "runs"), json: true, streams: s }, compiler());
    expect(s.written.err).not.toContain("error");
    expect(status).toBe(0);
    expect(JSON.parse(s.written.out).metrics.auc).toBe(before.metrics.auc);
    expect(await json(join(folder, "runs", "regression-1", "report.json"))).toEqual(before);
  });

  it("says that nothing was trained yet", async () => {
    const s = keptStreams();
    expect(await evalCommand({ file: "regression.ada", out: join(folder, "runs"), streams: s }, compiler())).toBe(1);
    expect(s.written.err).toContain("no run of regression in");
  });
});
