dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[c: 3, h: 8, w: 8] = load(file)
}
step learn(face: pictures) {
  let a = draw(pick([1, 3, 5], weights: [0.5, -0.5, 1]))
  let b = draw(pick([1, 3, 5], weights: [0, 0, 0]))
  let c = draw(pick([1, 3, 5], weights: [0.5, 0.5]))
  let d = draw(pick([1, 3, 5], weights: [0.5, 0, 0.5]))
  minimize a * b * c * d * mean(face.image)
}
