import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { compilerVersion } from "../compiler/planBuilder.ts";
import { nothingTuned, printTuned, tunedKey, withFound } from "../runtime/tune/cache.ts";
import { namedTargets } from "./target.ts";
import { readTuned, schedulesFor, schedulesForTarget } from "./tuned.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tuned-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, "tuned.json");
const adapter = {
  name: "a",
  vendor: "v",
  architecture: "x",
  description: "d",
  driver: "system",
  isSoftware: true,
  adapterClass: "cpu-subgroups",
  subgroupSize: 8,
  features: [],
  limits: {},
  cheapTextureLoads: true,
} as const;
const found = { "map items=4 types=f32": { schedule: { kind: "map", workgroup: 8, perInvocation: 1 }, ms: 1, defaultMs: 1 } };

test("a file that is not there is empty, without a word", () => {
  const warnings: string[] = [];
  expect(readTuned(path.join(folder, "none.json"), (w) => warnings.push(w))).toEqual(nothingTuned);
  expect(warnings).toEqual([]);
});

test("a damaged file is a warning that says what is wrong and what helps, and defaults", () => {
  writeFileSync(file, printTuned(withFound(nothingTuned, tunedKey(adapter, compilerVersion), namedTargets.cpu8, found)).slice(0, -20));
  const warnings: string[] = [];
  expect(readTuned(file, (w) => warnings.push(w))).toEqual(nothingTuned);
  expect(warnings.join("")).toMatch(/^warning: .*tuned\.json holds no tuned schedules: it is not JSON .*; defaults are used\nhelp: /);
});

test("an adapter gets what was found on it, a target what was found on its kind", () => {
  writeFileSync(file, printTuned(withFound(nothingTuned, tunedKey(adapter, compilerVersion), namedTargets.cpu8, found)));
  const before = process.env.ADA_TUNED;
  process.env.ADA_TUNED = file;
  try {
    expect(Object.keys(schedulesFor(adapter)!)).toEqual(Object.keys(found));
    expect(schedulesFor({ ...adapter, features: ["shader-f16"] })).toBeUndefined();
  } finally {
    if (before === undefined) delete process.env.ADA_TUNED;
    else process.env.ADA_TUNED = before;
  }
  const warnings: string[] = [];
  const warn = (w: string) => void warnings.push(w);
  expect(Object.keys(schedulesForTarget(file, namedTargets.cpu8, warn)!)).toEqual(Object.keys(found));
  expect(warnings).toEqual([]);
  expect(schedulesForTarget(file, namedTargets.cpu4, warn)).toBeUndefined();
  expect(warnings.join("")).toContain("has nothing for this target");
});
