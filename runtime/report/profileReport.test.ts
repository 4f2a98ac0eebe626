import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrainPlan } from "../../compiler/plan/plan.ts";
import {
  dataText,
  knownPeak,
  type ProfileOfRun,
  profiledLegs,
  profilePage,
  profileText,
  shareOfPeak,
  writeProfile,
} from "./profileReport.ts";

const peak = { flops: 100e9, bytes: 10e9 };
const work = { count: 2, ms: 4, flops: 200e6, bytesMoved: 4e6 };
const run: ProfileOfRun = {
  name: "small-1",
  adapter: { name: "<llvmpipe>", driver: "system" },
  peak,
  legs: [
    {
      leg: "learn.first",
      method: "host clock",
      totalMs: 5,
      rows: [
        { ...work, what: "conv 3x3 <16>", template: "contract", kernel: "abc" },
        { what: "copy", template: "transfer", kernel: null, count: 1, ms: 1, flops: 0, bytesMoved: 0 },
      ],
      templates: [{ template: "contract", count: 2, ms: 4 }],
      lines: [{ ...work, line: "std/nn.ada:24" }],
    },
  ],
  data: { microSteps: 10, waitedMs: 5, longestMs: 2, trainingMs: 1000 },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-profile-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a profile", () => {
  it("counts arithmetic or memory, whichever is the limit", () => {
    expect(shareOfPeak({ ms: 4, flops: 200e6, bytesMoved: 4e6 }, peak)).toBeCloseTo(0.5); // 50 of 100 Gflop/s, 1 of 10 GB/s
    expect(shareOfPeak({ ms: 1, flops: 1e6, bytesMoved: 8e6 }, peak)).toBeCloseTo(0.8);
    expect(shareOfPeak({ ms: 0, flops: 0, bytesMoved: 0 }, peak)).toBe(0);
  });
  it("is a table of kernels and one of lines, with the way it was measured", () => {
    const text = profileText(run);
    expect(text).toMatch(/100\.0 Gflop\/s and 10\.0 GB\/s at most/);
    expect(text).toMatch(/leg learn\.first: 5\.00 ms by the host's clock, each dispatch on its own/);
    expect(text).toMatch(/ 4\.00 +80\.0 % +2 +50\.0 +1\.0 +50\.0 % {2}conv 3x3 <16>\n/);
    expect(text).toMatch(/ 50\.0 % {2}std\/nn\.ada:24\n/);
    expect(profileText(run, 1)).toContain("and 1 more");
  });
  it("says whether loading keeps ahead", () => {
    expect(dataText(run.data)).toMatch(/^loading keeps ahead of the steps: .* 0\.5 % of the training/);
    expect(dataText({ ...run.data, waitedMs: 400 })).toMatch(/^the steps wait for loading: /);
  });
  it("is a page with nothing outside it, safe for any name", () => {
    const html = profilePage(run);
    expect(html).not.toMatch(/<llvmpipe>|<16>|src=|href=/);
    expect(html.match(/<tr>/g)).toHaveLength(2 + 2 + 1);
  });
  it("is kept in the run folder, and its peak is used again on the same adapter only", async () => {
    expect(await knownPeak(folder, run.adapter)).toBeNull();
    expect(await writeProfile(folder, run)).toMatchObject({ ok: true });
    expect(JSON.parse(await readFile(join(folder, "profile.json"), "utf8"))).toEqual(run);
    expect(await knownPeak(folder, run.adapter)).toEqual(peak);
    expect(await knownPeak(folder, { ...run.adapter, driver: "embedded" })).toBeNull();
    await writeFile(join(folder, "profile.json"), "{");
    expect(await knownPeak(folder, run.adapter)).toBeNull();
  });
  it("is about the dearest way of each step, what it waits for, and the update", () => {
    const way = (next: string, reads: readonly string[] = []) => ({
      key: [],
      first: `${next}.first`,
      next,
      minimises: true,
      reads: reads.map((leg) => ({ name: leg, leg, type: "bool" as const })),
    });
    const steps = [
      {
        name: "a",
        dataset: { binder: "x", setting: "x" },
        choices: [],
        alternatives: [way("a.0"), way("a.1", ["a.look"]), { ...way("a.2"), ended: "no" }],
      },
      { name: "b", dataset: { binder: "x", setting: "x" }, choices: [], alternatives: [way("b")] },
    ];
    const program = { steps, updateLeg: "update" } as unknown as TrainPlan;
    const flops: Readonly<Record<string, number>> = { "a.0": 1, "a.1": 2, "a.2": 3, b: 1 };
    expect(profiledLegs(program, (leg) => flops[leg] ?? 0)).toEqual(["a.look", "a.1", "b", "update"]);
  });
});
