import { describe, expect, test } from "vitest";
import { checkText } from "./load.ts";

// Every mistake that the language's description names and the checker can see: a program with that one mistake, its one message, and the
// text under the carets. What only numbers, files or a device can show is with the messages of elaboration and of runs.

type Mistake = readonly [mistake: string, code: string, at: string, program: string];

const data = `dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field name: Text = stem
  field who: Int = subject
  field real_one: Bool = exists("{stem}.txt")
  field image: f32[c: 3, h: 8, w: 8] = load(file)
}
`;
const types: readonly Mistake[] = [
  ["an axis without a name", "shape/unnamed-axis", "2 * 3", "fn f(x: real[2 * 3]) -> real { return mean(x) }"],
  ["an axis twice", "shape/duplicate-axis", "rename(x, m: n)", "fn f(x: real[n, m]) -> real { return mean(rename(x, m: n)) }"],
  ["axes that do not line up", "shape/not-a-subset", "y", "fn f(x: real[h, w], y: real[h, c]) -> real[h, w] { return x + y }"],
  ["axes in another order", "shape/axis-order", "y", "fn f(x: real[h, w], y: real[w, h]) -> real[h, w] { return x + y }"],
  ["size 1 does not stretch", "shape/axis-mismatch", "y", "fn f(x: real[h: 4], y: real[h: 1]) -> real[h: 4] { return x + y }"],
  ["a size that changes under one name", "shape/axis-mismatch", "y", "fn f(x: real[h], y: real[h: k], k: Dim) -> real[h] { return x + y }"],
  [
    "a quotient that is not whole",
    "shape/does-not-divide",
    "(a b)",
    "fn f(x: real[n: 6]) -> real[a: 4, b] { return x |> view(`(a b) -> a b`, a: 4) }",
  ],
  [
    "a size of a result that is not whole",
    "shape/not-whole",
    "halves(x)",
    "fn halves(x: real[n]) -> real[n: n / 2] { return split(x, axis: n, parts: 2)[0] }\nfn f(x: real[n: 7]) -> real { return mean(halves(x)) }",
  ],
  [
    "a size left out that nothing says",
    "shape/not-determined",
    "tiled(x)",
    "fn tiled(x: real[c], times: Dim) -> real[times, c] { return expand(x, [times, c]) }\nfn f(x: real[c]) -> real { return mean(tiled(x)) }",
  ],
  [
    "a module's size left out that no use says",
    "shape/not-determined",
    "Head()",
    'import { Linear } from "std/nn.ada"\nmodule Head(classes: Dim) {\n  part fc = Linear(classes)\n  forward(x: real[...b, f]) -> real[...b, f: classes] { return fc(x) }\n}\nmodel m = Head() trained\nfn f(x: real[n, f: 3]) -> real { return mean(m(x)) }',
  ],
  [
    "two solutions",
    "shape/reused-with-two-sizes",
    "y",
    'import { Linear } from "std/nn.ada"\nmodule Net() {\n  part fc = Linear(4)\n  forward(x: real[...b, f: 3], y: real[...b, f: 5]) -> real[...b, f: 4] { return fc(x) + fc(y) }\n}',
  ],
  [
    "an element that differs",
    "shape/element-differs",
    "[a, b]",
    "fn f(a: real[n: 3], b: real[n: 4]) -> real[k: 2, n: 3] { return stack([a, b], axis: k) }",
  ],
  ["lists of two lengths", "type/mismatch", "[1, 2, 3]", "fn f() -> Real { return sum([for (a, b) in zip([1, 2], [1, 2, 3]): a * b]) }"],
  [
    "a record without a field",
    "type/missing-field",
    "{ a: x }",
    "type P = { a: real[n], b: real[n] }\nfn g(p: P) -> real { return mean(p.a) }\nfn f(x: real[n]) -> real { return g({ a: x }) }",
  ],
  ["a field that a record lacks", "type/no-field", "c", "type P = { a: real[n], b: real[n] }\nfn f(p: P) -> real { return mean(p.c) }"],
  [
    "an update of a field that is not there",
    "type/no-field",
    "c",
    "type P = { a: real[n] }\nfn f(p: P, x: real[n]) -> real { return mean((p with { c: x }).a) }",
  ],
  [
    "what is absent is used",
    "type/mismatch",
    "shifted(x)",
    "fn shifted(x: real[n], by: real[n]? = none) -> real[n] { return x + by }\nfn f(x: real[n]) -> real { return mean(shifted(x, x) + shifted(x)) }",
  ],
  ["an index that is not whole", "type/mismatch", "at", "fn f(x: real[n, c], at: real[m]) -> real[m, c] { return x[n: at] }"],
  ["an index outside", "index/out-of-range", "4", "fn f(x: real[n: 4]) -> real { return x[n: 4] }"],
  ["a range outside", "index/out-of-range", "2..5", "fn f(x: real[n: 4]) -> real { return mean(x[n: 2..5]) }"],
  [
    "rows that do not fit where they are put",
    "shape/axis-mismatch",
    "v",
    "fn f(x: real[n, c: 4], at: i32[k], v: real[k, c: 3]) -> real[n, c: 4] { return put(x, n: at, v) }",
  ],
  ["no silent conversion", "type/mismatch", "x", "fn g(x: i32[n]) -> real { return mean(x) }\nfn f(x: real[n]) -> real { return g(x) }"],
  ["a list index on the device", "time/host-value-needed", "i", "fn f(i: i32) -> Int { return [1, 2][i] }"],
  [
    "an effect that is not said",
    "effect/undeclared",
    "draw(normal, like: x)",
    "fn f(x: real[n]) -> real[n] { return draw(normal, like: x) }",
  ],
  ["minimize in a function", "effect/not-here", "minimize mean(x)", "fn f(x: real[n]) -> real {\n  minimize mean(x)\n  return 1\n}"],
  ["read in a function", "effect/not-here", "read(mean(x))", "fn f(x: real[n]) -> Real { return read(mean(x)) }"],
  ["log in a function", "effect/not-here", "log { a: 1 }", "fn f(x: real[n]) -> real {\n  log { a: 1 }\n  return 1\n}"],
  [
    "require in a function",
    "effect/not-here",
    'require n > 1 as "few"',
    'fn f(x: real[n]) -> real {\n  require n > 1 as "few"\n  return 1\n}',
  ],
  [
    "a schedule's value in a function",
    "effect/not-here",
    "rate",
    "schedule rate = linear(1 -> 0) to end\nfn f(x: real) -> real { return rate * x }",
  ],
];
const step = (body: string, head = "", parameter = "face: pictures") => `${data}${head}step learn(${parameter}) {\n${body}\n}`;
const steps: readonly Mistake[] = [
  [
    "a tensor chooses a graph",
    "time/host-value-needed",
    "mean(face.image) > 0",
    step("  if mean(face.image) > 0 { minimize mean(face.image) }"),
  ],
  ["a sample chooses for all", "time/host-value-needed", "face.real_one", step("  if face.real_one { minimize mean(face.image) }")],
  ["what is minimised is one number", "shape/not-scalar", "face.image", step("  minimize face.image")],
  ["a step has no result", "effect/not-here", "face.image", step("  return face.image")],
  ["reading more than one number", "type/mismatch", "face.image", step("  let x = read(face.image)\n  minimize x * mean(face.image)")],
  ["weights of a pick", "train/bad-weights", "[0, 0]", step("  minimize draw(pick([1, 2], weights: [0, 0])) * mean(face.image)")],
];
const values: readonly Mistake[] = [
  ["a loop to a number of each sample", "time/host-value-needed", "face.who", step("  for i in 0..face.who { minimize mean(face.image) }")],
  [
    "a loop to a number that need not be whole",
    "type/mismatch",
    "k",
    step("  let k = draw(uniform(0..3))\n  for i in 0..k { minimize mean(face.image) }"),
  ],
  ["a size of each sample", "time/host-value-needed", "face.who", step("  minimize mean(zeros([n: face.who]))")],
  ["a chance above 1", "train/bad-number", "1.5", step("  minimize draw(coin(1.5)) * mean(face.image)")],
  ["a range backwards", "train/bad-number", "2..1", step("  minimize draw(uniform(2..1)) * mean(face.image)")],
  ["a range without a whole number", "train/bad-number", "5..5", step("  minimize draw(integer(5..5)) * mean(face.image)")],
  ["as many weights as elements", "type/mismatch", "[1]", step("  minimize draw(pick([1, 2], weights: [1])) * mean(face.image)")],
  ["drawing from a number", "type/mismatch", "3", step("  minimize draw(3) * mean(face.image)")],
  ["a step changes no name", "effect/not-state", "s", step("  let s = 1\n  update s = 2\n  minimize s * mean(face.image)")],
  ["logging what is no number", "type/mismatch", "face", step("  minimize mean(face.image)\n  log { face }")],
  ["an index between two", "type/mismatch", "0.5", "fn f(x: real[n, c]) -> real[c] { return x[n: 0.5] }"],
  ["an index without a name", "type/mismatch", "0", "fn f(x: real[n, c]) -> real[c] { return x[0] }"],
  ["a copy of no model", "type/mismatch", "x", "fn f(x: real[n]) -> real[n] { return copy(x) }"],
  ["a part of a schedule behind the last", "schedule/span", "linear(1 -> 0) to end", "schedule s = linear(1 -> 0) to end then constant(1)"],
  ["a negative number of updates", "train/bad-number", "-5", "schedule s = linear(1 -> 0) for -5 then constant(1)"],
  ["a schedule from one value", "type/mismatch", "1", "schedule s = linear(1) to end"],
  [
    "a state of an optimiser of another form",
    "type/mismatch",
    "f32[n, k: 2]",
    "optimizer o(lr: Schedule) {\n  state m: f32[n, k: 2] = 0\n  step(p: f32[n], g: f32[n]) -> f32[n] { return p - lr * g }\n}",
  ],
  [
    "minimize in an optimiser",
    "effect/not-here",
    "minimize sum(g)",
    "optimizer o(lr: Schedule) {\n  step(p: f32[n], g: f32[n]) -> f32[n] {\n    minimize sum(g)\n    return p - lr * g\n  }\n}",
  ],
  [
    "minimize in an evaluation",
    "effect/not-here",
    "minimize mean(face.image)",
    `${data}evaluate e {\n  data face = pictures("a")\n  minimize mean(face.image)\n}`,
  ],
];
/** A model with state, and a function that calls it without saying that it updates. */
const counted = (mode: string, call: string) => `module Counter() {
  state seen: f32 = 0
  forward(x: real[n]) updates -> real[n] {
    if training { update seen = seen + 1 }
    return x * 2
  }
}
module Net() {
  part inner = [Counter(), Counter()]
  forward(x: real[n]) updates -> real[n] { return x |> inner[0] |> inner[1] }
  fn twice(x: real[n]) updates -> real[n] { return x |> inner[0] |> inner[0] }
}
model net = Net() ${mode}
fn f(x: real[n]) -> real[n] { return ${call} }
`;
const table = "state kept: Table<{ x: f32[c: 3], n: i32, by: Text }>(key: Text, at_most: 4)\n";
const one = (body: string) => step(`  let x = mean(face.image, over: [h, w])\n${body}\n  minimize mean(x)`, table, "face: one of pictures");
const state: readonly Mistake[] = [
  [
    "a parameter is no state",
    "effect/not-state",
    "w",
    "module M() {\n  param w: f32[n] = 1\n  forward(x: real[n]) updates -> real[n] {\n    update w = x\n    return x * w\n  }\n}",
  ],
  [
    "an update that is not said",
    "effect/undeclared",
    "update s = 2",
    "module M() {\n  state s: f32 = 1\n  forward(x: real[n]) -> real[n] {\n    update s = 2\n    return x * s\n  }\n}",
  ],
  [
    "state of a frozen model",
    "module/frozen-update",
    "m",
    "module M() {\n  state s: f32 = 1\n  forward(x: real[n]) updates -> real[n] {\n    update s = 2\n    return x * s\n  }\n}\nmodel m = M() frozen",
  ],
  ["state of a trained model, in a function", "effect/undeclared", "net(x)", counted("trained", "net(x)")],
  ["state of a part of it", "effect/undeclared", "net.inner[0](x)", counted("trained", "net.inner[0](x)")],
  ["state of it by one of its functions", "effect/undeclared", "net.twice(x)", counted("trained", "net.twice(x)")],
  ["a record that lacks a field", "type/missing-field", '{ x: x, by: "a" }', one('  update kept[face.name] = { x: x, by: "a" }')],
  ["a field that the table lacks", "type/no-field", "m", one('  update kept[face.name] = { x: x, n: 1, by: "a", m: 1 }')],
  [
    "a field of another shape",
    "shape/axis-mismatch",
    "concat([x, x], axis: c)",
    one('  update kept[face.name] = { x: concat([x, x], axis: c), n: 1, by: "a" }'),
  ],
  ["a key that is no text", "type/mismatch", "3", one('  update kept[3] = { x: x, n: 1, by: "a" }')],
  [
    "a field that a record in a table lacks",
    "type/no-field",
    "y",
    one("  if kept.has(face.name) { minimize mean(kept.take(face.name).y) }"),
  ],
  ["a record of no fixed shape", "shape/not-determined", "f32[n]", "state kept: Table<{ x: f32[n] }>(key: Text, at_most: 4)"],
  ["a key of another kind", "type/mismatch", "Int", "state kept: Table<{ x: f32 }>(key: Int, at_most: 4)"],
  ["giving up records in another way", "type/mismatch", "newest", "state kept: Table<{ x: f32 }>(key: Text, at_most: 4, evict: newest)"],
  [
    "taking in a function",
    "effect/not-here",
    "kept.take(k)",
    "state kept: Table<{ x: f32 }>(key: Text, at_most: 4)\nfn f(k: Text) -> real { return kept.take(k).x }",
  ],
  ["a table without a bound", "call/missing-argument", "kept", "state kept: Table<{ x: f32 }>(key: Text)"],
];
const prompts = `prompt me = "{face:16}"
prompt them(class: Text) = "{class+15}"
prompt single(frame: Text, who: Prompt) = "{frame} {who}"
fn filled(p: Prompt[...b], face: real[...b, slot: 16, width]? = none, x: real[...b, tokens: 77, width]) -> real[...b, tokens: 77, width] {
  return if has(face) { put(x, tokens: p.face, face) } else { x }
}
fn wanted(p: Prompt<face: 16>) -> real { return mean(p.plain) }
`;
const lists: readonly Mistake[] = [
  ["a slot that the prompt lacks", "type/no-field", "bg", `${prompts}fn f() -> i32[slot: 4] { return single("a", me).bg }`],
  [
    "a slot that a call needs",
    "type/no-field",
    'filled(single("a", them("b")), v, x)',
    `${prompts}fn f(v: real[slot: 16, width], x: real[tokens: 77, width]) -> real { return mean(filled(single("a", them("b")), v, x)) }`,
  ],
  [
    "a slot with another number of vectors",
    "shape/axis-mismatch",
    "v",
    `${prompts}fn f(v: real[slot: 4, width], x: real[tokens: 77, width]) -> real { return mean(filled(me, v, x)) }`,
  ],
  ["a prompt of a type with slots", "type/mismatch", 'them("b")', `${prompts}fn f() -> real { return wanted(them("b")) }`],
  [
    "a slot twice",
    "type/mismatch",
    "me",
    `${prompts}prompt two(a: Prompt, b: Prompt) = "{a} {b}"\nfn f() -> real { return mean(two(me, me).plain) }`,
  ],
  ["a part that is not there", "name/unknown", "{fram}", 'prompt p(frame: Text) = "{fram}"'],
  [
    "a grammar that is not drawn from",
    "type/mismatch",
    "g",
    `${prompts}grammar g { start = "a" | "b" }\nfn f() -> real { return mean(single(g, me).plain) }`,
  ],
  [
    "prompts of two structures",
    "type/mismatch",
    '[me, them("b")]',
    `${prompts}fn f() -> real { return mean(stack([me, them("b")], axis: kind).plain) }`,
  ],
  ["a prompt that is too long", "prompt/too-long", '"{face:60} {bg:20}"', 'prompt p = "{face:60} {bg:20}"'],
  [
    "the longest derivation of a grammar",
    "prompt/too-long",
    "long(draw(g))",
    'grammar g { start = "one" | "one two " more\n  more = "three" | "three four five" }\nprompt long(t: Text) = "{face:71} {t}"\nfn f() random -> real { return mean(long(draw(g)).plain) }',
  ],
];
const net = `import { Linear } from "std/nn.ada"
module Layer(deep: Bool = true) {
  part fc = Linear(3)
  part more = Linear(3) when deep
  forward(x: real[...b, f]) -> real[...b, f: 3] {
    tap seen = fc(x)
    return if has(more) { more(x) } else { fc(x) }
  }
}
module Net() {
  part layer = [Layer(), Layer(deep: false)]
  forward(x: real[...b, f: 3]) -> real[...b, f: 3] { return x |> layer[0] |> layer[1] }
}
model net = Net() trained
`;
const watched = (paths: string, value: string) =>
  step(`  let run = net(mean(face.image, over: [h, w]) |> rename(c: f)) watch { ${paths} as layers }\n  minimize mean(${value})`, net);
const taps: readonly Mistake[] = [
  ["a tap that an element lacks", "tap/missing", "saw", watched("layer[*]", "run.layers[0].saw")],
  ["a part that is absent", "tap/missing", "more", watched("layer[1]", "run.layers[0].more.weight")],
  ["an axis that a tap lacks", "shape/missing-axis", "g", watched("layer[*]", "run.layers[0].seen[g: 0]")],
  ["the shape of a tap", "shape/not-a-subset", "face.image", watched("layer[*]", "run.layers[0].seen + face.image")],
  ["a path that names no part", "type/no-field", "layers[0]", watched("layers[0]", "run.value")],
  ["a path outside of a list", "index/out-of-range", "2", watched("layer[2]", "run.value")],
  ["an element outside of the list", "index/out-of-range", "2", watched("layer[*]", "run.layers[2].seen")],
];
const train = (settings: string) =>
  `${net}import { adamw } from "std/optim.ada"\n${step("  minimize mean(net(mean(face.image, over: [h, w]) |> rename(c: f)))")}\ntrain one {\n  data face = pictures("a")\n  micro_steps 4\n${settings}\n}`;
const trains: readonly Mistake[] = [
  ["weights of a mix", "train/bad-weights", "[0] learn", train("  batch 2  each step: [0] learn  optimizer adamw()")],
  ["a setting that is missing", "train/missing-setting", "one", train("  each step: learn  optimizer adamw()")],
  ["a setting twice", "train/doubled-setting", "batch 3", train("  batch 2  batch 3  each step: learn  optimizer adamw()")],
  [
    "a group's setting that is the same for all",
    "train/not-each",
    "beta1",
    train("  batch 2  each step: learn  optimizer adamw() { **.bias(beta1: 0) }"),
  ],
  [
    "a model that the program lacks",
    "name/unknown",
    "nat",
    train("  batch 2  each step: learn  optimizer adamw()\n  model nat = Net() frozen"),
  ],
  ["a constant that the program lacks", "name/unknown", "rate", train("  batch 2  each step: learn  optimizer adamw()\n  const rate = 2")],
  [
    "surgery of another module",
    "type/mismatch",
    "s",
    `${net}fn same(old: f32[out, cin]) -> f32[out, cin] { return old }\nsurgery s for Layer { fc.weight = same() }\nmodel n = Net() from "a.safetensors" surgery s trained`,
  ],
  ["precision twice", "name/duplicate", "precision { frozen: f16 }", "precision { compute: f16 }\nprecision { frozen: f16 }"],
];

const names: readonly Mistake[] = [
  ["a key of no part", "type/no-field", "lair[i]", `${net}keys k for Net { lair[i].fc -> "a.{i}" }`],
  ["a key of no part of a part", "type/no-field", "fd", `${net}keys k for Net { layer[i].{fd,more} -> "a.{i}.{0,1}" }`],
  ["surgery on no parameter", "type/no-field", "wight", `${net}surgery s for Net { layer[*].fc.wight = 3 }`],
  ["keys of another module", "type/mismatch", "k", `${net}keys k for Layer { }\nmodel n = Net() from "a" keys k frozen`],
  ["a rule that a grammar lacks", "name/unknown", "othr", 'grammar g { start = "a" othr\n  other = "b" }'],
  ["alternatives that are never drawn", "train/bad-weights", '"a"^0', 'grammar g { start = "a"^0 | "b"^0 }'],
  ["a chance above 1", "train/bad-number", "[1.5]", 'grammar g { start = "a" [1.5] "b" }'],
];

const square = "fn square(x: real[n], k: Int = 2) -> real[n] { return k * x * x }\n";
const checks: readonly Mistake[] = [
  ["a derivative of no function", "name/unknown", "sqare", `${square}gradcheck sqare(x: real[n: 3])`],
  ["an argument that the function lacks", "call/unknown-argument", "y", `${square}gradcheck square(x: real[n: 3], y: 1)`],
  ["an argument that is missing", "call/missing-argument", "square(k: 3)", `${square}gradcheck square(k: 3)`],
  ["drawn axes that do not suit", "shape/rank", "real[n: 3, m: 2]", `${square}gradcheck square(x: real[n: 3, m: 2])`],
  [
    "drawn sizes that do not suit each other",
    "shape/axis-mismatch",
    "real[n: 4]",
    "fn both(x: real[n], y: real[n]) -> real { return mean(x * y) }\ngradcheck both(x: real[n: 3], y: real[n: 4])",
  ],
  [
    "drawn whole numbers have no derivative",
    "type/mismatch",
    "f(i: i32[n: 3])",
    "fn f(i: i32[n]) -> real { return mean(i * 1.5) }\ngradcheck f(i: i32[n: 3])",
  ],
  [
    "a truth has no derivative",
    "type/mismatch",
    "f(x: real[n: 3])",
    "fn f(x: real[n]) -> bool[n] { return x > 0 }\ngradcheck f(x: real[n: 3])",
  ],
  ["a drawn axis without a name", "shape/unnamed-axis", "3", `${square}gradcheck square(x: real[3])`],
  [
    "a state that the optimiser lacks",
    "type/no-field",
    "w",
    `${square}optimizer o(lr: Schedule) {\n  state v: f32 = 0\n  step(p: f32[n], g: f32[n]) -> f32[n] { return p - lr * g }\n}\ntest "t" { let t = minimum(fn(x) => sum(x), from: ones([n: 3]), by: o(lr: 1), steps: 2)\n  expect t[1].w == 0 and t[1].v == 0 }`,
  ],
  ["no call", "type/mismatch", "square", `${square}gradcheck square`],
  [
    "what a property draws is used as its type says",
    "shape/not-a-subset",
    "p.b",
    'property "p" { forall p: { a: real[n], b: real[m] }\n  expect near(p.a + p.b, 0) }',
  ],
];

describe.each([
  ["types", types],
  ["steps", steps],
  ["values", values],
  ["state", state],
  ["prompts", lists],
  ["taps", taps],
  ["training", trains],
  ["names", names],
  ["tests in programs", checks],
] as const)("%s", (_, mistakes) => {
  test.each(mistakes)("%s", (_name, code, at, program) => {
    const found = checkText(program).diagnostics.map((d) => [d.code, program.slice(d.span.start, d.span.end)]);
    expect(found).toEqual([[code, at]]);
  });
});

describe("a frozen model updates nothing", () => {
  test.each(["net(x)", "net.inner[0](x)", "net.twice(x)", "fold(net.inner, x, fn(y, layer) => layer(y))"])("%s", (call) => {
    expect(checkText(counted("frozen", call)).diagnostics).toEqual([]);
  });
  test("unless a block of the program trains it", () => {
    const used = step("  minimize mean(f(mean(face.image, over: [batch, h, w])))", counted("frozen", "net(x)"));
    const block = 'train t { model net trained  data face = pictures("a")  batch 1  micro_steps 1  each step: learn  optimizer adamw() }';
    const text = `import { adamw } from "std/optim.ada"\n${used}\n${block}`;
    expect(checkText(text).diagnostics.map((d) => d.code)).toEqual(["effect/undeclared"]);
  });
});
test("names that every object of JavaScript has are names like others", () => {
  const program =
    "type toString = { valueOf: real[n] }\nfn constructor(x: toString) -> real { return mean(x.valueOf) }\nfn f(hasOwnProperty: real[n]) -> real { return constructor({ valueOf: hasOwnProperty }) }";
  expect(checkText(program).diagnostics).toEqual([]);
  const asType = "fn f(x: constructor[n]) -> real { return mean(x) }";
  expect(checkText(asType).diagnostics.map((d) => d.code)).toEqual(["name/unknown"]);
  expect(checkText("fn f(x: real[n]) -> real { x toString }").diagnostics.map((d) => d.code)).toEqual(["syntax/unexpected"]);
});
