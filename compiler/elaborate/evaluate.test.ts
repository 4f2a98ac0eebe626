import { describe, expect, test } from "vitest";
import { elaborateEvaluate } from "./index.ts";
import { programOf, promptsAndFaces, render } from "./testing.ts";

const head = `${promptsAndFaces(2)}
module Net() {
  param weight: f32[f: 4, c: 3] = draw(normal, [f: 4, c: 3])
  forward(x: real[...b, c: 3]) -> real[...b, f: 4] { return dot(x, weight, over: c) |> order([...b, f]) }
}
model net = Net() frozen
evaluate held_out {
  data face = faces("faces")
  let batch = 3
  let y = net(mean(face.image, over: [h, w]))
`;
function elaborated(body: string) {
  const { program, resolution } = programOf(`${head}${body}\n}`);
  const made = elaborateEvaluate(program, resolution, "held_out");
  return made.ok ? { program: made.value, error: "" } : { program: null, error: render(program, made.diagnostics) };
}
const shown = (body: string) => {
  const { program, error } = elaborated(body);
  if (program === null) throw new Error(error);
  return program.measures.map((m) => [m.name, m.args.map((a) => (a.kind === "number" ? a.value : a.name)).join()]);
};

describe("evaluate blocks", () => {
  test("loops over what is known are unrolled; a measure in a turn has its number, a value is collected once", () => {
    expect(
      shown(`
  measure plain: verification(y, face.who)
  for k in 1..3 {
    let z = y + k
    measure auc: verification(z, face.who)
    measure same: verification(y, face.who)
  }`),
    ).toEqual([
      ["plain", "y,who"],
      ["auc.0", "z,who"],
      ["same.0", "y,who"],
      ["auc.1", "z#2,who"],
      ["same.1", "y,who"],
    ]);
  });
  test("two values under one name are both collected", () => {
    const { program } = elaborated("measure a: verification(y, face.who)\n  let y = 2 * y\n  measure b: verification(y, face.who)");
    expect(program!.graph.results.map((r) => r.name)).toEqual(["collect.y", "collect.y#2"]);
    expect(program!.graph.results[0]!.value).not.toBe(program!.graph.results[1]!.value);
  });
  test("`when` and `if` ask for what is known, `require` ends a turn", () => {
    const body = (condition: string) => `
  for (k, there) in [(1, true), (2, false), (3, true)] {
    require k != 1 as "not the first"
    if k < 3 { measure early: verification(k * y, face.who) }
    measure late: verification(k * y, face.who) when ${condition}
  }`;
    expect(shown(body("there")).map(([name]) => name)).toEqual(["early.1", "late.2"]);
    expect(elaborated(body("mean(y) > 0")).error).toContain("time/host-value-needed");
  });
  test("prompts are inputs, with texts of the batch", () => {
    const { program, error } = elaborated(`
  let p = hello(face.name, length: 8)
  measure auc: verification(y + 0.5 * sum(p.face, over: slot), face.who)`);
    expect(error).toBe("");
    expect(program!.prompts).toMatchObject([{ length: 8, shape: [3], slots: [{ name: "face", count: 2, words: false }] }]);
    expect(program!.dataset!.spec.fields.map((field) => field.name)).toEqual(["who", "name", "image"]);
  });
  test("models from files of others say where their tensors lie", () => {
    const text = head.replace(
      "model net = Net() frozen",
      'keys theirs for Net { weight -> "w" }\nmodel net = Net() from "a.safetensors" keys theirs frozen',
    );
    const { program, resolution } = programOf(`${text} measure auc: verification(y, face.who)\n}`);
    const made = elaborateEvaluate(program, resolution, "held_out");
    if (!made.ok) throw new Error(render(program, made.diagnostics));
    expect(made.value.models).toEqual([
      { name: "net", module: "Net", mode: "frozen", from: "a.safetensors", keys: [{ key: "net.weight", file: "w", shape: [4, 3] }] },
    ]);
  });
  test("a report names measures and the one file that they are written to", () => {
    const reported = (report: string) => elaborated(`measure auc: verification(y, face.who) when false\n  ${report}`);
    const measured = "measure level: mean(y, over: f)\n  ";
    expect(reported(`${measured}report auc, level by metric to "a.json"`).program!.report).toBe("a.json");
    expect(reported(measured).program!.report).toBeNull();
    expect(reported(`${measured}report acu by metric to "a.json"`).error).toContain("did you mean `auc`?");
    expect(reported(`${measured}report auc by who to "a.json"`).error).toContain("by anything but `metric` is not available");
    expect(reported(`${measured}report auc by metric to "a.csv"`).error).toContain('"a.csv" does not end in json');
    const twice = 'report auc by metric to "a.json"\n  report auc by metric to "b.json"';
    expect(reported(`${measured}${twice}`).error).toContain("a second `report`");
  });
  test("what an evaluation does not do is said where it stands", () => {
    for (const around of [(s: string) => s, (s: string) => `for k in 1..3 { ${s} }`]) {
      expect(elaborated(around("log { y: mean(y) }")).error).toContain("`log` in an `evaluate` block is not available");
      expect(elaborated(around('write y to "a.png"')).error).toContain("`write` outside of walks is not available");
    }
  });
});
