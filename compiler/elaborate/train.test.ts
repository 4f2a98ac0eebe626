import { describe, expect, test } from "vitest";
import { evaluateHost } from "../plan/evalHost.ts";
import { evaluate } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { elaborateEvaluate, elaborateTrain, listEntries } from "./index.ts";
import { printModules } from "./print.ts";
import { programOf, render, uniformArrays } from "./testing.ts";
import { verifyElaborated } from "./verify.ts";

const head = `import { Linear, BatchNorm } from "std/nn.ada"
import { adamw, clip_norm } from "std/optim.ada"
import { mse } from "std/losses.ada"
const width = 3
dataset faces(root: Path, n: Int = 2) {
  source folders(root, files: "*.png", first: n)
  order shuffled
  field subject: Int = subject
  field who: Text = folder_name
  field grey: f32[h: 4, w: 4] = load(file) |> resize_to(4) |> to_range(0..1)
  field image: f32[c: 3, h: 4, w: 4] = load(file) |> to_range(-1..1)
}
module Net(out: Dim) { part body = Linear(out) part tail = Linear(1) forward(x: real[...b, h, w]) -> real[...b, f: 1] {
  return x |> view(\`...b h w -> ...b f=(h w)\`) |> body |> tail } }
model net = Net(width) trained
model judge = Net(2) frozen
schedule rate(warm: Int) = linear(0 -> 1) for warm then constant(1)
`;
const settings = `batch 2  micro_steps 12  accumulate 2 by sum  gradient clip_norm(0.5)
  optimizer adamw(lr: 0.1 * rate(3)) { **.bias(weight_decay: 0) net.tail.**(weight_decay: 0.5) }
  save every 3  log every 1  seed 7`;
const step = (body: string, name = "fit") => `step ${name}(face: faces) {\n${body}\n}\n`;
const train = (mix = "fit", extra = "", name = "run") =>
  `train ${name} {\n  data face = faces("pictures")\n  each step: ${mix}\n  ${settings}\n ${extra}}\n`;

function made(text: string, name = "run", overrides: Readonly<Record<string, string>> = {}) {
  const { program, resolution } = programOf(text);
  const result = elaborateTrain(program, resolution, name, overrides);
  if (!result.ok) throw new Error(render(program, result.diagnostics));
  expect(verifyElaborated(result.value)).toEqual([]);
  return result.value;
}
function wrong(text: string, overrides: Readonly<Record<string, string>> = {}): string {
  const { program, resolution } = programOf(text);
  const result = elaborateTrain(program, resolution, "run", overrides);
  return result.ok ? "" : render(program, result.diagnostics);
}
test("a starting value knows no step, so no prompt either", () => {
  const text =
    'prompt hello = "hello"\nmodule Hello() {\n  param w: f32 = mean(hello.plain)\n  forward(x: real[...b]) -> real[...b] { return w * x }\n}\n';
  const used = step("minimize mean(said(mean(net(face.grey))))");
  expect(wrong(`${head}${text}model said = Hello() trained\n${used}${train()}`)).toContain(
    "a prompt outside of steps, evaluations and tests",
  );
});
const simple = head + step("minimize mean(net(face.grey) ** 2)") + train();
test("a requirement cannot end what every run has", () => {
  const least = "fn least(n: Int) -> Real {\n  require n > 5\n  return 1.0 * n\n}\n";
  const preview = simple.replace("each step: fit", "each step: fit\n  preview every 5: expand(least(2), [c: 3, h: 2, w: 2])");
  const mix = simple.replace("each step: fit", "each step: [least(2)] fit");
  for (const text of [preview, mix]) expect(wrong(least + text)).toContain("a `require` that ends what must be there is not available");
  expect(wrong(least + preview.replace("least(2)", "least(6)"))).toBe("");
});

describe("a train block", () => {
  test("leaves, groups, arenas, data and uniforms", () => {
    expect(
      printModules(
        made(head + step("let y = net(face.grey)\n minimize mse(y, judge(face.grey))\n log { out: mean(y), p: progress }") + train()),
      ),
    ).toMatchInlineSnapshot(`
      "train run
        batch 2  micro_steps 12  accumulate 2 by sum  seed 7
        model net = Net trained
        model judge = Net frozen
        param net.body.weight [out: 3, cin: 16] trained at 0
        param net.body.bias [out: 3] trained group 1 at 64
        param net.tail.weight [out: 1, cin: 3] trained group 2 at 128
        param net.tail.bias [out: 1] trained group 3 at 192
        param judge.body.weight [out: 2, cin: 16]
        param judge.body.bias [out: 2]
        param judge.tail.weight [out: 1, cin: 2]
        param judge.tail.bias [out: 1]
        data face = faces "pictures" shuffled: grey[1, 4, 4]
        step fit on face: 1 graph
          always -> graph 0: loss log.out log.p
        mix fit
        arena 256 in 4 slices, gradient transformed
        optimizer adamw: m[n] v[n] c1 c2
          group 0 [0..64] weight_decay: 0.01 lr_scale: 1
          group 1 [64..128] weight_decay: 0 lr_scale: 1
          group 2 [128..192] weight_decay: 0.5 lr_scale: 1
          group 3 [192..256] weight_decay: 0.5 lr_scale: 1
        uniform f32 progress = progress
        uniform f32 adamw = mul(0.1, if(lt(update, 3), min(1, max(0, div(update, 3))), 1))"
    `);
  });
  test("settings come from the block it is like, and from overrides", () => {
    const text = `${simple}train other like run { batch 4 seed 8 const width = 5 }\n`;
    const other = made(text, "other");
    expect(other.settings).toEqual({ batch: 4, microSteps: 12, accumulate: { count: 2, by: "sum" }, saveEvery: 3, logEvery: 1, seed: 8 });
    expect(other.leaves.find((l) => l.path === "net.body.weight")!.shape).toEqual([5, 16]);
    const set = made(text, "run", { batch: "8", "run.seed": "9", width: "2", "other.batch": "1" });
    expect([set.settings.batch, set.settings.seed, set.leaves[0]!.shape[0]]).toEqual([8, 9, 2]);
    expect(wrong(text, { bach: "8" })).toContain("did you mean `batch`?");
    expect(wrong(text, { batch: "many" })).toContain("no whole number");
    expect(wrong(text, { nothing_like_it: "1" })).toContain("constants are width");
  });
  test("a schedule is a number of the update", () => {
    const program = made(simple);
    const rate = program.uniforms.find((u) => JSON.stringify(u.expr).includes("update"))!;
    const at = (update: number) => evaluateHost(rate.expr, { seed: 0, microStep: 2 * update, update, progress: update / 6 }) as number;
    expect([0, 1, 2, 3, 4, 5].map(at).map((x) => Math.round(1e6 * x) / 1e6)).toEqual([0, 0.033333, 0.066667, 0.1, 0.1, 0.1]);
  });
  test("a mix of steps is a tree over updates, with weights that may follow a schedule", () => {
    const body = "minimize mean(net(face.grey))";
    const program = made(
      head + step(body) + step(body, "rest") + step(body, "rare") + train("every 3 updates: rare otherwise: [0.25] fit | [rate(6)] rest"),
    );
    expect(program.steps.map((s) => s.name)).toEqual(["rare", "fit", "rest"]);
    const { mix } = program;
    if (mix.kind !== "every" || mix.otherwise.kind !== "of") throw new Error("another mix");
    expect([mix.count, mix.mix]).toEqual([3, { kind: "of", choices: [{ weight: { kind: "number", value: 1 }, step: "rare" }] }]);
    const weights = mix.otherwise.choices.map((c) => evaluateHost(c.weight, { seed: 0, microStep: 6, update: 3, progress: 0.5 }));
    expect(weights).toEqual([0.25, 0.5]);
  });
  test("entries", () => {
    expect(listEntries(programOf(simple).program)).toEqual({ train: ["run"], evaluate: [], walk: [] });
  });
});

describe("alternatives", () => {
  test("a host choice in an `if` makes one graph per value; in `where` it does not", () => {
    const two = made(
      head +
        step(
          "let noisy = draw(coin(0.5))\n let x = if noisy { face.grey + draw(normal, like: face.grey) } else { face.grey }\n minimize mean(net(x) ** 2)",
        ) +
        train(),
    );
    expect(two.steps[0]!.alternatives.map((a) => a.key)).toEqual([[true], [false]]);
    const one = made(
      head + step("let noisy = draw(coin(0.5))\n minimize mean(net(where(noisy, 2 * face.grey, face.grey)) ** 2)") + train(),
    );
    expect(one.steps[0]!.alternatives).toHaveLength(1);
    expect(one.uniforms.some((u) => u.name === "fit.noisy")).toBe(true);
  });
  test("a drawn number of rounds, with a host number computed from it", () => {
    const program = made(
      head +
        step(
          "let n = draw(pick([1, 2, 3], weights: [1, 1, 2], at_most: 2))\n let y = fold(range(n), face.grey, fn(y, i) => 2 * y)\n minimize mean(net(y) / sqrt(n))",
        ) +
        train(),
    );
    expect(program.steps[0]!.alternatives.map((a) => a.key)).toEqual([[1], [2]]);
  });
  test("an `if` without device work stays a host value", () => {
    const program = made(
      head + step("let a = draw(uniform(0..1))\n let b = if a < 0.5 { 1 } else { 2 * a }\n minimize mean(b * net(face.grey))") + train(),
    );
    expect(program.steps[0]!.choices).toEqual([]);
    expect(program.uniforms.some((u) => u.expr.kind === "if")).toBe(true);
  });
  test("alternatives that choose on different draws are told apart by both", () => {
    const body = `let from = draw(pick(["a", "b"]))
let k = if from == "a" { draw(coin(0.5)) } else { true }
if k { minimize mean(net(face.grey)) } else { minimize mean(net(2 * face.grey)) }`;
    const program = made(head + step(body) + train());
    expect(program.steps[0]!.choices).toHaveLength(2);
    expect(new Set(program.steps[0]!.alternatives.map((a) => a.graph)).size).toBe(2);
    expect(program.steps[0]!.alternatives.map((a) => a.key)).toEqual([
      ["a", true],
      ["b", null],
      ["a", false],
    ]);
  });
  test("too many, or not enumerable", () => {
    const many = Array.from(
      { length: 6 },
      (_, i) => `let c${i} = draw(coin(0.5))\n let x${i} = if c${i} { face.grey * ${i} } else { face.grey }`,
    ).join("\n");
    expect(wrong(head + step(`${many}\nminimize mean(net(x0 + x1 + x2 + x3 + x4 + x5))`) + train())).toContain(
      "error time/too-many-alternatives: step `fit` would need more than 32 graphs",
    );
    expect(
      wrong(head + step("let n = floor(draw(uniform(1..9)))\n minimize sum([for i in 0..n: mean(net(face.grey))])") + train()),
    ).toContain("error time/host-value-needed");
  });
  test("require ends a path; what was minimised so far counts", () => {
    const program = made(
      head + step('minimize mean(net(face.grey))\n require draw(coin(0.5)) as "tails"\n minimize mean(net(2 * face.grey))') + train(),
    );
    const sizes = program.steps[0]!.alternatives.map((a) => a.graph.results.map((r) => r.name));
    expect(sizes).toEqual([["loss"], ["loss"]]);
    expect(new Set(program.steps[0]!.alternatives.map((a) => a.graph)).size).toBe(2);
  });
});

describe("what a train block can get wrong", () => {
  test("nothing to train", () => {
    expect(
      wrong(
        head +
          step("minimize mean(judge(face.grey))") +
          train("fit", "", "run").replace("{ **.bias(weight_decay: 0) net.tail.**(weight_decay: 0.5) }", ""),
      ),
    ).toMatchInlineSnapshot(`
      "error elaborate/nothing-minimised: no step of \`run\` minimises anything that depends on a trained parameter
        ┌ main.ada:21:7
        │ train run {
        │       ^^^
        help: mark a model \`trained\`, or look for a \`stop\` on the way"
    `);
  });
  test("a group that names nothing", () => {
    expect(wrong(head + step("minimize mean(net(face.grey))") + train().replace("net.tail", "net.tale"))).toMatchInlineSnapshot(`
      "error elaborate/no-such-part: no trained parameter matches \`net.tale.**\`
        ┌ main.ada:25:65
        │   optimizer adamw(lr: 0.1 * rate(3)) { **.bias(weight_decay: 0) net.tale.**(weight_decay: 0.5) }
        │                                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        help: trained parameters are like net.body.weight, net.body.bias, net.tail.weight"
    `);
  });
  test("a loss that is no number", () => {
    expect(wrong(head + step("minimize net(face.grey)") + train())).toMatchInlineSnapshot(`
      "error shape/not-scalar: what is minimised is real[batch: 2, f: 1], not one number
        ┌ main.ada:19:10
        │ minimize net(face.grey)
        │          ^^^^^^^^^^^^^^
        ┌ main.ada:18:6
        │ step fit(face: faces) {
        │      --- in step \`fit\`
        help: \`mean\` or \`sum\` makes one number of it"
    `);
  });
  test("every step's mistake is told, not only the first", () => {
    const text = head + step("minimize mean(net(face.gray))") + step("minimize net(face.grey)", "other") + train("fit | other");
    expect(wrong(text).match(/^error .*$/gm)).toEqual([
      "error type/no-field: the data set `faces` has no field `gray`",
      "error shape/not-scalar: what is minimised is real[batch: 2, f: 1], not one number",
    ]);
  });
  test("a field that the data set has not", () => {
    expect(wrong(head + step("minimize mean(net(face.gray))") + train())).toMatchInlineSnapshot(`
      "error type/no-field: the data set \`faces\` has no field \`gray\`
        ┌ main.ada:19:24
        │ minimize mean(net(face.gray))
        │                        ^^^^
        ┌ main.ada:18:6
        │ step fit(face: faces) {
        │      --- in step \`fit\`
        help: did you mean \`grey\`?"
    `);
  });
  test("what is read has no derivative", () => {
    expect(wrong(head + step("let r = read(mean(net(face.grey)))\n minimize r") + train())).toContain("error elaborate/nothing-minimised");
  });
});

describe("an evaluate block", () => {
  const block = `evaluate test {
  model net from run
  data face = faces("unseen")
  let batch = 5
  let id = net(face.grey)
  measure auc: verification(id, face.subject)
  report auc by metric to "test.json"
}
`;
  test("collects rows and reads what it measures", () => {
    const { program, resolution } = programOf(simple + block);
    const result = elaborateEvaluate(program, resolution, "test");
    if (!result.ok) throw new Error(render(program, result.diagnostics));
    expect(verifyElaborated(result.value)).toEqual([]);
    expect(printModules(result.value)).toMatchInlineSnapshot(`
      "evaluate test
        batch 5  seed 0
        model net = Net frozen from run
        param net.body.weight [out: 3, cin: 16]
        param net.body.bias [out: 3]
        param net.tail.weight [out: 1, cin: 3]
        param net.tail.bias [out: 1]
        data face = faces "unseen" shuffled: subject grey[1, 4, 4]
        collect.id: f32[5, 1]
        measure auc: verification(id, subject)
        report to test.json"
    `);
    expect(result.value.leaves.every((leaf) => !leaf.trained)).toBe(true);
  });
  test("a measure that is neither a metric nor one number for each sample", () => {
    const { program, resolution } = programOf(simple + block.replace("verification(id, face.subject)", "mean(id)"));
    const result = elaborateEvaluate(program, resolution, "test");
    expect(result.ok ? "" : render(program, result.diagnostics)).toMatchInlineSnapshot(`
      "error type/mismatch: this is real, but \`real[batch: 5]\` is needed
        ┌ main.ada:33:16
        │   measure auc: mean(id)
        │                ^^^^^^^^
        help: a measure over a data set has one number for each sample, with the axis \`batch\` alone: \`mean(x, over: [c, h, w])\`; or is \`verification(embedding, subject)\`"
    `);
  });
});

test("what is minimised has the value that the text says", () => {
  const program = made(head + step("let y = net(face.grey)\n minimize mean(y ** 2)\n minimize 0.5 * sum(y)") + train());
  const starts = evaluate({ name: "init", results: program.leaves.map((l) => ({ name: l.path, value: l.init })) }, {});
  const grey = array(
    [2, 4, 4],
    Array.from({ length: 32 }, (_, i) => (i % 7) / 7),
  );
  const { loss } = evaluate(program.steps[0]!.alternatives[0]!.graph, { "face.grey": grey, ...starts, ...uniformArrays(program.uniforms) });
  const w = starts["net.body.weight"]!.data;
  const t = starts["net.tail.weight"]!.data;
  const y = [0, 1].map((n) =>
    [0, 1, 2].reduce(
      (s, o) => s + t[o]! * Array.from({ length: 16 }, (_, i) => grey.data[n * 16 + i]! * w[o * 16 + i]!).reduce((p, q) => p + q, 0),
      0,
    ),
  );
  expect(loss!.data[0]).toBeCloseTo((y[0]! ** 2 + y[1]! ** 2) / 2 + 0.5 * (y[0]! + y[1]!), 12);
  const spread = Math.max(...w) - Math.min(...w);
  expect(spread).toBeGreaterThan(0.3);
  expect(Math.max(...w.map(Math.abs))).toBeLessThanOrEqual(0.25);
});
