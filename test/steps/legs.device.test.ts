import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { compileTrain } from "../../compiler/compile.ts";
import { elaborateTrain } from "../../compiler/elaborate/index.ts";
import { programOf, render } from "../../compiler/elaborate/testing.ts";
import { Draws } from "../../compiler/plan/philox.ts";
import { openCheckpoint } from "../../runtime/checkpoint/checkpoint.ts";
import type { Batch } from "../../runtime/dataset/loader.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { createSession } from "../../runtime/execute/session.ts";
import { readRows } from "../../runtime/log/jsonl.ts";
import { train } from "../../runtime/train/trainer.ts";
import { targetOf } from "../plans/linearRegression.ts";
import { wordTokenizer } from "./words.testing.ts";

// A step with everything that the host decides: a table, a wait, a verdict half-way, a copy of a model, a prompt. The device's result against
// the same training written out in doubles, and a run that was stopped and resumed against one that was not.

const text = `
import { sgd } from "std/optim.ada"
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field who:   Text = folder_name
  field image: f32[c: 3, h: 2, w: 2] = load(file) |> resize_to(2) |> to_range(-1..1)
}
module Net() {
  param weight: f32[f: 4, c: 3] = [[0.5, -0.25, 0.75], [0.1, 0.3, -0.6], [-0.4, 0.2, 0.9], [0.7, 0.8, -0.1]]
  forward(x: real[...b, c]) -> real[...b, f: 4] { return dot(x, weight, over: c) |> order([...b, f]) }
}
prompt greeting(who: Text) = "hello {who} and {guest:2} too"
model net    = Net() trained
model anchor = copy(net) frozen
state seen: Table<{ y: f32[f: 4], count: i32, by: Text, extra: f32[f: 4]? }>(key: Text, at_most: 2, evict: random)

step learn(face: one of faces) {
  let known = seen.has(face.who)
  let last  = if known { seen.take(face.who) } else { none }
  let p     = greeting(face.who, length: 12)
  let m     = mean(face.image, over: [h, w]) + 0.01 * p.guest[slot: 1]
  let y     = net(m)
  minimize 0.1 * mean(y * y)
  require read(mean(y) > -0.05) as "small"
  let gap = if known { y - last.y } else { y - anchor(m) }
  minimize mean(gap * gap) * (if known { 1 + last.count } else { 3 })
  update seen[face.who] = { y: stop(y), count: if known { last.count + 1 } else { 1 }, by: face.who, extra: none }
  log { again: known, who: face.who }
}
train run {
  data face = faces("faces")
  batch 2  micro_steps 24  accumulate 2 by sum
  each step: learn
  optimizer sgd(lr: 0.05)
  save every 3  log every 1  seed 11
}
`;

const names = ["ann", "bob", "cleo"];
function batchOf(index: number): Batch {
  const draws = new Draws(3, "pictures", index);
  const image = Float32Array.from({ length: 24 }, () => draws.uniform(-1, 1));
  return { kind: "batch", fields: { image, who: [names[draws.integer(3)]!, "nobody"] }, items: [] };
}
const tokenizer = wordTokenizer(3, [4, 5]);
const slotSecond = (who: string) => 1 + 2 + (who.length > 3 ? 2 : 1) + 1 + 1;

interface Row {
  readonly again: number | undefined;
  readonly ended: number;
}
/** The same in doubles, with the same evictions. */
function onTheHost(microSteps: number): {
  readonly weight: readonly number[];
  readonly rows: readonly Row[];
  readonly keys: readonly string[];
} {
  const w = [0.5, -0.25, 0.75, 0.1, 0.3, -0.6, -0.4, 0.2, 0.9, 0.7, 0.8, -0.1];
  const first = [...w];
  const apply = (weights: readonly number[], m: readonly number[]) =>
    [0, 1, 2, 3].map((f) => [0, 1, 2].reduce((n, c) => n + weights[3 * f + c]! * m[c]!, 0));
  const table: { key: string; y: readonly number[]; count: number }[] = [];
  const rows: Row[] = [];
  let g = w.map(() => 0);
  for (let step = 0; step < microSteps; step++) {
    const { image, who } = batchOf(step).fields as { image: Float32Array; who: string[] };
    const key = who[0]!;
    const m = [0, 1, 2].map((c) => [0, 1, 2, 3].reduce((n, i) => n + image[4 * c + i]! / 4, 0) + 0.01 * slotSecond(key));
    const at = table.findIndex((entry) => entry.key === key);
    const last = at >= 0 ? table.splice(at, 1)[0]! : undefined;
    const y = apply(w, m);
    const add = (factor: number, against: readonly number[]) => {
      for (const [f, value] of y.entries()) for (const [c, x] of m.entries()) g[3 * f + c]! += (factor * 2 * (value - against[f]!) * x) / 4;
    };
    add(0.1, [0, 0, 0, 0]);
    const ends = !(y.reduce((a, b) => a + b, 0) / 4 > -0.05);
    if (!ends) {
      add(last ? 1 + last.count : 3, last ? last.y : apply(first, m));
      if (table.length === 2) table.splice(new Draws(11, "seen.evict", step).integer(2), 1);
      table.push({ key, y, count: last ? last.count + 1 : 1 });
    }
    rows.push({ again: ends ? undefined : Number(last !== undefined), ended: Number(ends) });
    if (step % 2 === 1) {
      for (const [i, value] of g.entries()) w[i]! -= 0.05 * value;
      g = w.map(() => 0);
    }
  }
  return { weight: w, rows, keys: table.map((entry) => entry.key) };
}

let opened: OpenedDevice;
let folder: string;
beforeAll(async () => {
  const result = await openDevice({ disableRobustness: false });
  if (!result.ok) throw new Error(`${result.reason}; ${result.help}`);
  opened = result;
});
afterAll(() => opened.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-legs-"));
});
afterEach(() => rm(folder, { recursive: true }));

function compiled() {
  const { program, resolution } = programOf(text);
  const made = elaborateTrain(program, resolution, "run");
  if (!made.ok) throw new Error(render(program, made.diagnostics));
  return compileTrain(made.value, "hash", targetOf(opened.adapter));
}
async function trained(into: string, steps: number, resume?: string): Promise<string> {
  await mkdir(into, { recursive: true });
  const made = await createSession(opened, compiled(), { poison: true });
  if (!made.ok) throw made.failure;
  const checkpoint = resume === undefined ? undefined : await openCheckpoint(resume);
  if (checkpoint?.ok === false) throw new Error(checkpoint.error.message);
  try {
    const given = checkpoint === undefined ? {} : { resume: checkpoint.value };
    const outcome = await train(
      made.session,
      { face: { batch: async (i) => batchOf(i) } },
      { folder: into, steps, tokenizer, keepLast: null, ...given },
    );
    if (outcome.kind === "failed") throw new Error(outcome.failure.message);
    return outcome.checkpoint;
  } finally {
    await checkpoint?.value.close();
    made.session.dispose();
  }
}
async function tensorOf(checkpoint: string, key: string): Promise<readonly number[]> {
  const found = await openCheckpoint(checkpoint);
  if (!found.ok) throw new Error(found.error.message);
  const bytes: number[] = [];
  for await (const piece of found.value.model.read(key)) bytes.push(...piece);
  await found.value.close();
  return [...new Float32Array(Uint8Array.from(bytes).buffer)];
}

describe("a step that waits, remembers and ends early", () => {
  it("is cut where it waits; ways with one beginning share it", () => {
    const { program } = compiled();
    if (program.kind !== "train") throw new Error("no train plan");
    const [step] = program.steps;
    expect(step!.alternatives).toHaveLength(4);
    const waits = step!.alternatives.map((way) => way.reads!.map((read) => read.leg).join());
    expect(new Set(waits)).toEqual(new Set(["learn.wait0"]));
    expect(step!.alternatives.filter((way) => way.ended === "small")).toHaveLength(2);
    expect(program.copyLeg).toBe("copy");
  });
  it("trains as the same steps in doubles", async () => {
    const checkpoint = await trained(folder, 24);
    const wanted = onTheHost(24);
    const weight = await tensorOf(checkpoint, "net.weight");
    for (const [i, value] of weight.entries()) expect(value).toBeCloseTo(wanted.weight[i]!, 4);
    expect(await tensorOf(checkpoint, "anchor.weight")).toEqual(
      [0.5, -0.25, 0.75, 0.1, 0.3, -0.6, -0.4, 0.2, 0.9, 0.7, 0.8, -0.1].map(Math.fround),
    );
    const manifest = JSON.parse(await readFile(join(checkpoint, "manifest.json"), "utf8"));
    expect(manifest.tables.seen.map((entry: { key: string }) => entry.key)).toEqual(wanted.keys);
    const rows = readRows(await readFile(join(folder, "metrics.jsonl"), "utf8"));
    const ended = rows.reduce((n, row) => n + (row.values["ended.small"] ?? 0), 0);
    expect(ended).toBe(wanted.rows.reduce((n, row) => n + row.ended, 0));
    // both kinds of ending and both kinds of memory occurred, else this test says little
    expect(ended).toBeGreaterThan(2);
    expect(wanted.rows.filter((row) => row.again === 1).length).toBeGreaterThan(2);
    expect(wanted.rows.filter((row) => row.again === 0).length).toBeGreaterThan(2);
  });
  it("resumes to the same bytes, tables and all", async () => {
    const [whole, parts] = [join(folder, "whole"), join(folder, "parts")];
    const wanted = await trained(whole, 24);
    const half = await trained(parts, 12);
    const found = await trained(parts, 24, half);
    for (const file of ["model.safetensors", "optimizer.safetensors"])
      expect(await readFile(join(found, file))).toEqual(await readFile(join(wanted, file)));
    const tables = async (checkpoint: string) => JSON.parse(await readFile(join(checkpoint, "manifest.json"), "utf8")).tables;
    expect(await tables(found)).toEqual(await tables(wanted));
  });
});
