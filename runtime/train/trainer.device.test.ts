import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Draws } from "../../compiler/plan/philox.ts";
import { linearRegression, type RegressionSettings, targetOf } from "../../test/plans/linearRegression.ts";
import { findCheckpoint, openCheckpoint } from "../checkpoint/checkpoint.ts";
import { type Files, realFiles } from "../checkpoint/files.ts";
import type { Batch } from "../dataset/loader.ts";
import { type OpenedDevice, openDevice } from "../device/openDevice.ts";
import { createSession } from "../execute/session.ts";
import { readRows } from "../log/jsonl.ts";
import { readRecords } from "../log/tensorboard.ts";
import { type BatchSource, type TrainOptions, type TrainOutcome, train } from "./trainer.ts";

let opened: OpenedDevice;
let folder: string;
beforeAll(async () => {
  const result = await openDevice({ disableRobustness: false });
  if (!result.ok) throw new Error(`${result.reason}; ${result.help}`);
  opened = result;
});
afterAll(() => opened.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-train-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Batch `index`: four pictures whose subject is a linear function of the pixels. */
function batchOf(index: number, batch = 4): Batch {
  const draws = new Draws(1, "pictures", index);
  const image = Float32Array.from({ length: 4 * batch }, () => draws.uniform());
  const subject = Int32Array.from({ length: batch }, (_, i) => Math.round(8 * image[4 * i]! - 4 * image[4 * i + 2]! + 3));
  return { kind: "batch", fields: { image, subject }, items: [] };
}
const source: BatchSource = { batch: async (index) => batchOf(index) };

interface Given extends Partial<Omit<TrainOptions, "resume">> {
  readonly settings?: Partial<RegressionSettings>;
  readonly resume?: string;
  readonly from?: BatchSource;
}
async function trained(given: Given = {}): Promise<TrainOutcome> {
  const made = await createSession(opened, linearRegression(targetOf(opened.adapter), given.settings), { poison: true });
  if (!made.ok) throw made.failure;
  const { settings: _, resume, from, ...options } = given;
  const checkpoint = resume === undefined ? undefined : await openCheckpoint(resume);
  if (checkpoint?.ok === false) throw new Error(checkpoint.error.message);
  try {
    return await train(
      made.session,
      { face: from ?? source },
      { folder, ...options, ...(checkpoint === undefined ? {} : { resume: checkpoint.value }) },
    );
  } finally {
    await checkpoint?.value.close();
    made.session.dispose();
  }
}
async function expectWhole(checkpoint: string): Promise<void> {
  const found = await openCheckpoint(checkpoint);
  expect(found.ok).toBe(true);
  if (found.ok) await found.value.close();
}
const rowsOf = async (run: string) => readRows(await readFile(join(run, "metrics.jsonl"), "utf8"));
const withoutTime = async (run: string) => (await rowsOf(run)).map(({ step, update, values }) => ({ step, update, ...values }));

/** The same training in doubles. */
function onTheHost(updates: number): { readonly losses: readonly number[]; readonly p: readonly number[] } {
  const p = [0, 0.1, 0.2, 0.3, 0.4];
  const m = [0, 0, 0, 0, 0];
  const losses: number[] = [];
  for (let update = 0; update < updates; update++) {
    const g = [0, 0, 0, 0, 0];
    let mean = 0;
    for (let place = 0; place < 2; place++) {
      const { image, subject } = batchOf(2 * update + place).fields as { image: Float32Array; subject: Int32Array };
      for (let i = 0; i < 4; i++) {
        const x = [...image.subarray(4 * i, 4 * i + 4), 1];
        const e = x.reduce((sum, v, k) => sum + v * p[k]!, 0) - subject[i]!;
        mean += e ** 2 / 8;
        for (let k = 0; k < 5; k++) g[k]! += (2 * e * x[k]!) / 4;
      }
    }
    losses.push(mean);
    const lr = 0.05 * (1 - (0.5 * (2 * update + 1)) / 24);
    for (let k = 0; k < 5; k++) {
      m[k] = 0.5 * m[k]! + g[k]! / 2;
      p[k]! -= lr * m[k]!;
    }
  }
  return { losses, p };
}

describe("training", () => {
  it("does what the same arithmetic does on the host, and logs it", async () => {
    const outcome = await trained();
    expect(outcome).toMatchObject({ kind: "finished", counters: { update: 12, microStep: 24, batches: { face: 24 } } });
    const expected = onTheHost(12);
    const rows = await rowsOf(folder);
    expect(rows.map((row) => [row.step, row.update])).toEqual(expected.losses.map((_, i) => [2 * i + 2, i + 1]));
    for (const [i, row] of rows.entries()) {
      expect(row.values.loss).toBeCloseTo(expected.losses[i]!, 3);
      expect(row.values.lr).toBeCloseTo(0.05 * (1 - (0.5 * (2 * i + 1)) / 24), 6);
      expect(row.values.grad_norm).toBeGreaterThan(0);
    }
    const events = readRecords(await readFile(join(folder, "events.out.tfevents.ada")));
    expect(events.slice(1).map((record) => record.event.values.loss)).toEqual(rows.map((row) => Math.fround(row.values.loss!)));
    expect((await readdir(join(folder, "checkpoints"))).sort()).toEqual(["000004", "000008", "000012", "latest"]);
    const checkpoint = await openCheckpoint(join(folder, "checkpoints", "000012"));
    if (!checkpoint.ok) throw new Error(checkpoint.error.message);
    for await (const piece of checkpoint.value.model.read("model.weight"))
      for (const [k, value] of new Float32Array(Uint8Array.from(piece).buffer).entries()) expect(value).toBeCloseTo(expected.p[k]!, 4);
    await checkpoint.value.close();
  });

  it("resumes to the same bytes and the same log, from any checkpoint and from one between two rows of the log", async () => {
    const settings = { logEvery: 3, saveEvery: 4 };
    await trained({ settings, keepLast: null });
    const whole = join(folder, "whole");
    await cp(join(folder, "checkpoints"), join(whole, "checkpoints"), { recursive: true });
    await cp(join(folder, "metrics.jsonl"), join(whole, "metrics.jsonl"));
    for (const from of ["000004", "000008"]) {
      const outcome = await trained({ settings, keepLast: null, resume: join(folder, "checkpoints", from) });
      expect(outcome.kind).toBe("finished");
      for (const name of ["model.safetensors", "optimizer.safetensors", "manifest.json"]) {
        const path = join("checkpoints", "000012", name);
        expect((await readFile(join(folder, path))).equals(await readFile(join(whole, path)))).toBe(true);
      }
      expect(await withoutTime(folder)).toEqual(await withoutTime(whole));
    }
    const events = readRecords(await readFile(join(folder, "events.out.tfevents.ada")));
    expect(events.map((record) => record.event.step)).toEqual([0, 6, 12, 18, 24]);
  });

  it("stops at the end of an update, saves, and goes on from there", async () => {
    const stop = new AbortController();
    const stopping: BatchSource = {
      batch: async (index) => {
        if (index === 10) stop.abort();
        return batchOf(index);
      },
    };
    const outcome = await trained({ from: stopping, signal: stop.signal });
    expect(outcome).toMatchObject({ kind: "stopped", counters: { microStep: 12, update: 6 } });
    const found = await findCheckpoint(folder);
    const again = await trained({ resume: found.ok ? found.value : "" });
    expect(again).toMatchObject({ kind: "finished", counters: { microStep: 24 } });
    expect((await rowsOf(folder)).map((row) => row.update)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  });

  it("stops after the steps that were asked for, in whole updates", async () => {
    expect(await trained({ steps: 5 })).toMatchObject({ kind: "finished", counters: { microStep: 6, update: 3 } });
  });

  it("ends when the loss is no number any more, and keeps the last good checkpoint", async () => {
    const poisoned: BatchSource = {
      batch: async (index) => {
        const batch = batchOf(index);
        if (index === 11) (batch.fields.image as Float32Array)[0] = Number.NaN;
        return batch;
      },
    };
    const outcome = await trained({ from: poisoned });
    expect(outcome).toMatchObject({
      kind: "failed",
      failure: {
        message: expect.stringMatching(/the loss became NaN in micro-step 11 \(update 5, step fit\); the last good checkpoint is .*000004/),
      },
      lastCheckpoint: expect.stringContaining("000004"),
    });
    expect((await readdir(join(folder, "checkpoints"))).sort()).toEqual(["000004", "latest"]);
  });

  it("never saves values that are not finite", async () => {
    // The last micro-step's loss is still finite, but the update that follows overflows.
    const outcome = await trained({ settings: { lr: 1e38, microSteps: 2 } });
    expect(outcome).toMatchObject({
      kind: "failed",
      failure: { message: expect.stringMatching(/model\.(bias|weight) has values that are not finite/) },
    });
    expect(await readdir(join(folder, "checkpoints"))).toEqual([]);
  });

  it("refuses a checkpoint of another program and says what differs", async () => {
    await trained();
    const resume = join(folder, "checkpoints", "000008");
    const outcome = await trained({ resume, settings: { microSteps: 48, sourceHash: "c".repeat(64) } });
    expect(outcome).toMatchObject({
      kind: "failed",
      failure: { message: expect.stringMatching(/made by another program: micro_steps was 24 and is 48/) },
    });
    expect((await rowsOf(folder)).length).toBe(12);
  });

  it("tells a full disk, and the checkpoint before it is whole", async () => {
    let saves = 0;
    const files: Files = {
      ...realFiles,
      mkdir: (async (path: string, options?: object) => {
        if (path.includes(".partial") && ++saves === 2) throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
        return realFiles.mkdir(path, options);
      }) as Files["mkdir"],
    };
    const outcome = await trained({ files });
    expect(outcome).toMatchObject({ kind: "failed", failure: { message: expect.stringContaining("the disk is full: checkpoint 000008") } });
    await expectWhole(join(folder, "checkpoints", "000004"));
  });

  it("ends with the data set's own words when a batch cannot be made", async () => {
    const broken: BatchSource = {
      batch: async (index) =>
        index < 3 ? batchOf(index) : { kind: "error", code: "dataset/broken-picture", message: "a/1.png: truncated", help: "repair it" },
    };
    expect(await trained({ from: broken })).toMatchObject({
      kind: "failed",
      failure: { message: "a/1.png: truncated", help: "repair it" },
    });
  });

  it("ends with a failure when the device is lost", async () => {
    const own = await openDevice({ disableRobustness: false });
    if (!own.ok) throw new Error(own.reason);
    const made = await createSession(own, linearRegression(targetOf(own.adapter)));
    if (!made.ok) throw made.failure;
    const losing: BatchSource = {
      batch: async (index) => {
        if (index === 12) own.device.destroy();
        return batchOf(index);
      },
    };
    const outcome = await train(made.session, { face: losing }, { folder });
    expect(outcome).toMatchObject({
      kind: "failed",
      failure: { help: expect.stringMatching(/--resume/) },
      lastCheckpoint: expect.stringContaining("000004"),
    });
    await expectWhole(join(folder, "checkpoints", "000004"));
  });
});
