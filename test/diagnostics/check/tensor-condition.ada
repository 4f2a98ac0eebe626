dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[c: 3, h: 8, w: 8] = load(file)
  field has_mask: Bool = exists("{stem}_mask.png")
}
fn sign(x: real) -> real { return if x > 0 { 1 } else { -1 } }
step distill(face: pictures) {
  let fit = mean(face.image, over: [c, h, w]) > 0.5
  if any(fit) { minimize mean(face.image) }
  if face.has_mask { minimize mean(face.image) }
  let n = 4
  let x = face.image[h: 0..n]
  minimize mean(x) * mean(draw(normal, [k: argmax(mean(x, over: [batch, h, w]), over: c)]))
}
