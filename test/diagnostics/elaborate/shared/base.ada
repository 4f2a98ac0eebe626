// What the programs of this folder share.
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field who:   Int = subject
  field image: f32[c: 3, h: 8, w: 8] = load(file) |> to_range(-1..1)
}
module Net(out: Dim) {
  param weight: f32[out, c] = 1
  forward(x: real[...b, c, h, w]) -> real[...b, out] { return dot(mean(x, over: [h, w]), weight, over: c) }
}
