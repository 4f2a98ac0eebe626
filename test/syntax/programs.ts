// Programs that use every construct of the grammar at least once. They need not make sense beyond that: names are checked elsewhere.

export const everyConstruct = `
/// Things from elsewhere.
import { Linear, Conv as Convolution } from "std/nn.ada"
import host { readTable } from "./table.ts"

precision { frozen: f16, trained: f32, keep: { f32: [norm, loss] } }
type Pair = { a: real[...b, c], b: (real[n], List<Int>?)?, p: Prompt<face: 16>[...b] }?
const sizes: List<Int> = [1, 2, 3_000]
const half = 0.5e-1

/// Adds.
/// Two lines.
fn add(a: real[...s], b: real[...s], log: Bool = false) random updates -> real[...s] {
  let (x, (y, z)) = parts(a, over: [...s, h: 2 * h, w])
  let y = if log { x } else { let q = 1 return q }
  tap sum = -x ** 2 + y * z / 3 - 1
  if log and not false or x <= 1 { log { x, y: 3 } } else { require any(x > 0) as "nothing" }
  for i in 0..4 { let k = (i, x) }
  return x |> view(\`...b (g part) h -> ...b c=(g part) h 1 w=1\`, g: 4) |> add(y, ...s)
}
fused fn soft(x: real[...s], over: Axes) -> (real[...s], i32) by reduce { return x[axis: 0..3, *, ...s][-1][q: 2..] }
loss recon(a: real[batch], b: real[batch]) -> real { return mean((a - b) ** 2) }

module Block(out: Dim, stride: Int = 1) {
  part fc.first = Linear(out) when out != 3
  part layers = [for l in 0..4 if l > 1: { let k = l return Linear(k) }]
  part list = [Linear(1), if out > 2 { Linear(2) }]
  param weight: f32[out, cin] = draw(normal, [out, cin]) when out > 2
  state running: f32[out] = 0
  /// Inside.
  fn inner(x: real[...b]) -> real[...b] { return x }
  forward(x: real[...b, c: cin]) -> real[...b, c: if out > 2 { out } else { cin }] {
    update running = lerp(running, x, 0.5)
    let run = net(x) watch { down[2][0..2], mid.*.**, up[*].{a,b.c} as layers }
    let f = fn(a, (b, c): Pair) => a + b
    let g = fn() { return none }
    return [for (a, b) in zip(run.layers, list): a * b][0] with { x: 1, from }
  }
}
model net = Block(4) from "weights/net.safetensors" keys net_keys surgery grow(noise: 0.1) trained
model copy_of = copy(net) frozen
state lessons: Table<{ x: f32[n], t: i32 }>(key: Text, at_most: 100, evict: random)
keys net_keys for Block under "model." { layers[l].{weight,bias} -> "l.{l}.{w,b}"  running -> "r" as \`c -> c 1\` }
surgery grow(noise: Real = 0.1) for Block { layers[*].weight = widen(noise: noise) **.bias = zero() }
surgery plain for Block { fc.first = same() }

dataset faces(root: Path, mixed: Path? = none) {
  source folders(root, files: "*.png")
  source folder(mixed) when has(mixed)
  order weighted(subject, by: images)
  let placed = draw(subject_in_frame(32, scale: 0.7..1))
  field image: f32[c: 3, h: 32, w: 32] = load(file) |> placed |> to_range(-1..1)
}
grammar photo {
  start = ("a " | "the ")^2 medium [0.4] " of " look^4
  medium = "photo" | distinct(1..3, ", ", "x" | "y")
}
prompt me = "{face:16}"
prompt single(frame: Text, who: Prompt) = "{frame} {who} \\u{e9}\\n"
schedule decay(warmup: Int) = constant(1) for warmup then linear(1 -> 0.1) to end
schedule flat = constant(1)
step distill(face: one of faces) {
  minimize 0.1 * recon(net(face.image), face.image)
  update lessons[face.subject] = { x: net, t: 3 }
  log { face }
}
step other(face: faces) { minimize soft(face.image | none) }
optimizer sgd(lr: Schedule = 1e-3, each decay: Real = 0) {
  state m: f32[n] = 0
  step(p: f32[n], g: f32[n]) -> f32[n] { update m = lerp(m, g, 0.1) return p - lr * m }
}
train round1 {
  data face = faces("faces")
  batch 4 accumulate 2 by sum micro_steps 120_000
  each step: every 3 updates: distill otherwise: [0.2] distill | [0.8] other
  gradient clip_norm(0.5)
  optimizer sgd(lr: decay(600)) { **.bias(decay: 0) net.layers[0..6].**(decay: 0.1) }
  save every 500 log every 10 preview every 100: grid(net)
  seed 42 compat fixed remat all except {attn.out, out}
  const half = 0.25
  precision { trained: f16 }
}
train round2 like round1 { model net = Block(8) from round1 surgery grow trained each step: other }
evaluate held_out {
  model net from "runs/last"
  data face = faces("held-out")
  seed 7
  for f in folders("x") { write net(f) to "out/{f}.png" measure gap: mean(f) when f > 1 }
  report mean, ci95 by [subject, metric] to "report.{csv,json}"
}
test "one" { expect near(1, 1, 1e-6) }
property "two" { forall x: real[h: 1..9] in -2..2, c: Real require c > 0 expect near(x, x, 1e-6) }
gradcheck recon(a: real[batch: 3], b: real[batch: 3])
`;

/** Small texts that are right. */
export const right: readonly string[] = [
  "",
  "// nothing but a comment",
  "fn f(log: Real, from: Real, loss: real) -> real { return if log > from { log(from) } else { loss + state.step } }",
  "const a = [if x { 1 }, 2]",
  "const b = -2 ** -x",
  "type T = List<real[...b, n]>?",
  "fn f() -> real { let g = fn((a, b), c) { return a } return g((1, 2), 3) }",
  'step s(b: one of d) { if a { minimize 1 } else { log { a } } require read(x) as "no" }',
  "evaluate e { data held = faces(1) }",
  "const step = 1 step s(step: data) { minimize step }",
  "model m = n from step\nstep step(one: of) { minimize 1 }",
  "const a = b.in.let.fn",
  "fn f(in: Real, let: Real) -> real { return g(in: 1, let: 2) }",
];

/** Small texts that are wrong, each in one place. */
export const wrong: readonly string[] = [
  "let x = 1",
  "fn f( -> real { }",
  "step s(b: d) { x + 1 }",
  "train t { batch }",
  "module M() { part = Linear(3) }",
  "fn f(x: real[a, b) -> real { return x }",
  "const let = 3",
  "fn f() -> real { return 1 2 }",
  "model m = A() surgery { x: 1 2 }",
  "train t { each step: every 3: a otherwise: b }",
  "prompt p = hello",
  "fn f() -> real { if a { 1 } else { 2 } }",
  "const a = x |> f(1) * 2",
  "const a = 1 + (if x { 1 })",
  "const a = 1e999",
  "const a = 12345678901234567890",
  "const a = `b c`",
  "const a = `b -> (c`",
  'const a = "no end',
  "const a = `no end",
  'const a = "\\q"',
  "const a = # 3",
  "train t { accumulate 2 by max }",
  "train t { compat maybe }",
  "train t { remat some }",
  "train t { remat fit 3 }",
  "schedule s = constant(1) to finish",
  "fn f() -> real { return 1",
  "}",
  "const a = 3 )",
  "nonsense words here",
];
