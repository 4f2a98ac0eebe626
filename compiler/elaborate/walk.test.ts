import { describe, expect, test } from "vitest";
import { compileWalk } from "../compile.ts";
import { elaborateWalk, listEntries } from "./index.ts";
import { printModules } from "./print.ts";
import { programOf, render } from "./testing.ts";

const head = `
type Line = { repeat: Int, prompt: Prompt<face: 2>, long: Text }
module Net() {
  param weight: f32[f: 4, c: 3] = draw(normal, [f: 4, c: 3])
  forward(x: real[...b, c: 3, h, w]) -> real[...b, f: 4] { return dot(mean(x, over: [h, w]), weight, over: c) |> order([...b, f]) }
}
model net = Net() frozen
fn pictures(id: real[f: 4], p: Prompt<face: 2>, n: Int) random -> real[n, c: 3, h: 4, w: 4] {
  return draw(normal, [n: n, c: 3, h: 4, w: 4]) + mean(id) * mean(p.plain) + mean(p.face)
}
`;
function walked(body: string) {
  const { program } = programOf(`${head}evaluate walk {\n${body}\n}`);
  const made = elaborateWalk(program, "walk");
  if (!made.ok) return { program: null, error: render(program, made.diagnostics), notes: [] };
  const notes = made.value.notes.map(({ depth, text, file }) => `${"  ".repeat(depth)}${text}${file === undefined ? "" : ` ${file}`}`);
  return { program: made.value, error: "", notes };
}

describe("evaluations without a data set", () => {
  test("loops, conditions, legs, waits and effects are listed in their order", () => {
    const { program, error, notes } = walked(`
  seed 42
  for subject in folders("faces") {
    let known = [for f in subject.images: load(f)]
    let shown = [for i in known: align_face(i, 112, largest: area)] |> present
    require length(shown) > 0 as "no face in {subject.name}"
    let id = unit(mean([for f in shown: net(f)]), over: f)
    let unused = net(known[0])
    for line in lines("{subject.name}.txt", as: Line) {
      let made = pictures(id, line.prompt, n: 2, stream: "{subject.name}/{line.long}")
      write made to "samples/{subject.name}/{i:05}.jpg"
      if line.repeat > 1 { measure twice: mean(dot(net(made), id, over: f)) } else { measure faceless: 4 - length(shown) }
      measure pairs: mean(cosine_pairs(stack([for f in shown: net(f)], axis: n), rename(net(made), n: m))) when length(shown) > 1
    }
  }
  report mean, ci95 by [subject, metric] to "samples/report.{csv,json}"`);
    expect(error).toBe("");
    expect(notes.join("\n")).toMatchInlineSnapshot(`
      "  reads the folders of faces
        for subject in folders("faces")
          reads {a picture of subject}
          align_face on the host; may find nothing
          require length(shown) > 0, or the turn ends: "no face in {subject.name}"
          reads the lines of {subject.name}.txt
          for line in lines("{subject.name}.txt", as: Line)
            leg id: 7 values; waits for its result
            write to samples/{subject.name}/{i:05}.jpg
            if line.repeat > 1
              measure twice
              leg twice: 12 values; waits for its result
            else
              measure faceless
            measure pairs when length(shown) > 1
            leg pairs: 14 values; waits for its result
        report mean, ci95 by subject, metric to "samples/report.csv", "samples/report.json""
    `);
    // One network for every picture that is shown, whatever its name.
    expect(program!.legs.map((leg) => leg.name)).toMatchInlineSnapshot(`
      [
        "id",
        "twice",
        "pairs",
      ]
    `);
    expect(printModules(program!)).toContain("param net.weight [f: 4, c: 3]");
  });
  test("its plan has a leg for each graph, over the same parameters", () => {
    const { program } = walked(`
  for subject in folders("faces") {
    for f in subject.images { measure bright: mean(net(load(f))) }
  }`);
    const plan = compileWalk(program!, "hash", {
      adapterClass: "cpu",
      subgroupSize: null,
      textureOperands: false,
      shaderF16: false,
      features: [],
      maxStorageBuffers: 8,
      maxBindingBytes: 2 ** 27,
      offsetAlignment: 256,
      maxWorkgroupsPerDimension: 65_535,
    });
    expect(plan.legs.map((leg) => [leg.name, leg.inputs.map((i) => i.shape)])).toEqual([
      ["init", []],
      [program!.legs[0]!.key, [[3, 512, 512]]],
    ]);
    expect(plan.buffers.filter((b) => b.use === "persistent").map((b) => b.name)).toEqual(["net.weight"]);
  });
  test("draws of a turn differ by a number, not by their graph", () => {
    const { program } = walked(`
  for subject in folders("faces") {
    let coin = draw(coin(0.5))
    let noise = draw(uniform(0..1), [k: 5])
    measure one: mean(noise + net(load(subject.images[0]))[f: 0]) when coin
    for line in lines("a.txt", as: Line) { measure two: mean(draw(normal, [k: 5]) * net(load(subject.images[0]))[f: 0]) }
  }`);
    const randoms = program!.legs.flatMap((leg) => [...leg.graph.results].map((r) => r.name));
    expect(randoms).toEqual(["out0", "out0"]);
  });
  test("blocks are told apart by what they go through", () => {
    const { program } = programOf(`
dataset faces(root: Path) {
  source folders(root)
  field who: Int = subject
}
evaluate over_data { data face = faces("a") }
evaluate over_files { for line in lines("a") { measure one: 1 } }`);
    expect(listEntries(program)).toEqual({ train: [], evaluate: ["over_data"], walk: ["over_files"] });
  });
});
