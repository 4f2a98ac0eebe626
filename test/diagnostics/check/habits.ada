fn over_a_number(x: real[h, w]) -> real[h] { return mean(x, dim: 1) }
fn over_an_unknown_axis(x: real[height, width]) -> real[height] { return mean(x, over: [widht]) }
fn counted(x: real[h]) -> real[h] {
  for i in 4 { let y = x }
  return stack([for i in 3: x], axis: n) |> mean(over: n)
}
optimizer plain(lr: Schedule) { step(p: f32[n], g: f32[n]) -> f32[n] { return p - lr * g } }
dataset faces(root: Path) {
  source folder(root, files: "*.png")
  field who: Int = stem
}
step fit(face: faces) { minimize 1 }
train one {
  data face = faces("faces")
  batch 2.5  micro_steps 4
  each step: fit
  optimizer plain(learning_rate: 1e-3)
}
