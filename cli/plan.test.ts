import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../dsl/source.ts";
import { planCommand } from "./plan.ts";
import { keptStreams } from "./streams.testing.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ada-plan-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function dry(file: string) {
  const streams = keptStreams();
  const status = await planCommand({ file, dry: true, streams });
  return { status, text: streams.written.out + streams.written.err };
}

test("adac plan --dry lists the sources and fields of a block's data", async () => {
  const file = path.join(folder, "two.ada");
  await writeFile(
    file,
    `import { sgd } from "std/optim.ada"
module Net() { param a: f32 = 2 forward(x: real[...b]) -> real[...b] { return a * x } }
model net = Net() trained
dataset faces(own: Path, other: Path? = none) {
  source folders(own, first: 20)
  source folder(other, subject: "mixed") when has(other)
  order alternate(source, each: 4)
  let turned = draw(flip(0.5))
  field image: f32[c: 3, h: 8, w: 8] = load(file) |> turned
  field dark:  f32[c: 3, h: 8, w: 8] = image / 2
  field unread: Text = subject
}
step fit(face: faces) { minimize mean(net(face.dark)) }
train run {
  data face = faces("own", other: "others")
  batch 4  micro_steps 8
  each step: fit
  optimizer sgd(lr: 0.1)
}
`,
  );
  const { status, text } = await dry(file);
  expect(status).toBe(0);
  expect(text.split("\n").slice(2, 6)).toEqual([
    "  data face = faces, alternating, 4 of each",
    '    folders "own" (missing) *.{png,jpg,jpeg}, the first 20 of each',
    '    folder "others" (missing) *.{png,jpg,jpeg}, all of them «mixed»',
    "    field image: image |> flip(draw<faces.turned> coin(0.5)) as 3 x 8 x 8 in 0..1",
  ]);
});

test("of a file without blocks it lists the data sets as they are written", async () => {
  const { status, text } = await dry(path.join(packageRoot(), "pipelines", "data.ada"));
  expect(status).toBe(0);
  const lines = text.trim().split("\n");
  expect(lines[0]).toMatch(/^dataset faces\(root: Path, /);
  expect(lines.filter((line) => line.startsWith("  source "))).toHaveLength(2);
  expect(lines.filter((line) => line.startsWith("  field "))).toHaveLength(9);
  const none = path.join(folder, "none.ada");
  await writeFile(none, "const a = 1\n");
  expect(await dry(none)).toMatchObject({ status: 1, text: expect.stringContaining("has no block to compile") });
});
