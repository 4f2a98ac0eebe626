import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openTokenizer } from "../runtime/tokenizer/readTokenizer.ts";
import { compileFileWith } from "./compileFile.ts";
import { evalCommand } from "./eval.ts";
import { keptStreams } from "./streams.testing.ts";
import { trainTokenizerCommand } from "./tokenizer.ts";

// The recipe's evaluation in small: prompts of a list, faces that are found or not, lists whose lengths differ from turn to turn.

let folder: string;
const streams = keptStreams();

const program = () => `
prompt plain(words: Text) = "{words}"
type Line = { folder: Text, prompt: Prompt<face: 2>, long: Text }
module Words() {
  param table: f32[id: 700, w: 3] = 0.001
  forward(ids: i32[...b, tokens]) -> real[...b, tokens, w: 3] { return table[id: ids] * expand(ids, [...b, tokens, w: 3]) }
}
module Grey() {
  param scale: f32 = 2
  forward(x: real[...b, c: 3, h, w]) -> real[...b] { return scale * mean(x, over: [c, h, w]) }
}
model words = Words() frozen
model grey = Grey() frozen
fn made(p: Prompt<face: 2>, level: real, n: Int) -> real[n, c: 3, h: 2, w: 3] {
  let x = mean(words(p.ids)) + 0.01 * mean(p.face) + level
  return expand(expand(x, [c: 3, h: 2, w: 3]) * 0.1, [n: n, c: 3, h: 2, w: 3]) + rename(iota([n: n]), n: n) * 0.125
}
evaluate people {
  for subject in folders("${folder}/people") {
    let known = [for f in subject.images: load(f)]
    let shown = [for i in known: align_face(i, 2, largest: area)] |> present
    require length(shown) > 0 as "no face in {subject.name}"
    let level = mean([for f in shown: grey(f)])
    for line in lines("${folder}/{subject.name}.txt", as: Line) {
      let pictures = made(line.prompt, level, n: 2)
      let found = present([for i in unstack(pictures, axis: n): align_face(i, 2, largest: area)])
      write pictures to "{line.folder}/{i}.png"
      measure text: mean(words(plain(line.long).ids))
      measure level: level
      measure first: mean(pictures)
      measure face: mean([for f in found: grey(f)]) when length(found) > 0
      measure faceless: 2 - length(found)
    }
  }
  report mean by [subject, line.folder, metric] to "report.json"
}`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-walk-prompts-"));
  const pictures: Record<string, readonly number[]> = { ann: [200, 30], bob: [20], cara: [180, 220, 160] };
  for (const [person, levels] of Object.entries(pictures)) {
    await mkdir(join(folder, "people", person), { recursive: true });
    for (const [i, level] of levels.entries())
      await sharp(new Uint8Array(3 * 4 * (3 + i)).fill(level), { raw: { width: 4, height: 3 + i, channels: 3 } })
        .png()
        .toFile(join(folder, "people", person, `${i}.png`));
    await writeFile(
      join(folder, `${person}.txt`),
      `${person}-1\ta photo of {face}\ta photo of ${person}\n${person}-2\tz, , runs\t${person} runs\n`,
    );
  }
  await writeFile(
    join(folder, "faces.ts"),
    `export default function find(picture: { data: Float32Array; channels: number }, { size }: { size: number }): Float32Array | null {
  return picture.data[0]! > 0.16 ? new Float32Array(picture.channels * size * size).fill(picture.data[0]!) : null;
}
`,
  );
  await writeFile(join(folder, "words.txt"), "a photo of ann\na portrait of bob\n".repeat(4));
  await writeFile(join(folder, "people.ada"), program());
  expect(await trainTokenizerCommand({ files: [join(folder, "words.txt")], merges: 20, out: join(folder, "vocabulary"), streams })).toBe(0);
});
afterAll(() => rm(folder, { recursive: true }));

const evaluated = async (more: object) => {
  streams.written.err = "";
  return await evalCommand({ file: join(folder, "people.ada"), out: join(folder, "runs"), streams, ...more }, compileFileWith(null));
};

it("says what is missing: a vocabulary, someone who finds faces", async () => {
  expect(await evaluated({})).toBe(1);
  expect(streams.written.err).toContain("people has prompts, and there is no tokenizer");
  expect(await evaluated({ tokenizer: join(folder, "vocabulary") })).toBe(1);
  expect(streams.written.err).toContain("`align_face` needs someone who finds faces");
  expect(await evaluated({ tokenizer: join(folder, "vocabulary"), faces: join(folder, "words.txt") })).toBe(1);
  expect(streams.written.err).toContain("words.txt");
});

it("measures prompts and faces as they are counted here", async () => {
  const more = { tokenizer: join(folder, "vocabulary"), faces: join(folder, "faces.ts"), out: join(folder, "done") };
  expect(await evaluated(more), streams.written.err).toBe(0);
  expect(streams.written.err).toContain("people: no face in bob");
  const tokenizer = await openTokenizer(join(folder, "vocabulary"));
  if (!tokenizer.ok) throw new Error(tokenizer.error.message);
  const { begin, end, pad, filler, encode } = tokenizer.value;
  const idsOf = (parts: readonly (string | number)[]) => {
    const inner = parts.flatMap((part) => (typeof part === "number" ? Array.from({ length: part }, () => filler) : [...encode(part)]));
    return [begin, ...inner, end, ...Array.from({ length: 77 - inner.length - 2 }, () => pad)];
  };
  const meanOf = (ids: readonly number[]) => ids.reduce((sum, id) => sum + 0.001 * id, 0) / ids.length;
  const at = (level: number) => level / 127.5 - 1;
  const wanted: Record<string, number> = {};
  for (const [person, levels] of [["ann", [200]] as const, ["cara", [180, 220, 160]] as const]) {
    const level = levels.reduce((sum, one) => sum + 2 * at(one), 0) / levels.length;
    const lines = [
      { name: `${person}-1`, prompt: ["a photo of ", 2], first: [...encode("a photo of ")].length, long: `a photo of ${person}` },
      { name: `${person}-2`, prompt: [2, " runs"], first: 0, long: `${person} runs` },
    ];
    for (const { name, prompt, first, long } of lines) {
      const base = 0.1 * (meanOf(idsOf(prompt)) + 0.01 * (1 + first + 0.5) + level);
      const pictures = [base, base + 0.125];
      const found = pictures.filter((x) => Math.fround(x) > 0.16);
      const row = (metric: string) => `${person} ${name} ${metric}`;
      wanted[row("text")] = meanOf(idsOf([long]));
      wanted[row("level")] = level;
      wanted[row("first")] = (pictures[0]! + pictures[1]!) / 2;
      if (found.length > 0) wanted[row("face")] = found.reduce((sum, x) => sum + 2 * x, 0) / found.length;
      wanted[row("faceless")] = 2 - found.length;
    }
  }
  type Row = { readonly subject: string; readonly "line.folder": string; readonly metric: string; readonly mean: number };
  const report = JSON.parse(await readFile(join(folder, "done", "people-1", "report.json"), "utf8")) as { readonly rows: readonly Row[] };
  const measured = Object.fromEntries(report.rows.map((row) => [`${row.subject} ${row["line.folder"]} ${row.metric}`, row.mean]));
  expect(Object.keys(measured)).toEqual(Object.keys(wanted));
  for (const [name, value] of Object.entries(wanted)) expect(measured[name], name).toBeCloseTo(value, 5);
  // Both ways occur, or the test says nothing about them.
  expect(
    new Set(
      Object.keys(wanted)
        .filter((name) => name.endsWith("faceless"))
        .map((name) => wanted[name]! > 0),
    ).size,
  ).toBe(2);
});
