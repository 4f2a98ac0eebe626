import { describe, expect, test } from "vitest";
import { compileWalk } from "../compile.ts";
import { graphValues } from "../ir/walk.ts";
import { elaborateWalk, listEntries, nextRequest, startWalk, type WalkAnswer, type WalkRequest } from "./index.ts";
import { printModules } from "./print.ts";
import { programOf, render } from "./testing.ts";

const head = `
type Line = { repeat: Int, prompt: Prompt<face: 2>, long: Text }
module Net() {
  param weight: f32[f: 4, c: 3] = draw(normal, [f: 4, c: 3])
  forward(x: real[...b, c: 3, h, w]) -> real[...b, f: 4] { return dot(mean(x, over: [h, w]), weight, over: c) |> order([...b, f]) }
}
model net = Net() frozen
fn enough(n: Int) -> Real {
  require n > 5 as "too few"
  return 10 * n
}
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

/** What a walk asks for while it runs, but for where it reads. */
function ran(body: string, answerOf: (request: WalkRequest) => WalkAnswer): WalkRequest[] {
  const { program } = programOf(`${head}evaluate walk {\n${body}\n}`);
  const started = startWalk(program, "walk");
  if (!started.ok) throw new Error(render(program, started.diagnostics));
  const asked: WalkRequest[] = [];
  let answer: WalkAnswer | undefined;
  for (;;) {
    const next = nextRequest(started.value, answer);
    if (!next.ok) throw new Error(render(program, [next.diagnostic]));
    if (next.value.done === true) return asked;
    asked.push(next.value.value);
    answer = answerOf(next.value.value);
  }
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
    expect(program!.legs.map((leg) => leg.name)).toEqual(["one", "two"]);
    const counters = program!.legs.flatMap(({ graph }) => graphValues(graph).flatMap((v) => (v.op === "random" ? [v.args[0]!.op] : [])));
    // The host draws the uniform numbers; those of `normal` take two words each.
    expect(counters).toEqual(["input", "input"]);
  });
  test("a requirement in a function ends the turn", () => {
    const body = `
  for line in lines("a.txt", as: Line) { measure many: enough(line.repeat) }
  measure always: enough(7)
  measure never: enough(2)
  measure unreached: 1`;
    const asked = ran(body, ({ kind }) => (kind === "lines" ? ["3\t{face}\ta", "8\t{face}\tb"] : null));
    const said = asked.flatMap((r): readonly unknown[] =>
      r.kind === "measure" ? [[r.measure.name, r.measure.value]] : r.kind === "ended" ? [r.reason] : [],
    );
    expect(said).toEqual(["too few", ["many", 80], ["always", 70], "too few"]);
    expect(walked(body).notes.join("\n")).toMatchInlineSnapshot(`
      "  reads the lines of a.txt
        for line in lines("a.txt", as: Line)
          measure many
          many: 2 ways
          many: may end the turn
        measure always
        measure never
        never: may end the turn"
    `);
  });
  test("folders are looked through once for each way to ask for them in a statement", () => {
    const body = `
  let both = [folders("a", files: "*.png"), folders("a", files: "*.jpg"), folders("a", files: "*.png")]
  measure png: length(both[2])
  measure jpg: length(both[1])`;
    const folder = { name: "anna", path: "a/anna", images: [] };
    const asked = ran(body, (r) => (r.kind !== "folders" ? null : r.files === "*.png" ? [folder, folder] : []));
    expect(
      asked.flatMap((r): readonly unknown[] => (r.kind === "folders" ? [r.files] : r.kind === "measure" ? [r.measure.value] : [])),
    ).toEqual(["*.png", "*.jpg", 2, 0]);
  });
  test("what a walk does not do is said where it stands", () => {
    expect(walked('measure one: mean(align_face(load("a.png"), 112, largest: "nose"))').error).toContain("`area` is needed");
    const numbered = 'for line in lines("a.txt", as: Line) { write load(line.long) to "{line.repeat:03}.png" }';
    expect(walked(numbered).error).toContain("this is `{line.repeat:03}`, but `{name}`");
    expect(walked("return 3\n  measure one: 1").error).toContain("`return` in an `evaluate` block is not available");
    expect(walked('tap y = mean(load("a.png"))\n  measure one: 1').error).toContain("`tap` in an `evaluate` block is not available");
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
