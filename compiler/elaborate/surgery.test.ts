import { describe, expect, test } from "vitest";
import type { NdArray } from "../ir/ops/row.ts";
import { evaluate } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { elaborateSurgery, elaborateTrain, type SurgeryRequest } from "./index.ts";
import { programOf, render } from "./testing.ts";

const text = `
import { sgd } from "std/optim.ada"
dataset blank(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field who: Int = subject
}
module Layer(rows: Int) {
  param weight: f32[out: rows, c: 3] = draw(normal, [out: rows, c: 3])
  param bias: f32[out: rows] = 0
  param gain: f32[out: rows] = 0
  forward(x: real[...b, c: 3]) -> real[...b, out: rows] { return gain * (dot(x, weight, over: c) |> order([...b, out])) + bias }
}
module Net(rows: List<Int>) {
  part layers = [for r in rows: Layer(r)]
  forward(x: real[...b, c: 3]) -> real { return sum([for l in layers: mean(l(x))]) }
}
fn widen(old: f32[rows, c], times: Dim, noise: Real = 0.1) random -> f32[rows: rows * times, c] {
  let all   = expand(old, [copy: times, rows, c])
  let first = expand(iota([copy: times]) == 0, [copy: times, rows, c])
  return where(first, all, all + noise * draw(normal, like: all)) |> view(\`copy rows c -> rows=(copy rows) c\`)
}
fn repeat_rows(old: f32[rows], times: Dim) -> f32[rows: rows * times] {
  return expand(old, [copy: times, rows]) |> view(\`copy rows -> rows=(copy rows)\`)
}
surgery grow(noise: Real = 0.1) for Net {
  layers[*].weight = widen(noise: noise)
  layers[*].bias   = repeat_rows()
  **.gain          = 3
}
model net = Net([2, 2]) from "net.safetensors" trained
step fit(d: blank) { minimize net(expand(2, [c: 3])) }
train run {
  model net = Net([4, 6]) from "net.safetensors" surgery grow(noise: 0.5) trained
  data d = blank("none")
  batch 1  micro_steps 1
  each step: fit
  optimizer sgd()
}
`;
const weight = [1, 2, 3, -4, 5, 0.5];

function planned(rows = "[4, 6]") {
  const { program, resolution } = programOf(text.replace("[4, 6]", rows));
  const made = elaborateTrain(program, resolution, "run");
  if (!made.ok) throw new Error(render(program, made.diagnostics));
  return { program, train: made.value };
}
function request({ train }: ReturnType<typeof planned>, inFile: (rank: number) => readonly number[]): SurgeryRequest {
  const { surgery } = train.models[0]!;
  const params = surgery!.params.map((param) => {
    const { shape } = train.leaves.find((leaf) => leaf.key === param.key)!;
    return { ...param, shape, inFile: inFile(shape.length) };
  });
  return { block: "run", model: "net", surgery: surgery!.name, seed: 1, params };
}
const twoRows = (rank: number): readonly number[] => (rank === 2 ? [2, 3] : [2]);

describe("surgery", () => {
  test("the plan says which parameters it makes, each by its first rule", () => {
    const { train } = planned();
    expect(train.models).toMatchObject([{ name: "net", from: "net.safetensors", surgery: { name: "grow" } }]);
    expect(train.models[0]!.surgery!.params.map(({ key, rule }) => [key, rule])).toEqual([
      ["net.layers.0.weight", 0],
      ["net.layers.0.bias", 1],
      ["net.layers.0.gain", 2],
      ["net.layers.1.weight", 0],
      ["net.layers.1.bias", 1],
      ["net.layers.1.gain", 2],
    ]);
  });
  test("what a block leaves out of a model is the file's, its surgery too", () => {
    const ofFile = text.replace(
      'model net = Net([2, 2]) from "net.safetensors" trained',
      'model net = Net([4, 6]) from "net.safetensors" surgery grow',
    );
    const source = 'model net = Net([4, 6]) from "net.safetensors" surgery grow(noise: 0.5) trained\n  data';
    const plannedWith = (model: string) => {
      const { program, resolution } = programOf(ofFile.replace(source, `${model}\n  data`));
      const made = elaborateTrain(program, resolution, "run");
      if (!made.ok) throw new Error(render(program, made.diagnostics));
      return made.value.models.map(({ from, surgery }) => [from, surgery?.name]);
    };
    expect(plannedWith("model net trained")).toEqual([["net.safetensors", "grow"]]);
    expect(plannedWith('model net from "other.safetensors"')).toEqual([["other.safetensors", undefined]]);
  });
  test("sizes are solved from both shapes, layer by layer; only the copies get noise, each its own", () => {
    const whole = planned();
    const made = elaborateSurgery(whole.program, request(whole, twoRows));
    if (!made.ok) throw new Error(render(whole.program, made.diagnostics));
    const results = new Map(
      made.value.params.map(({ key, graph }): [string, NdArray] => {
        const old = key.endsWith("weight") ? array([2, 3], weight) : array([2], [7, 8]);
        return [key, evaluate(graph, { old }).new!];
      }),
    );
    const first = results.get("net.layers.0.weight")!;
    const second = results.get("net.layers.1.weight")!;
    expect([first.shape, second.shape]).toEqual([
      [4, 3],
      [6, 3],
    ]);
    expect([...first.data].slice(0, 6)).toEqual(weight);
    expect([...second.data].slice(0, 6)).toEqual(weight);
    const noise = [first, second].flatMap(({ data }) => [...data].slice(6).map((value, i) => value - weight[i % 6]!));
    expect(noise).toHaveLength(18);
    expect(new Set(noise).size).toBe(18);
    expect(Math.max(...noise.map(Math.abs))).toBeLessThan(0.5 * 5);
    expect([...results.get("net.layers.0.bias")!.data]).toEqual([7, 8, 7, 8]);
    expect([...results.get("net.layers.1.bias")!.data]).toEqual([7, 8, 7, 8, 7, 8]);
    expect([...results.get("net.layers.1.gain")!.data]).toEqual([3, 3, 3, 3, 3, 3]);
  });
  test("the same seed draws the same noise, another seed other noise", () => {
    const whole = planned();
    const drawn = (seed: number) => {
      const made = elaborateSurgery(whole.program, { ...request(whole, twoRows), seed });
      if (!made.ok) throw new Error(render(whole.program, made.diagnostics));
      return [...evaluate(made.value.params[0]!.graph, { old: array([2, 3], weight) }).new!.data];
    };
    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(1)).not.toEqual(drawn(2));
  });
  test("a factor that does not divide is reported with both shapes", () => {
    const whole = planned("[4, 3]");
    const made = elaborateSurgery(whole.program, request(whole, twoRows));
    if (made.ok) throw new Error("it fits");
    const shown = render(whole.program, made.diagnostics);
    expect(shown).toContain("bind/surgery");
    expect(shown).toContain("`net.layers[1].weight`, [3, 3], of the file's [2, 3]: no whole `times` makes an axis of 3");
  });
  test("a rule for no parameter is a mistake", () => {
    const { program, resolution } = programOf(text.replace("**.gain          = 3", "layers[*].scale = 3"));
    const made = elaborateTrain(program, resolution, "run");
    if (made.ok) throw new Error("it fits");
    expect(render(program, made.diagnostics)).toContain("layers[*].scale");
  });
});
