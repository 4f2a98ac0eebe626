import { mkdir, readdir, readFile, rm, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import type { HostExpr, ItemFact } from "../../compiler/plan/host.ts";
import type { PictureStep, PlanField } from "../../compiler/plan/plan.ts";
import type { CallHost } from "./facts.ts";
import { type FolderDataset, openSources } from "./folder.ts";
import { BatchLoader, type BatchOptions } from "./loader.ts";
import { makeFolder, side } from "./testFolder.ts";

// Fields that are made of several files, drawn numbers and facts of the item.

const roots: string[] = [];
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true, force: true }))));

async function opened(first?: (root: string) => Promise<unknown>) {
  const root = await makeFolder(2, 2);
  const other = await makeFolder(1, 3);
  roots.push(root, other);
  await first?.(root);
  const spec = { files: "*.png", skip: "*_mask.png", first: null, onBroken: "skip" } as const;
  const dataset = await openSources([
    { ...spec, root, perSubject: true },
    { ...spec, root: join(other, "s0"), perSubject: false, subject: "mixed", onBroken: "fatal" },
  ]);
  if (dataset.kind === "error") throw new Error(dataset.message);
  return { dataset, root };
}
const rowsOf = (dataset: FolderDataset, fields: readonly PlanField[], extra: Partial<BatchOptions> = {}, index = 0) =>
  new BatchLoader({ dataset, fields, batch: 7, seed: 1, order: "sequential", ahead: 0, ...extra }).batch(index);
async function values(dataset: FolderDataset, fields: readonly PlanField[], extra: Partial<BatchOptions> = {}, index = 0) {
  const batch = await rowsOf(dataset, fields, extra, index);
  if (batch.kind === "error") throw new Error(batch.message);
  return Object.fromEntries(Object.entries(batch.fields).map(([name, list]) => [name, [...list]]));
}
const text = (value: string): HostExpr => ({ kind: "text", value });
const number = (value: number): HostExpr => ({ kind: "number", value });
const fact = (name: ItemFact, type: "bool" | "int" | "real" | "text", ...args: readonly HostExpr[]): HostExpr => ({
  kind: "item",
  fact: name,
  args,
  type,
});
const beside = (ending: string): HostExpr => ({ kind: "join", parts: [fact("stem", "text"), text(ending)] });
const host = (name: string, type: "f32" | "i32" | "bool" | "text", value: HostExpr): PlanField => ({ name, kind: "made", type, value });
const picture = (extra: Partial<Extract<PlanField, { kind: "image" }>> = {}): PlanField => ({
  name: "x",
  kind: "image",
  file: "image",
  channels: 1,
  height: side,
  width: side,
  range: [0, 255],
  ...extra,
});

describe("facts of an item", () => {
  it("names, sources, counts, files beside it", async () => {
    const { dataset, root } = await opened(async (folder) => {
      await writeFile(join(folder, "s0", "info.json"), '{ "age": 31, "person": "woman" }');
      await writeFile(join(folder, "s1", "00001.txt"), " a caption \n");
      await writeFile(join(folder, "kinds.json"), '{ "s1": "man" }');
    });
    const found = await values(dataset, [
      { name: "who", kind: "subjectName" },
      { name: "number", kind: "subjectIndex" },
      host("source", "i32", fact("source", "int")),
      host("images", "i32", fact("images", "int")),
      host("index", "i32", fact("index", "int")),
      host("there", "bool", fact("exists", "bool", beside("_mask.png"))),
      host("age", "f32", fact("meta", "real", text("info.json"), text("age"), number(20))),
      host(
        "kind",
        "text",
        fact(
          "lookup",
          "text",
          text(join(root, "kinds.json")),
          fact("subject", "text"),
          fact("meta", "text", text("info.json"), text("person"), text("person")),
        ),
      ),
      host("note", "text", fact("textOf", "text", beside(".txt"), text("none"))),
    ]);
    expect(found).toEqual({
      who: ["s0", "s0", "s1", "s1", "mixed", "mixed", "mixed"],
      number: [0, 0, 1, 1, 2, 2, 2],
      source: [0, 0, 0, 0, 1, 1, 1],
      images: [2, 2, 2, 2, 3, 3, 3],
      index: [0, 1, 2, 3, 4, 5, 6],
      there: Array(7).fill(1),
      age: [31, 31, 20, 20, 20, 20, 20],
      kind: ["woman", "woman", "man", "man", "person", "person", "person"],
      note: ["none", "none", "none", "a caption", "none", "none", "none"],
    });
  });

  it.each<[string, (root: string) => PlanField, RegExp]>([
    [
      "a missing table",
      () => host("x", "text", fact("lookup", "text", text("/gone/kinds.json"), text("a"), text("b"))),
      /cannot read .*kinds\.json: it does not exist/,
    ],
    [
      "no JSON",
      (root) => host("x", "text", fact("lookup", "text", text(join(root, "bad.json")), text("a"), text("b"))),
      /bad\.json is no JSON object/,
    ],
    [
      "another type",
      (root) => host("x", "f32", fact("lookup", "real", text(join(root, "good.json")), text("a"), number(1))),
      /good\.json: `a` is "b", where a number is wanted/,
    ],
    [
      "a missing key",
      (root) => host("x", "text", fact("lookup", "text", text(join(root, "good.json")), text("c"))),
      /good\.json has no `c`/,
    ],
    ["a missing text", () => host("x", "text", fact("textOf", "text", beside(".txt"))), /cannot read .*00000\.txt: it does not exist/],
  ])("%s is an error with the file's name", async (_, field, message) => {
    const { dataset, root } = await opened(async (folder) => {
      await writeFile(join(folder, "bad.json"), "[1,");
      await writeFile(join(folder, "good.json"), '{ "a": "b" }');
    });
    expect(await rowsOf(dataset, [field(root)])).toMatchObject({
      kind: "error",
      code: "dataset/bad-file",
      message: expect.stringMatching(message),
    });
  });

  it("functions of the project are called for each item, and must give what they say", async () => {
    const { dataset } = await opened();
    const field = host("x", "i32", fact("call", "int", text("f.ts"), text("f"), fact("index", "int"), fact("subject", "text")));
    const callHost: CallHost = (file, name, [index, subject]) =>
      file === "f.ts" && name === "f" ? Number(index) * 10 + String(subject).length : null;
    expect((await values(dataset, [field], { callHost })).x).toEqual([2, 12, 22, 32, 45, 55, 65]);
    expect(await rowsOf(dataset, [field], { callHost: () => "ten" })).toMatchObject({
      message: expect.stringContaining('gave "ten", where a whole number is wanted'),
    });
    const thrown = () => {
      throw new Error("not today");
    };
    expect(await rowsOf(dataset, [field], { callHost: thrown })).toMatchObject({
      code: "dataset/host-function",
      message: expect.stringContaining("threw: not today"),
    });
  });
});

describe("draws", () => {
  const coin: HostExpr = { kind: "draw", stream: "faces.turn", distribution: { kind: "coin", probability: number(0.5) } };
  const turned = (name: string, file: "image" | "mask"): PlanField => picture({ name, file, steps: [{ kind: "flip", when: coin }] });
  const slope = (root: string) =>
    Promise.all(
      ["00000.png", "00001.png", "00000_mask.png", "00001_mask.png"].map((name) =>
        sharp(
          Uint8Array.from({ length: side * side }, (_, i) => i % side),
          { raw: { width: side, height: side, channels: 1 } },
        )
          .png()
          .toFile(join(root, "s0", name)),
      ),
    );

  it("are counted by the place that shows the item, and one number turns picture and mask", async () => {
    const { dataset } = await opened(slope);
    const one: FolderDataset = { ...dataset, items: dataset.items.slice(0, 2) };
    const fields = [turned("x", "image"), turned("m", "mask"), host("turn", "bool", coin)];
    const first = await values(one, fields, { batch: 16 });
    expect(new Set(first.turn)).toEqual(new Set([0, 1]));
    expect(first.x).toEqual(first.m);
    expect(first.turn).toEqual(Array.from({ length: 16 }, (_, row) => ((first.x as number[])[row * side * side] === 3 ? 1 : 0)));
    // The second batch draws anew; sixteen places as two batches of eight are the same places.
    expect((await values(one, fields, { batch: 16 }, 1)).turn).not.toEqual(first.turn);
    expect([...(await values(one, fields, { batch: 8 })).turn!, ...(await values(one, fields, { batch: 8 }, 1)).turn!]).toEqual(first.turn);
  });
});

describe("pictures", () => {
  it("stand in where there is no file", async () => {
    const { dataset } = await opened((root) => unlink(join(root, "s0", "00001_mask.png")));
    const fields = [picture({ file: "mask", or: "black", is: 255, steps: [{ kind: "flip", when: { kind: "bool", value: true } }] })];
    const { x } = await values(dataset, fields, { batch: 2 });
    expect(x).toEqual([...Array(side * side).fill(1), ...Array(side * side).fill(0)]);
    const shrunk: PictureStep[] = [
      { kind: "resize", height: 8, width: 8, rule: "nearest" },
      { kind: "place", scale: number(0.5), move: [number(0), number(0)], margin: 0 },
    ];
    const { x: valid } = await values(dataset, [picture({ file: "white", is: 255, height: 8, width: 8, steps: shrunk })], { batch: 1 });
    expect(valid!.filter((lit) => lit === 1)).toHaveLength(16);
  });

  it("are cut out; one that is too small is named", async () => {
    const { dataset } = await opened();
    const cut = (size: number): PlanField =>
      picture({ height: size, width: size, steps: [{ kind: "crop", height: size, width: size, at: null }] });
    expect((await values(dataset, [cut(2)])).x).toHaveLength(7 * 4);
    expect(await rowsOf({ ...dataset, items: dataset.items.slice(4) }, [cut(5)], { batch: 1 })).toMatchObject({
      code: "dataset/broken-picture",
      message: expect.stringMatching(/00000\.png: the picture is 4x4, smaller than the 5x5/),
    });
  });

  it("tell how opaque they are", async () => {
    const rgba = Array.from({ length: side * side }, (_, i) => [1, 2, 3, 10 * i]).flat();
    const { dataset } = await opened((root) =>
      sharp(Uint8Array.from(rgba), { raw: { width: side, height: side, channels: 4 } })
        .png()
        .toFile(join(root, "s0", "00000.png")),
    );
    const { x } = await values(dataset, [picture({ steps: [{ kind: "alpha" }] })], { batch: 2 });
    expect(x).toEqual([...Array.from({ length: 16 }, (_, i) => 10 * i), ...Array(16).fill(255)]);
  });
});

describe("kept pictures", () => {
  const kept: PlanField = picture({
    steps: [
      { kind: "resize", height: side, width: side, rule: "nearest" },
      { kind: "cached", name: "small" },
      { kind: "flip", when: { kind: "bool", value: true } },
    ],
  });
  it("lie beside the files, are taken from there, and made again when the file changes", async () => {
    const { dataset } = await opened();
    const before = await values(dataset, [kept]);
    const { file } = dataset.items[0]!;
    const place = join(dirname(file), ".small", "00000.png");
    expect(await readdir(join(dirname(file), ".small"))).toEqual(["00000.png", "00001.png"]);
    expect(await values(dataset, [kept])).toEqual(before);
    await sharp({ create: { width: side, height: side, channels: 3, background: { r: 9, g: 9, b: 9 } } })
      .toColourspace("b-w")
      .png()
      .toFile(place);
    const other = await values(dataset, [kept]);
    expect(other.x!.slice(0, 16)).toEqual(Array(16).fill(9));
    const later = new Date((await stat(place)).mtimeMs + 5000);
    await utimes(file, later, later);
    expect(await values(dataset, [kept])).toEqual(before);
    expect((await readFile(place)).length).toBeGreaterThan(0);
  });

  const aligned: PlanField[] = [
    picture({
      steps: [
        { kind: "align", side, largest: "area" },
        { kind: "cached", name: "face" },
      ],
    }),
    host("has", "bool", fact("hasFace", "bool", text("face"))),
  ];
  it("stand for a detector: a crop, or a file without content where there is no face", async () => {
    const { dataset } = await opened();
    for (const [i, item] of dataset.items.entries()) {
      const place = join(dirname(item.file), ".face");
      await mkdir(place, { recursive: true });
      const name = join(place, item.file.slice(-9));
      if (i === 1) await writeFile(name, "");
      else
        await sharp({ create: { width: side, height: side, channels: 3, background: { r: 7, g: 7, b: 7 } } })
          .png()
          .toFile(name);
    }
    const { x, has } = await values(dataset, aligned);
    expect(has).toEqual([1, 0, 1, 1, 1, 1, 1]);
    expect([...new Set(x!.slice(16, 32))]).toEqual([0]);
    expect([...new Set(x!.slice(0, 16))]).toEqual([7]);
  });
  it("are asked for by name where there is no detector", async () => {
    const { dataset } = await opened();
    for (const fields of [aligned.slice(0, 1), aligned.slice(1), [picture({ steps: [{ kind: "align", side, largest: "area" }] })]])
      expect(await rowsOf(dataset, fields)).toMatchObject({
        kind: "error",
        code: "dataset/no-detector",
        message: expect.stringContaining("00000.png"),
      });
  });
});
