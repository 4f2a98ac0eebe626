import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findCheckpoint } from "../runtime/checkpoint/checkpoint.ts";
import { readRows } from "../runtime/log/jsonl.ts";
import { compileFile } from "./compileFile.ts";
import { runCommand } from "./run.ts";
import { keptStreams } from "./streams.testing.ts";

// Two sources, a drawn flip that picture and mask go through together, a field computed by a function, one by a function of the project.

const side = 4;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-data-"));
  const grey = (file: string, value: (row: number, column: number) => number) => {
    const bytes = Uint8Array.from({ length: side * side }, (_, i) => value(Math.floor(i / side), i % side));
    return sharp(bytes, { raw: { width: side, height: side, channels: 1 } })
      .png()
      .toFile(file);
  };
  for (const person of [0, 1, 2])
    for (const view of [0, 1]) {
      await mkdir(join(folder, "own", `p${person}`), { recursive: true });
      const file = join(folder, "own", `p${person}`, `${view}`);
      // Bright where the mask is: whatever is drawn, they agree.
      await grey(`${file}.png`, (_, column) => (column <= person ? 200 + view : 100));
      await grey(`${file}_mask.png`, (_, column) => (column <= person ? 255 : 0));
    }
  await mkdir(join(folder, "other"));
  for (const view of [0, 1, 2]) await grey(join(folder, "other", `${view}.png`), () => 50 + view);
  await writeFile(
    join(folder, "names.ts"),
    `export function isOwn(file: string, source: number): boolean { return source === 0 && file.includes("own"); }\n`,
  );
  await writeFile(join(folder, "data.ada"), program);
});
afterAll(() => rm(folder, { recursive: true }));

const program = `
import { sgd } from "std/optim.ada"
import host { isOwn } from "./names.ts"
/// Of one picture: less its mean, brighter by a factor.
fn centred(x: real[c, h, w], factor: Real) -> real[c, h, w] { return factor * (x - mean(x)) }

dataset faces(own: Path, other: Path) {
  source folders(own, files: "*.png", skip: "*_mask.png")
  source folder(other, files: "*.png", subject: "mixed")
  order weighted(source, by: [2, 1])
  let mirrored = draw(flip(0.5))
  let factor   = draw(uniform(1..2))
  field own:   Bool = isOwn(file, source)
  field where: Int = source
  field image: f32[c: 3, h: 4, w: 4] = load(file) |> mirrored |> to_range(0..255)
  field fg:    f32[h: 4, w: 4] = load("{stem}_mask.png", or: white) |> mirrored |> is(255)
  field noisy: f32[c: 3, h: 4, w: 4] = centred(image, factor) + 0.5 * draw(normal, [c: 3, h: 4, w: 4])
  field means: f32[c: 3] = mean(noisy, over: [h, w])
}
module Net() {
  param weight: f32[c: 3] = [0.5, -0.25, 0.75]
  forward(x: real[...b, c, h, w]) -> real[...b, h, w] { return dot(x, weight, over: c) |> order([...b, h, w]) }
}
model net = Net() trained
step fit(face: faces) {
  let y    = net(face.noisy)
  let loss = mean((y / 100 - face.fg) ** 2)
  minimize loss
  // 0 where mask and picture were turned together
  let wrong = where(face.own, 1, 0) * mean(where((face.image |> rename(c: k))[k: 0] > 150, 1, 0) * (1 - face.fg), over: [h, w])
  log { loss, wrong: sum(wrong), centre: max(abs(face.means)), others: sum(face.where) }
}
train run {
  data face = faces("own", "other")
  batch 3  micro_steps 16
  each step: fit
  optimizer sgd(lr: 0.01)
  save every 4  log every 1  seed 5
}
evaluate sources {
  model net from run
  data face = faces("own", "other")
  let batch = 4
  let id = unit(mean(net(face.noisy), over: h) + 100 * where(face.own, 1, 0), over: w)
  measure auc: verification(id, face.where)
}
`;

async function run(out: string, steps?: number, resume?: string) {
  const streams = keptStreams();
  const file = join(folder, "data.ada");
  const overrides = {};
  const before = process.cwd();
  process.chdir(folder);
  try {
    const more = { ...(steps === undefined ? {} : { steps }), ...(resume === undefined ? {} : { resume }) };
    const status = await runCommand({ file, out: join(folder, out), streams, overrides, ...more }, compileFile);
    return { status, err: streams.written.err };
  } finally {
    process.chdir(before);
  }
}
const bytesOf = async (out: string) => {
  const found = await findCheckpoint(join(folder, out, "run-1"));
  if (!found.ok) throw new Error(found.error.message);
  return readFile(join(found.value, "model.safetensors"));
};
const rowsOf = async (out: string) =>
  readRows(await readFile(join(folder, out, "run-1", "metrics.jsonl"), "utf8")).map(({ values }) => values);

it("sources, drawn transforms and computed fields give the same when a run is resumed half way", async () => {
  const whole = await run("whole");
  expect(whole.err).not.toContain("error");
  expect(whole.status).toBe(0);
  const rows = await rowsOf("whole");
  expect(rows).toHaveLength(16);
  expect(rows.map((row) => row.wrong)).toEqual(rows.map(() => 0));
  // Each picture is centred by itself, up to the noise: 48 draws of 0.5 have a mean well below 1, the pictures differ by a hundred.
  for (const row of rows) expect(row.centre).toBeLessThan(1);
  const others = rows.map((row) => row.others!);
  expect(Math.min(...others)).toBeLessThan(Math.max(...others));
  expect(others.reduce((a, b) => a + b) / 48).toBeGreaterThan(0.1);
  expect(others.reduce((a, b) => a + b) / 48).toBeLessThan(0.6);
  expect(new Set(rows.map((row) => row.loss)).size).toBe(16);
  // An evaluation sees the nine pictures of both sources once: 15 and 3 pairs of one source, 18 of two.
  const report = JSON.parse(await readFile(join(folder, "whole", "run-1", "report.json"), "utf8"));
  expect(report.metrics).toMatchObject({ "auc/same_pairs": 18, "auc/different_pairs": 18 });

  expect(await run("half", 8)).toMatchObject({ status: 0 });
  const resumed = await run("half", undefined, join(folder, "half", "run-1"));
  expect(resumed.err).toContain("going on from micro-step 8");
  expect(await bytesOf("half")).toEqual(await bytesOf("whole"));
  expect(await rowsOf("half")).toEqual(rows);
});
