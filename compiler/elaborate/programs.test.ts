import { describe, expect, test } from "vitest";
import { graphValues } from "../ir/walk.ts";
import { nothingKnown } from "../plan/host.ts";
import { promptArrays, type Tokenizer } from "../plan/prompt.ts";
import { elaborateFunction, elaborateTrain } from "./index.ts";
import { firstStep, programOf, render, run } from "./testing.ts";

// What a program can say beyond functions: watched calls, prompts and grammars, drawn weights, facts that the host knows of a batch.

const values = (x: { readonly data: ArrayLike<number> }) => Array.from(x.data);

describe("watching a call", () => {
  const net = `
module Layer(k: Real) {
  forward(x: real[...b, f]) -> real[...b, f] {
    let y = k * x
    tap doubled = 2 * y
    return y
  }
}
module Net() {
  part layer = [Layer(2), Layer(3), Layer(5)]
  forward(x: real[...b, f]) -> real[...b, f] { return fold(layer, x, fn(y, l) => l(y)) }
}
model net = Net()
fn entry(x: real[n, f]) -> real[n, f] {
  let run = net(x) watch { layer[0], layer[2..3] as seen }
  return run.value + 1000 * run.seen[0].doubled + 100000 * run.seen[1].doubled
}`;
  test("gives the result and the taps that the paths name, in order, under the caller's axes", () => {
    const { results, error } = run(net, "entry", { x: { shape: [1, 2], axes: ["batch", "c"], data: [1, 2] } });
    expect(error).toBe("");
    expect(values(results.result!)).toEqual([30 + 4000 + 6_000_000, 60 + 8000 + 12_000_000]);
  });
  test("a path that names nothing is said where it stands", () => {
    expect(run(net.replace("layer[2..3]", "layer[2..5]"), "entry", { x: { shape: [1, 2], data: [1, 2] } }).error).toContain(
      "index/out-of-range",
    );
    expect(run(net.replace("layer[0], ", "mid, "), "entry", { x: { shape: [1, 2], data: [1, 2] } }).error).toContain("has no field `mid`");
  });
});

describe("some places of a contraction", () => {
  const shapes = {
    q: { shape: [2, 3, 4], axes: ["n", "pixel", "d"], data: Array.from({ length: 24 }, (_, i) => Math.sin(i)) },
    k: { shape: [2, 7, 4], axes: ["n", "key", "d"], data: Array.from({ length: 56 }, (_, i) => Math.cos(3 * i)) },
    at: { shape: [2, 2], axes: ["n", "slot"], dtype: "i32" as const, data: [6, 0, 9, -1] },
  };
  const fn = (score: string) => `fn entry(q: real[n, pixel, d], k: real[n, key, d], at: i32[n, slot]) -> real[n, pixel, slot] {
  let score = ${score}
  return score[key: at]
}`;
  test("are products with these places only, with the same numbers as places of the whole", () => {
    const few = run(fn("2 * dot(q, k, over: d)"), "entry", shapes);
    const whole = run(fn("2 * dot(q, k, over: d) + 0 * k[d: 0, key: 0]"), "entry", shapes);
    expect(few.error + whole.error).toBe("");
    for (const [i, value] of values(few.results.result!).entries()) expect(value).toBeCloseTo(values(whole.results.result!)[i]!, 12);
    const { program, resolution } = programOf(fn("2 * dot(q, k, over: d)"));
    const args = Object.entries(shapes).map(([name, { data: _, ...shape }]) => ({ name, ...shape }));
    const made = elaborateFunction(program, resolution, "entry", args);
    if (!made.ok) throw new Error(render(program, made.diagnostics));
    const dots = graphValues(made.value.graph).filter((v) => v.op === "dot");
    expect(dots.map((v) => v.shape)).toEqual([[2, 3, 2]]);
  });
});

const head = `
import { sgd } from "std/optim.ada"
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field who:    Text = folder_name
  field masked: Bool = exists("{stem}_mask.png")
}
grammar where_to {
  start = "in " place^1 | "near " place^3
  place = [0.5] "a " ("park" | "wood")
}
module Scale() {
  param w: f32 = 1
  forward() -> real { return w }
}
model s = Scale() trained
`;
const tail = `
train go {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}`;
function elaborated(step: string) {
  const { program, resolution } = programOf(head + step + tail);
  const made = elaborateTrain(program, resolution, "go");
  return made.ok ? { program: made.value, error: "" } : { program: null, error: render(program, made.diagnostics) };
}
const letters: Tokenizer = {
  begin: 90,
  end: 91,
  pad: 0,
  filler: 7,
  encode: (text) =>
    text
      .trim()
      .split(/\s+/)
      .map((word) => word.length),
};

describe("prompts", () => {
  const step = `
prompt them(class: Text) = "{class+2}"
prompt me = "{face:3}"
prompt single(frame: Text, who: Prompt) = "{frame} {who} end"
step fit(face: faces) {
  let p = stack([single(face.who, me), single("of the", me)], axis: kind)
  let q = single(face.who, them("old man"), length: 12)
  minimize s() * (sum(p.face[kind: 0]) + sum(q.class) + sum(words(q.class)) + sum(q.plain))
}`;
  test("slots of the parts are slots of the whole; where they start depends on the texts", () => {
    const { program, error } = elaborated(
      step.replace('stack([single(face.who, me), single("of the", me)], axis: kind)', "single(face.who, me)").replace("[kind: 0]", ""),
    );
    expect(error).toBe("");
    const [p, q] = program!.prompts;
    const known = {
      ...nothingKnown,
      field: (_: string, at: number) => ["ann lee", "bo"][at]!,
    };
    const made = promptArrays(p!, { ...firstStep, known }, letters);
    if (!made.ok) throw new Error(made.text);
    expect([...made.arrays.face!]).toEqual([3, 4, 5, 2, 3, 4]);
    expect([...made.arrays.ids!].slice(0, 9)).toEqual([90, 3, 3, 7, 7, 7, 3, 91, 0]);
    expect([...made.arrays.end!]).toEqual([7, 6]);
    const other = promptArrays(q!, { ...firstStep, known }, letters);
    if (!other.ok) throw new Error(other.text);
    expect([...other.arrays["class.words"]!]).toEqual([2, 2]);
    expect([...other.arrays.ids!].slice(0, 12)).toEqual([90, 3, 3, 3, 3, 7, 7, 3, 91, 0, 0, 0]);
    expect([...other.arrays.plain!].slice(0, 12)).toEqual([0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
  });
  test("texts of another shape do not stack, a slot that is not there has no positions, one slot is there once", () => {
    expect(elaborated(step).error).toContain("type/mismatch");
    const asked = step.replace('stack([single(face.who, me), single("of the", me)], axis: kind)', "single(face.who, me)");
    expect(elaborated(asked.replace("p.face[kind: 0]", "p.fase")).error).toContain("did you mean `face`?");
    expect(elaborated(step.replace('"{frame} {who} end"', '"{frame} {who} {who} end"')).error).toContain("the slot `face` twice");
  });
  test("outside of a step there is no host that makes tokens", () => {
    const text = 'prompt hello = "hello"\nfn entry() -> real { return sum(hello.ids) }';
    expect(run(text, "entry").error).toContain("a prompt outside of steps, evaluations and tests is not available");
  });
  test("a prompt that has no room says how long it is", () => {
    const { program } = elaborated(
      step
        .replace('stack([single(face.who, me), single("of the", me)], axis: kind)', "single(face.who, me, length: 4)")
        .replace("[kind: 0]", ""),
    );
    const made = promptArrays(program!.prompts[0]!, firstStep, letters);
    expect(made).toMatchObject({ ok: false, tokens: 6, most: 4 });
  });
});

describe("grammars and facts of the host", () => {
  test("a drawn text is one that the grammar can give, the same for the same step", () => {
    const { program, error } = elaborated(
      'prompt one(t: Text) = "{t}"\nstep fit(face: faces) { minimize s() * sum(one(draw(where_to, [batch])).ids) }',
    );
    expect(error).toBe("");
    const texts = new Set<string>();
    for (let microStep = 0; microStep < 200; microStep++) {
      const seen: string[] = [];
      const spy: Tokenizer = { ...letters, encode: (text) => [seen.push(text)] };
      promptArrays(program!.prompts[0]!, { ...firstStep, microStep }, spy);
      for (const text of seen) texts.add(text);
    }
    expect([...texts].sort()).toEqual(["in ", "in a park", "in a wood", "near ", "near a park", "near a wood"]);
  });
  test("whether a Bool field holds for any sample chooses a graph; its samples are data", () => {
    const { program, error } = elaborated(
      "step fit(face: faces) {\n let k = if any(not face.masked) { 1 } else { 2 }\n minimize s() * k * sum(where(face.masked, 1, 0))\n if any(face.masked) { minimize s() }\n}",
    );
    expect(error).toBe("");
    expect(program!.steps[0]!.choices.map((choice) => choice.kind)).toEqual(["any"]);
    expect(program!.steps[0]!.alternatives).toHaveLength(2);
  });
});

describe("weights drawn from a Dirichlet distribution", () => {
  test("are positive, sum to one, and have its means", () => {
    const text = "fn entry(n: Dim) random -> real[n, last: 3] { return draw(dirichlet([1, 2, 5]), [n, last: 3]) }";
    const { results, error } = run(text, "entry", { n: { value: 4000 } });
    expect(error).toBe("");
    const all = values(results.result!);
    const means = [0, 1, 2].map((i) => all.reduce((sum, x, k) => (k % 3 === i ? sum + x : sum), 0) / 4000);
    for (const [i, mean] of [1 / 8, 2 / 8, 5 / 8].entries()) expect(means[i]).toBeCloseTo(mean, 1);
    expect(all.every((x) => x > 0)).toBe(true);
    expect(all[0]! + all[1]! + all[2]!).toBeCloseTo(1, 6);
  });
  test("need whole weights and an axis of their number", () => {
    expect(run("fn entry() random -> real[last: 2] { return draw(dirichlet([1, 0.5]), [last: 2]) }", "entry").error).toContain(
      "whole weights",
    );
    expect(run("fn entry() random -> real[last: 3] { return draw(dirichlet([1, 2]), [last: 3]) }", "entry").error).toContain(
      "shape/axis-mismatch",
    );
  });
});
