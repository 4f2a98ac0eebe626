import { rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PlanField } from "../../compiler/plan/plan.ts";
import type { DecodeJob } from "./decode.ts";
import { decodePicture } from "./decode.ts";
import { type Decoder, defaultThreads, openDecoder } from "./decoder.ts";
import { type DatasetProblem, type FolderDataset, type FolderSpec, openSources } from "./folder.ts";
import { BatchLoader, type BatchOptions } from "./loader.ts";
import { flatPicture, makeFolder, side } from "./testFolder.ts";

const roots: string[] = [];
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true, force: true }))));

const image: PlanField = { name: "image", kind: "image", file: "image", channels: 3, height: side, width: side, range: [-1, 1] };
const mask: PlanField = { name: "mask", kind: "image", file: "mask", channels: 1, height: side, width: side, range: [0, 1] };
const fields: readonly PlanField[] = [image, mask, { name: "label", kind: "subjectIndex" }, { name: "who", kind: "subjectName" }];

async function open(subjects: number, views: number, extra: Partial<FolderSpec> = {}, spoil?: (root: string) => Promise<unknown>) {
  const root = await makeFolder(subjects, views);
  roots.push(root);
  await spoil?.(root);
  const dataset = await openSources([
    { root, perSubject: true, files: "*.png", skip: "*_mask.png", first: null, onBroken: "skip", ...extra },
  ]);
  if (dataset.kind === "error") throw new Error(dataset.message);
  return dataset;
}

const loader = (dataset: FolderDataset, extra: Partial<BatchOptions> = {}) =>
  new BatchLoader({ dataset, fields, batch: 4, seed: 1, order: "shuffled", ...extra });

async function good(from: BatchLoader, index: number) {
  const batch = await from.batch(index);
  if (batch.kind === "error") throw new Error(batch.message);
  return batch;
}

describe("BatchLoader", () => {
  let dataset: FolderDataset;
  beforeAll(async () => {
    dataset = await open(3, 2);
  });

  it("gives [c, h, w] rows in range, labels and names", async () => {
    const batch = await good(loader(dataset, { order: "sequential" }), 0);
    expect(batch.items).toEqual([0, 1, 2, 3]);
    expect(batch.fields.label).toEqual(Int32Array.from([0, 0, 1, 1]));
    expect(batch.fields.who).toEqual(["s0", "s0", "s1", "s1"]);
    const pixels = batch.fields.image as Float32Array;
    const plane = side * side;
    expect(pixels).toHaveLength(4 * 3 * plane);
    // Row 3 is subject 1, view 1: red and green 20, blue 255.
    const row = pixels.subarray(3 * 3 * plane);
    const twenty = Math.fround(-1 + (2 * 20) / 255);
    expect(new Set(row.subarray(0, 2 * plane))).toEqual(new Set([twenty]));
    expect(new Set(row.subarray(2 * plane))).toEqual(new Set([1]));
    expect(new Set(batch.fields.mask as Float32Array)).toEqual(new Set([1]));
  });

  it("keeps the places of a picture's points apart", async () => {
    const bytes = Buffer.from(Array.from({ length: side * side * 3 }, (_, i) => i));
    const odd = await open(1, 1, {}, async (root) =>
      writeFile(
        join(root, "s0", "00000.png"),
        await sharp(bytes, { raw: { width: side, height: side, channels: 3 } })
          .png()
          .toBuffer(),
      ),
    );
    const batch = await good(loader(odd, { batch: 1, fields: [{ ...image, range: [0, 255] }] }), 0);
    const pixels = batch.fields.image as Float32Array;
    for (let c = 0; c < 3; c++) for (let i = 0; i < side * side; i++) expect(pixels[c * side * side + i]).toBe(i * 3 + c);
  });

  it("depends on the batch's number alone: any order of asking, another loader, another cache", async () => {
    const forward = loader(dataset);
    const inOrder = [];
    for (let i = 0; i < 8; i++) inOrder.push(await good(forward, i));
    const jumping = loader(dataset, { cacheBytes: 100, ahead: 0 });
    for (const i of [7, 2, 5, 0]) expect(await good(jumping, i)).toEqual(inOrder[i]);
    expect(await good(loader(dataset, { seed: 2 }), 0)).not.toEqual(inOrder[0]);
  });

  it("shows every item once per epoch, in another order each epoch", async () => {
    const batches = loader(dataset, { batch: 3 });
    expect(batches.batchesPerEpoch).toBe(2);
    const epoch = (e: number) => [...batches.itemsOf(2 * e), ...batches.itemsOf(2 * e + 1)];
    for (let e = 0; e < 4; e++) expect([...epoch(e)].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(new Set([0, 1, 2, 3].map((e) => epoch(e).join())).size).toBeGreaterThan(1);
  });

  it("tells how many rows of an evaluation's last batch count", () => {
    const batches = loader(dataset, { order: "sequential" });
    expect([0, 1, 2].map((i) => batches.validRows(i))).toEqual([4, 2, 0]);
    expect(batches.itemsOf(1)).toEqual([4, 5, 0, 1]);
  });

  it("decodes ahead, and each picture once while it is kept", async () => {
    const files: string[] = [];
    const decoder = counting(files);
    const batches = loader(dataset, { order: "sequential", batch: 2, ahead: 1, decoder, fields: [image] });
    await good(batches, 0);
    await good(batches, 0);
    expect(files).toHaveLength(4);
    for (let i = 1; i < 9; i++) await good(batches, i);
    expect(files).toHaveLength(6);
    const forgetful = loader(dataset, {
      order: "sequential",
      batch: 2,
      ahead: 0,
      cacheBytes: 2 * 3 * side * side,
      decoder,
      fields: [image],
    });
    files.length = 0;
    for (let i = 0; i < 6; i++) await good(forgetful, i);
    expect(files, "two of six fit in the cache").toHaveLength(6 + 4);
  });
});

function counting(files: string[]): Decoder {
  const inner = openDecoder(0);
  const decode = (job: DecodeJob) => {
    files.push(String(job.file));
    return inner.decode(job);
  };
  return { ...inner, decode };
}

describe("broken pictures", () => {
  const truncate = async (root: string) => {
    const whole = await flatPicture(1, 0);
    await writeFile(join(root, "s1", "00000.png"), whole.subarray(0, whole.length - 25));
  };
  const truncateJpeg = async (root: string) => {
    const whole = await sharp(await flatPicture(1, 0, side, side))
      .jpeg()
      .toBuffer();
    await writeFile(join(root, "s1", "00000.png"), whole.subarray(0, whole.length - 8));
  };

  it.each<[string, (root: string) => Promise<unknown>, RegExp]>([
    ["truncated", truncate, /not a readable picture/],
    ["a truncated JPEG", truncateJpeg, /not a readable picture/],
    ["empty", (root) => writeFile(join(root, "s1", "00000.png"), ""), /is empty/],
    ["text", (root) => writeFile(join(root, "s1", "00000.png"), "hello"), /not a readable picture/],
    [
      "of another size",
      async (root) => writeFile(join(root, "s1", "00000.png"), await flatPicture(1, 0, 5, 3)),
      /5x3, the field wants 4x4/,
    ],
  ])("a picture that is %s is named, and the subject's next one stands in", async (_, spoil, message) => {
    const problems: DatasetProblem[] = [];
    const dataset = await open(3, 2, {}, spoil);
    const batches = loader(dataset, { order: "sequential", batch: 6, onProblem: (p) => problems.push(p) });
    expect((await good(batches, 0)).items).toEqual([0, 1, 3, 3, 4, 5]);
    await good(batches, 1);
    expect(problems).toEqual([{ file: dataset.items[2]!.file, message: expect.stringMatching(message) }]);
    expect(batches.problems).toEqual(problems);
  });

  it("a missing mask is named", async () => {
    const dataset = await open(2, 2, {}, (root) => unlink(join(root, "s0", "00001_mask.png")));
    const batches = loader(dataset, { order: "sequential" });
    expect((await good(batches, 0)).items).toEqual([0, 0, 2, 3]);
    expect(batches.problems).toEqual([{ file: join(dataset.specs[0]!.root, "s0", "00001_mask.png"), message: "it does not exist" }]);
  });

  it("a picture deleted after opening is named", async () => {
    const dataset = await open(2, 2);
    await unlink(dataset.items[3]!.file);
    const batches = loader(dataset, { order: "sequential" });
    expect((await good(batches, 0)).items).toEqual([0, 1, 2, 2]);
    expect(batches.problems[0]).toEqual({ file: dataset.items[3]!.file, message: "it does not exist" });
  });

  it("are fatal where the data set says so", async () => {
    const dataset = await open(3, 2, { onBroken: "fatal" }, truncate);
    const answer = await loader(dataset, { order: "sequential", ahead: 0, batch: 2 }).batch(1);
    expect(answer).toMatchObject({
      kind: "error",
      code: "dataset/broken-picture",
      message: expect.stringContaining(dataset.items[2]!.file),
    });
    expect((await good(loader(dataset, { order: "sequential", batch: 2 }), 0)).items).toEqual([0, 1]);
  });

  it("fall back on other subjects, and end when nothing can be read", async () => {
    const blank = (root: string, s: number) => Promise.all([0, 1].map((v) => writeFile(join(root, `s${s}`, `0000${v}.png`), "x")));
    const one = await open(2, 2, {}, (root) => blank(root, 0));
    expect((await good(loader(one, { order: "sequential" }), 0)).items).toEqual([2, 2, 2, 3]);
    const all = await open(2, 2, {}, async (root) => [await blank(root, 0), await blank(root, 1)]);
    expect(await loader(all).batch(0)).toMatchObject({ kind: "error", message: expect.stringContaining("none of the 4 pictures") });
  });

  it("reports what opening passed over, too", async () => {
    const dataset = await open(2, 1, {}, (root) => unlink(join(root, "s1", "00000.png")));
    const problems: DatasetProblem[] = [];
    loader(dataset, { onProblem: (p) => problems.push(p) });
    expect(problems).toEqual([{ file: join(dataset.specs[0]!.root, "s1"), message: expect.stringContaining("subject without pictures") }]);
  });
});

describe("decodePicture", () => {
  const job = (file: string, extra: Partial<DecodeJob> = {}): DecodeJob => ({
    file,
    channels: 3,
    height: side,
    width: side,
    or: null,
    steps: [],
    ...extra,
  });

  it("converts grey, alpha and 16-bit pictures to the channels asked for", async () => {
    const root = await makeFolder(1, 1);
    roots.push(root);
    const base = sharp({ create: { width: side, height: side, channels: 4, background: { r: 40, g: 80, b: 120, alpha: 0.5 } } });
    const file = join(root, "x.png");
    await writeFile(file, await base.clone().png().toBuffer());
    expect(await decodePicture(job(file))).toMatchObject({ pixels: Uint8Array.from([40, 80, 120].flatMap((x) => Array(16).fill(x))) });
    await writeFile(file, await base.clone().removeAlpha().toColourspace("rgb16").png().toBuffer());
    expect((await sharp(file).metadata()).depth).toBe("ushort");
    expect(await decodePicture(job(file))).toMatchObject({ pixels: Uint8Array.from([40, 80, 120].flatMap((x) => Array(16).fill(x))) });
    await writeFile(file, await base.clone().removeAlpha().toColourspace("b-w").png().toBuffer());
    const grey = await decodePicture(job(file));
    expect(grey.kind === "pixels" && [grey.pixels.length, new Set(grey.pixels).size]).toEqual([48, 1]);
    expect(await decodePicture(job(file, { channels: 1 }))).toMatchObject({ kind: "pixels", pixels: { length: 16 } });
  });

  it("resizes where the field allows it", async () => {
    const root = await makeFolder(1, 1);
    roots.push(root);
    await writeFile(join(root, "big.png"), await flatPicture(2, 3, 40, 20));
    for (const rule of ["smooth", "nearest"] as const) {
      const steps = [{ kind: "resize", height: side, width: side, rule } as const];
      const decoded = await decodePicture(job(join(root, "big.png"), { steps }));
      expect(decoded).toEqual({ kind: "pixels", pixels: Uint8Array.from([40, 60, 255].flatMap((x) => Array(16).fill(x))) });
    }
  });

  it("says that a folder is not a picture", async () => {
    const root = await makeFolder(1, 1);
    roots.push(root);
    expect(await decodePicture(job(root))).toEqual({ kind: "broken", message: "it is a folder" });
  });
});

describe("threads", () => {
  it("leave the cores to the training step", () => {
    expect([1, 2, 3, 4, 8, 64].map(defaultThreads)).toEqual([1, 1, 1, 2, 4, 4]);
  });
});
