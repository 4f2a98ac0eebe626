import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { philox4x32, streamKey } from "../compiler/plan/philox.ts";
import { findCheckpoint, openCheckpoint } from "../runtime/checkpoint/checkpoint.ts";
import { wholeFloats } from "../runtime/checkpoint/floats.ts";
import { compileFile } from "./compileFile.ts";
import { evalCommand } from "./eval.ts";
import { runCommand } from "./run.ts";
import { keptStreams } from "./streams.testing.ts";

// An evaluation that goes through folders of pictures and lines of prompt lists, on a model trained before: every number of its report and
// every pixel that it writes is computed again here, from the files and the weights.

const people = { anna: 2, bo: 1, cy: 3 } as const;
type Person = keyof typeof people;
const size = (view: number): readonly [number, number] => [6, 5 + view];
const level = (person: Person, view: number, at: number): number => (at * 37 + view * 50 + person.charCodeAt(0)) % 256;
const listed = (person: Person): readonly (readonly [number, string, number, string])[] => [
  [1, `${person}-a`, 0.5, `a ${person} runs`],
  [2, `${person}-b`, 1.5, `a ${person} sits`],
];

const program = (folder: string) => `
import { sgd } from "std/optim.ada"
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field image: f32[c: 3, h: 4, w: 4] = load(file) |> resize_to(4) |> to_range(-1..1)
}
module Net(dim: Dim) {
  param weight: f32[f: dim, c: 3] = draw(normal, [f: dim, c: 3])
  forward(x: real[...b, c: 3, h, w]) -> real[...b, f: dim] { return dot(mean(x, over: [h, w]), weight, over: c) |> order([...b, f]) }
}
module Painter() {
  param tint: f32[c: 3] = [0.25, -0.5, 0.125]
  forward(x: real[...b, c: 3, h, w]) -> real[...b, c: 3, h, w] { return tanh(x + tint) }
}
model net = Net(4) trained
model painter = Painter() frozen
step fit(face: faces) { minimize mean(net(face.image) ** 2) }
train short {
  data face = faces("${folder}/training")
  batch 2  micro_steps 2
  each step: fit
  optimizer sgd(lr: 0.1)
  preview every 2: pictures(net(ones([c: 3, h: 4, w: 4])), 0.5, n: 2)
  seed 3
}

type Line = { repeat: Int, folder: Text, strength: Real, long: Text }
fn pictures(id: real[f: 4], strength: real, n: Int) random -> real[n, c: 3, h: 3, w: 7] {
  let x = draw(normal, [n: n, c: 3, h: 3, w: 7])
  return painter(x * strength + mean(id))
}
evaluate small {
  model net from short
  seed 42
  for subject in folders("${folder}/faces") {
    let known = [for f in subject.images: load(f)]
    require length(known) > 1 as "too few of {subject.name}"
    let id = unit(mean([for f in known: net(f)]), over: f)
    for line in lines("${folder}/{subject.name}.txt", as: Line) {
      let made = pictures(id, line.strength, n: 2, stream: "{subject.name}/{line.long}")
      write made to "samples/{line.folder}/{i:03}.png"
      measure like: mean(dot(unit(net(made), over: f), id, over: f))
      measure near: mean(cosine_pairs(stack([for k in known: net(k)], axis: n), net(made) |> rename(n: m))) when line.repeat > 1
      if read(mean(made)) > 0 { measure bright: 1 } else { measure dark: line.repeat }
      measure few: 4 - length(known)
    }
  }
  report mean, ci95, count by [subject, metric] to "samples/report.{csv,json,html}"
  report mean by [metric, line.folder] to "lines.csv"
}
`;

let folder: string;
const streams = keptStreams();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-walk-"));
  for (const person of Object.keys(people) as Person[]) {
    await mkdir(join(folder, "faces", person), { recursive: true });
    for (let view = 0; view < people[person]; view++) {
      const [height, width] = size(view);
      const bytes = Uint8Array.from({ length: 3 * height * width }, (_, at) => level(person, view, at));
      await sharp(bytes, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(join(folder, "faces", person, `${view}.png`));
    }
    await writeFile(
      join(folder, `${person}.txt`),
      `${listed(person)
        .map((line) => line.join("\t"))
        .join("\n")}\n\n`,
    );
  }
  await mkdir(join(folder, "training", "dora"), { recursive: true });
  for (const view of [0, 1]) {
    const bytes = Uint8Array.from({ length: 48 }, (_, at) => 5 * at + view);
    await sharp(bytes, { raw: { width: 4, height: 4, channels: 3 } })
      .png()
      .toFile(join(folder, "training", "dora", `${view}.png`));
  }
  await writeFile(join(folder, "small.ada"), program(folder));
});
afterAll(() => rm(folder, { recursive: true }));

// ---- the same in plain arithmetic --------------------------------------------------------------------------------------------------

type Picture = { readonly plane: number; readonly values: readonly number[] }; // [c, h, w]
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
const dot = (a: readonly number[], b: readonly number[]) => sum(a.map((x, i) => x * b[i]!));
const unit = (a: readonly number[]) => a.map((x) => x / Math.sqrt(dot(a, a)));

function loaded(person: Person, view: number): Picture {
  const [height, width] = size(view);
  const plane = height * width;
  const values = [0, 1, 2].flatMap((c) => Array.from({ length: plane }, (_, at) => level(person, view, 3 * at + c) / 127.5 - 1));
  return { plane, values };
}
const net = (weight: readonly (readonly number[])[], { plane, values }: Picture): number[] =>
  weight.map((row) =>
    dot(
      row,
      [0, 1, 2].map((c) => mean(values.slice(c * plane, (c + 1) * plane))),
    ),
  );

/** Two pictures of one seed, stream and turn. */
function painted(
  id: readonly number[],
  strength: number,
  [seed, stream, turn]: readonly [seed: number, stream: string, turn: number],
): Picture[] {
  const plane = 21;
  const word = (element: number, which: 0 | 1) => (philox4x32(seed, streamKey(stream), element, turn, 0, 0)[which] >>> 8) / 2 ** 24;
  const tint = [0.25, -0.5, 0.125];
  return [0, 1].map((n) => ({
    plane,
    values: Array.from({ length: 3 * plane }, (_, at) => {
      const element = n * 3 * plane + at;
      const normal = Math.sqrt(-2 * Math.log(1 - word(element, 0))) * Math.cos(2 * Math.PI * word(element, 1));
      return Math.tanh(normal * strength + mean(id) + tint[Math.floor(at / plane)]!);
    }),
  }));
}

interface Row {
  readonly subject: string;
  readonly metric: string;
  readonly mean: number;
  readonly ci95: number | null;
  readonly count: number;
}

async function weightsOf(run: string): Promise<number[][]> {
  const found = await findCheckpoint(run);
  if (!found.ok) throw new Error(found.error.message);
  const checkpoint = await openCheckpoint(found.value);
  if (!checkpoint.ok) throw new Error(checkpoint.error.message);
  const whole = await wholeFloats(checkpoint.value.model, "net.weight");
  await checkpoint.value.close();
  return [0, 1, 2, 3].map((f) => [...whole.subarray(3 * f, 3 * f + 3)]);
}

async function expectPicture(file: string, { plane, values }: Picture): Promise<void> {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([7, 3, 3]);
  const errors = values.map((x, at) => Math.abs(data[(at % plane) * 3 + Math.floor(at / plane)]! - (x + 1) * 127.5));
  expect(Math.max(...errors)).toBeLessThan(0.51);
}

it("trains, walks, writes pictures and a report whose numbers are right", async () => {
  const file = join(folder, "small.ada");
  const status = await runCommand({ file, out: join(folder, "runs"), streams }, compileFile);
  expect(status, streams.written.err).toBe(0);
  expect(streams.written.err).toContain("small: too few of bo");
  const run = join(folder, "runs", "short-1");
  const weight = await weightsOf(run);
  const wanted: { subject: string; metric: string; folder: string; value: number }[] = [];
  for (const person of ["anna", "cy"] as const) {
    const known = Array.from({ length: people[person] }, (_, view) => net(weight, loaded(person, view)));
    const id = unit(weight.map((_, f) => mean(known.map((one) => one[f]!))));
    for (const [repeat, place, strength, long] of listed(person)) {
      const made = painted(id, strength, [42, "stream.pictures.x", streamKey(`${person}/${long}`)]);
      const seen = made.map((one) => net(weight, one));
      const add = (metric: string, value: number) => wanted.push({ subject: person, metric, folder: place, value });
      add("like", mean(seen.map((one) => dot(unit(one), id))));
      if (repeat > 1) add("near", mean(known.flatMap((k) => seen.map((one) => dot(k, one)))));
      if (mean(made.flatMap((one) => one.values)) > 0) add("bright", 1);
      else add("dark", repeat);
      add("few", 4 - people[person]);
      for (const [i, one] of made.entries()) await expectPicture(join(run, "samples", place, `${String(i).padStart(3, "0")}.png`), one);
    }
  }
  const previewed = painted(
    weight.map((row) => sum(row)),
    0.5,
    [3, "short.preview.pictures.x", 0],
  );
  for (const [i, one] of previewed.entries()) await expectPicture(join(run, "previews", `000002-${i}.png`), one);
  const report = JSON.parse(await readFile(join(run, "samples", "report.json"), "utf8")) as { readonly rows: readonly Row[] };
  const names = [...new Set(wanted.map((one) => `${one.subject} ${one.metric}`))];
  expect(report.rows.map((row) => `${row.subject} ${row.metric}`)).toEqual(names);
  for (const row of report.rows) {
    const values = wanted.filter((one) => one.subject === row.subject && one.metric === row.metric).map((one) => one.value);
    expect(row.count).toBe(values.length);
    expect(row.mean).toBeCloseTo(mean(values), 5);
    // Two values: Student's factor for one degree of freedom, times half their distance.
    if (values.length === 2) expect(row.ci95).toBeCloseTo((12.706 * Math.abs(values[0]! - values[1]!)) / 2, 4);
    else expect(row.ci95).toBeNull();
  }
  const csv = await readFile(join(run, "samples", "report.csv"), "utf8");
  expect(csv.split("\n").slice(0, 2)).toEqual(["subject,metric,mean,ci95,count", expect.stringMatching(/^anna,like,-?\d/)]);
  expect(await readFile(join(run, "samples", "report.html"), "utf8")).toContain("<td>anna</td><td>like</td>");
  const lines = (await readFile(join(run, "lines.csv"), "utf8")).trim().split("\n");
  expect(lines[0]).toBe("metric,line.folder,mean");
  expect(lines).toHaveLength(1 + wanted.length);
  expect((await readdir(join(run, "samples"))).filter((name) => name.startsWith(".") || name.includes("tmp"))).toEqual([]);
});

it("a picture does not depend on the other lines of its list", async () => {
  const file = join(folder, "small.ada");
  const place = join(folder, "runs", "short-1", "samples", "cy-b", "001.png");
  const before = await readFile(place);
  await writeFile(
    join(folder, "cy.txt"),
    `${listed("cy")
      .toReversed()
      .map((line) => line.join("\t"))
      .join("\n")}\n`,
  );
  streams.written.err = "";
  expect(await evalCommand({ file, out: join(folder, "runs"), block: "small", streams }, compileFile), streams.written.err).toBe(0);
  expect(await readFile(place)).toEqual(before);
});

it("a line that is not as its type says ends the walk with its place", async () => {
  const file = join(folder, "small.ada");
  await writeFile(join(folder, "anna.txt"), "1\tx\t0.5\tone\n1\tx\tmuch\ttwo\n");
  streams.written.err = "";
  expect(await evalCommand({ file, out: join(folder, "runs"), block: "small", streams }, compileFile)).toBe(1);
  expect(streams.written.err).toContain("anna.txt:2: `much` is no number");
});
