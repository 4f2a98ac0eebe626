dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[c: 3, h: 8, w: 8] = load(file)
}
step learn(face: pictures) {
  minimize mean(face.image ** 2, over: [c, h, w])
}
