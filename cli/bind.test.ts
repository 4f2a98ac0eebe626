import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { archive, bytes, dict, floats, tensor } from "../runtime/checkpoint/torch.testing.ts";
import { bindCommand } from "./bind.ts";
import { inspectCommand } from "./inspect.ts";
import { keptStreams } from "./streams.testing.ts";

// What is said of the files that a program's models begin from, and of files by themselves.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ada-bind-"));
  const part = (shape: readonly number[]) =>
    tensor({ key: "a", elements: 6, shape, strides: shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1)) });
  const ours = (weight: string, shape: readonly number[]) =>
    archive(dict({ state_dict: dict({ [weight]: part(shape), "fc.bias": part([2]) }), step: bytes("K\x07") }), {
      a: floats(0, 1, 2, 3, 4, 5),
    });
  writeFileSync(join(folder, "good.ckpt"), ours("fc.weight", [2, 3]));
  writeFileSync(join(folder, "named.ckpt"), ours("fc.weights", [2, 3]));
  writeFileSync(join(folder, "shaped.ckpt"), ours("fc.weight", [3, 2]));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = (file: string): string => {
  const path = join(folder, "program.ada");
  writeFileSync(
    path,
    `import { sgd } from "std/optim.ada"
import { Linear } from "std/nn.ada"
dataset faces(root: Path) { source folders(root, files: "*.png")  order shuffled  field who: Int = subject }
module Net() {
  part fc = Linear(2)
  forward(x: real[c: 3]) -> real[c: 2] { return fc(x) }
}
model net = Net() from "${join(folder, file)}" trained
step fit(d: faces) { minimize mean(net(zeros([c: 3]))) }
train run { data d = faces("faces")  batch 1  micro_steps 1  each step: fit  optimizer sgd() }
`,
  );
  return path;
};
async function bound(file: string) {
  const s = keptStreams();
  return { status: await bindCommand({ file: program(file), streams: s }), text: s.written.out + s.written.err };
}

test("every parameter has its tensor", async () => {
  const { status, text } = await bound("good.ckpt");
  expect([status, text]).toEqual([
    0,
    expect.stringMatching(/net = Net from .*good.ckpt \(PyTorch archive\): 2 of 2 parameters have their tensor\n$/),
  ]);
});
test("what is missing is named with what is there, and what is nobody's", async () => {
  const { status, text } = await bound("named.ckpt");
  expect(status).toBe(1);
  expect(text).toMatch(/1 of 2 parameters/);
  expect(text).toMatch(/net.fc.weight \[2, 3\] -> fc.weight, which is not there; state_dict.fc.weights is/);
  expect(text).toMatch(/1 tensors of the file are nobody's: state_dict.fc.weights/);
});
test("what has another shape, and a file that is not there", async () => {
  expect((await bound("shaped.ckpt")).text).toMatch(/net.fc.weight -> state_dict.fc.weight is F32 \[3, 2\]; \[2, 3\] of floats is needed/);
  expect(await bound("nowhere.ckpt")).toMatchObject({ status: 1, text: expect.stringMatching(/there is no file/) });
});
test("inspect lists a file's tensors", async () => {
  const s = keptStreams();
  expect(await inspectCommand({ files: [join(folder, "good.ckpt")], match: "bias", streams: s })).toBe(0);
  expect(s.written.out).toMatch(/state_dict.fc.bias {2}F32 {3}\[2\]\n1 tensors, 2 numbers \(F32\)/);
});
