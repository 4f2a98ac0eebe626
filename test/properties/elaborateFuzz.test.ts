import fc from "fast-check";
import { expect, test } from "vitest";
import { elaborateEvaluate, elaborateTrain, elaborateWalk, listEntries } from "../../compiler/elaborate/index.ts";
import { programOf } from "../../compiler/elaborate/testing.ts";
import { verifyElaborated } from "../../compiler/elaborate/verify.ts";

// Whatever an author writes, elaboration answers with a program that its verifier accepts, or with a diagnostic: it never throws.

const source = `import { Linear, Conv, BatchNorm, PReLU } from "std/nn.ada"
import { adamw, prodigy, clip_norm } from "std/optim.ada"
import { mse, arcface, cross_entropy } from "std/losses.ada"
const width = 3
dataset faces(root: Path, n: Int = 2) {
  source folders(root, files: "*.png", first: n)
  source folder("more", subject: "others")
  order weighted(source, by: [2, 1])
  let placed = draw(subject_in_frame(4, flip: 0.5, scale: 0.5..1, margin: 1))
  let cropped = draw(crop_to(4))
  let by     = draw(uniform(0..1)) * images
  field subject: Int = subject
  field known: Bool = exists("{stem}.txt") or source == 1
  field fg: f32[h: 4, w: 4] = load("{stem}_mask.png", or: white) |> placed |> is(255)
  field clean: f32[c: 3, h: 4, w: 4] = load(file) |> placed |> to_range(-1..1)
  field cut: f32[c: 3, h: 4, w: 4] = load(file) |> resize_to(6) |> cached("cut") |> cropped
  field image: f32[c: 3, h: 4, w: 4] = (clean - mean(clean)) * by * fg + 0.1 * draw(normal, like: clean)
}
module Net(out: Dim, deep: Bool = true) {
  part conv = Conv(4, 3, stride: 2)
  part bn = BatchNorm() when deep
  part act = PReLU()
  part rest = [for i in 0..2: Linear(out)]
  forward(x: real[...b, c, h, w]) updates -> real[...b, f: out] {
    let y = x |> conv |> act
    let y = if has(bn) { bn(y) } else { y }
    return fold(rest, y |> view(\`...b c h w -> ...b f=(c h w)\`), fn(y, l) => l(y))
  }
}
module Centres(n: Dim) { param weight: f32[n, f: width] = draw(normal, [n, f: width]) forward() -> real[n, f: width] { return weight } }
model net = Net(width) trained
model centres = Centres(5) trained
schedule rate(warm: Int) = linear(0 -> 1) for warm then cosine(1 -> 0) to end
step fit(face: faces) {
  let k = draw(pick([1, 2]))
  let x = where(draw(coin(0.5), [batch]), reverse(face.image, axis: w), face.image)
  let y = net(x + k * 0.1 * draw(normal, like: x))
  minimize arcface(y, centres(), face.subject, margin: 0.2 * rate(5), scale: 10)
  if k == 2 { minimize mse(y, zeros([batch, f: width])) }
  log { y: mean(y), known: sum(where(face.known, 1, 0)) + mean(face.cut), best: mean(argmax(y, over: f) == face.subject) }
}
train run {
  data face = faces("pictures")
  batch 2  micro_steps 12  accumulate 2 by sum  gradient clip_norm(0.5)
  each step: fit
  optimizer adamw(lr: 0.1 * rate(3)) { **.bias(weight_decay: 0) }
  save every 3  log every 1  preview every 2: draw(normal, [n: 2, c: 3, h: 4, w: 4])  seed 7
}
evaluate test {
  model net from run
  data face = faces("unseen")
  let id = unit(net(face.image), over: f)
  measure auc: verification(id, face.subject)
  report auc by metric to "test.json"
}
type Line = { repeat: Int, folder: Text, strength: Real }
evaluate walk {
  seed 4
  for subject in folders("people", first: 3) {
    let known = [for f in subject.images: align_face(load(f), 4)] |> present
    require length(known) > 0 as "nobody in {subject.name}"
    let id = mean([for f in known: net(f)])
    for line in lines("{subject.name}.txt", as: Line) {
      let made = draw(normal, [n: 2, c: 3, h: 4, w: 4]) * line.strength + mean(id)
      write made to "{line.folder}/{i:03}.png"
      measure like: mean(dot(net(made), id, over: f)) when line.repeat > 1
      if read(mean(made)) > 0 { measure bright: 1 } else { measure dark: 4 - length(known) }
    }
  }
  report mean, ci95 by [subject, metric] to "walk.{csv,json}"
}
`;
const words = [...source.matchAll(/[A-Za-z_]+|\d+(\.\d+)?|\.\.\.|\.\.|\|>|->|=>|\*\*|==|[^\sA-Za-z_\d]/g)].map((m) => ({
  word: m[0],
  start: m.index,
  end: m.index + m[0].length,
}));
const pool = [
  ...new Set(words.map((w) => w.word)),
  "0",
  "-1",
  "1e9",
  "none",
  "face.image",
  "(1, 2)",
  "[1, 2]",
  "training",
  "rows",
  "sum",
  "put",
  "split",
  "concat",
  "stack",
];

/** Everything that is allowed to happen for one text; undefined when the text does not even read. */
function elaborateAll(text: string): boolean {
  let read: ReturnType<typeof programOf>;
  try {
    read = programOf(text);
  } catch {
    return false;
  }
  const { program, resolution } = read;
  const entries = listEntries(program);
  for (const name of entries.train) {
    const made = elaborateTrain(program, resolution, name);
    if (made.ok) expect(verifyElaborated(made.value)).toEqual([]);
    else expect(made.diagnostics.length).toBeGreaterThan(0);
  }
  for (const name of entries.evaluate) {
    const made = elaborateEvaluate(program, resolution, name);
    if (made.ok) expect(verifyElaborated(made.value)).toEqual([]);
  }
  for (const name of entries.walk) {
    const made = elaborateWalk(program, name);
    if (made.ok) expect(verifyElaborated(made.value)).toEqual([]);
    else expect(made.diagnostics.length).toBeGreaterThan(0);
  }
  return true;
}

test("the program itself elaborates", () => {
  const { program, resolution } = programOf(source);
  expect(elaborateTrain(program, resolution, "run").ok).toBe(true);
  expect(elaborateEvaluate(program, resolution, "test").ok).toBe(true);
  expect(elaborateWalk(program, "walk").ok).toBe(true);
});

const runs = Number(process.env.ADA_FUZZ_RUNS ?? 80);
test("a word exchanged, dropped or doubled anywhere", () => {
  let readable = 0;
  const change = fc.tuple(
    fc.nat({ max: words.length - 1 }),
    fc.constantFrom("exchange", "drop", "double", "swap"),
    fc.constantFrom(...pool),
  );
  fc.assert(
    fc.property(change, ([at, how, word]) => {
      const { start, end, word: old } = words[at]!;
      const next = words[at + 1] ?? words[0]!;
      const put = (text: string, until = end) => source.slice(0, start) + text + source.slice(until);
      const text = {
        exchange: put(word),
        drop: put(""),
        double: put(`${old} ${old}`),
        swap: put(`${next.word} ${old}`, Math.max(end, next.end)),
      }[how]!;
      if (elaborateAll(text)) readable++;
    }),
    { seed: Number(process.env.ADA_FUZZ_SEED ?? 1), numRuns: runs, endOnFailure: true },
  );
  expect(readable).toBeGreaterThan(runs / 30);
});
