import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { compileFileWith } from "./compileFile.ts";
import { runCommand } from "./run.ts";
import { keptStreams } from "./streams.testing.ts";
import { trainTokenizerCommand } from "./tokenizer.ts";

// A program with prompts from text to run folder, with a vocabulary made beside it.

let folder: string;
let program: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ada-prompts-"));
  for (const person of ["ann", "bob"])
    for (let view = 0; view < 2; view++) {
      mkdirSync(join(folder, "faces", person), { recursive: true });
      await sharp(Uint8Array.of(40, 90, 10 * view), { raw: { width: 1, height: 1, channels: 3 } })
        .png()
        .toFile(join(folder, "faces", person, `${view}.png`));
    }
  program = join(folder, "words.ada");
  writeFileSync(
    program,
    `import { sgd } from "std/optim.ada"
grammar photo { start = "a photo of" | "a portrait of" }
prompt hello(frame: Text, who: Text) = "{frame} {who} {face:2}"
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field who:  Int = subject
  field name: Text = folder_name
}
module Rows() {
  param table: f32[id: 640, w: 4] = 1
  forward(ids: i32[...b, tokens]) -> real[...b, tokens, w: 4] { return table[id: ids] }
}
model rows = Rows() trained
step fit(d: faces) {
  let p = hello(draw(photo), d.name, length: 16)
  let x = rows(p.ids)
  minimize mean(x * x) + mean(x[tokens: p.face])
}
train run {
  data d = faces("${join(folder, "faces")}")
  batch 2  micro_steps 3
  each step: fit
  optimizer sgd()
}
`,
  );
  writeFileSync(join(folder, "lines.txt"), "a photo of ann\na portrait of bob\n".repeat(4));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = async (more: object) => {
  const s = keptStreams();
  const status = await runCommand({ file: program, out: join(folder, "runs"), streams: s, ...more }, compileFileWith(null));
  return { status, ...s.written };
};

it("stops before it starts when there is no vocabulary, or a wrong one", async () => {
  const without = await run({});
  expect([without.status, without.err]).toEqual([
    1,
    expect.stringMatching(/run has prompts, and there is no tokenizer\nhelp: .*--tokenizer/),
  ]);
  const wrong = await run({ tokenizer: join(folder, "nowhere") });
  expect([wrong.status, wrong.err]).toEqual([1, expect.stringMatching(/there is no tokenizer at/)]);
});
it("runs with a vocabulary that was made of texts, and remembers it", async () => {
  const s = keptStreams();
  const vocabulary = join(folder, "vocabulary");
  expect(await trainTokenizerCommand({ files: [join(folder, "lines.txt")], merges: 30, out: vocabulary, streams: s })).toBe(0);
  expect(s.written.out).toMatch(/merges.*, \d+ ids; use it with --tokenizer/);
  const made = await run({ tokenizer: vocabulary });
  expect(made.err).not.toContain("error");
  expect(made.status).toBe(0);
  expect(JSON.parse(readFileSync(join(folder, "runs", "run-1", "manifest.json"), "utf8"))).toMatchObject({
    tokenizer: vocabulary,
    status: "finished",
  });
});
