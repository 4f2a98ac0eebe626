import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findCheckpoint, openCheckpoint } from "../runtime/checkpoint/checkpoint.ts";
import { wholeFloats } from "../runtime/checkpoint/floats.ts";
import { saveSafetensors, type TensorSource } from "../runtime/checkpoint/safetensors.ts";
import { compileFile } from "./compileFile.ts";
import { runCommand } from "./run.ts";
import { keptStreams } from "./streams.testing.ts";

// Two train blocks, the second of which begins from the first's last checkpoint with twice the rows.

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-surgery-"));
  for (const person of [0, 1]) {
    await mkdir(join(folder, "faces", `p${person}`), { recursive: true });
    for (const view of [0, 1])
      await sharp(Uint8Array.from([90 * person, 20, 40 * view, 200]), { raw: { width: 2, height: 2, channels: 1 } })
        .png()
        .toFile(join(folder, "faces", `p${person}`, `${view}.png`));
  }
});
afterEach(() => rm(folder, { recursive: true }));

const program = (rows: number) => `
import { sgd } from "std/optim.ada"
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field image: f32[c: 3, h: 2, w: 2] = load(file) |> resize_to(2) |> to_range(-1..1)
}
module Net(rows: Int = 2) {
  param weight: f32[out: rows, c: 3] = draw(normal, [out: rows, c: 3])
  param scale: f32 = 1.5
  forward(x: real[...b, c: 3]) -> real[...b, out: rows] { return scale * dot(x, weight, over: c) |> order([...b, out]) }
}
fn repeat_rows(old: f32[rows, c], times: Dim) -> f32[rows: rows * times, c] {
  return expand(old, [copy: times, rows, c]) |> view(\`copy rows c -> rows=(copy rows) c\`)
}
surgery grow for Net { weight = repeat_rows() }
model net = Net() trained
step fit(face: faces) {
  let y = net(mean(face.image, over: [h, w]))
  minimize mean(y * y)
}
train small {
  data face = faces("${join(folder, "faces")}")
  batch 2  micro_steps 3
  each step: fit
  optimizer sgd(lr: 0.1)
  seed 5
}
train large like small {
  model net = Net(rows: ${rows}) from small surgery grow trained
  optimizer sgd(lr: 0)
}
`;

async function run(text: string) {
  const file = join(folder, "grow.ada");
  await writeFile(file, text);
  const streams = keptStreams();
  const status = await runCommand({ file, out: join(folder, "runs"), streams }, compileFile);
  return { status, err: streams.written.err };
}
const tensorOf = (name: string, shape: readonly number[], values: Float32Array): TensorSource => ({
  name,
  shape,
  read: async function* () {
    yield new Uint8Array(values.buffer);
  },
});
async function saved(run: string, key: string): Promise<number[]> {
  const found = await findCheckpoint(join(folder, "runs", run));
  if (!found.ok) throw new Error(found.error.message);
  const opened = await openCheckpoint(found.value);
  if (!opened.ok) throw new Error(opened.error.message);
  const values = await wholeFloats(opened.value.model, key);
  await opened.value.close();
  return [...values];
}

it("a model grows between two rounds", async () => {
  const { status, err } = await run(program(4));
  expect(err).not.toContain("error");
  expect(status).toBe(0);
  const small = await saved("small-1", "net.weight");
  expect(small).toHaveLength(6);
  expect(await saved("large-1", "net.weight")).toEqual([...small, ...small]);
  expect(await saved("large-1", "net.scale")).toEqual(await saved("small-1", "net.scale"));
});
it("a file with names of its own is operated on by what its `keys` say", async () => {
  const theirs = Float32Array.from([1, -2, 3, 0.5, 0.25, -0.125]);
  const path = join(folder, "theirs.safetensors");
  await saveSafetensors(path, [tensorOf("body.w", [2, 3], theirs), tensorOf("body.s", [], Float32Array.from([2]))]);
  const keyed = `keys theirs for Net under "body." { weight -> "w" scale -> "s" }`;
  const { status, err } = await run(program(6).replace("from small surgery", `from "${path}" keys theirs surgery`) + keyed);
  expect(err).not.toContain("error");
  expect(status).toBe(0);
  expect(await saved("large-1", "net.weight")).toEqual([...theirs, ...theirs, ...theirs]);
  expect(await saved("large-1", "net.scale")).toEqual([2]);
});
it("a model that cannot grow so is refused with both shapes, before anything is trained", async () => {
  const { status, err } = await run(program(3));
  expect(status).toBe(1);
  expect(err).toContain(
    "model net: surgery `grow` cannot make `net.weight`, [3, 3], of the file's [2, 3]: no whole `times` makes an axis of 3",
  );
  expect(err).toMatch(/grow\.ada:\d+:\d+/);
});
