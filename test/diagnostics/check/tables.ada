state lessons: Table<{ x: f32[c: 4, h: 8, w: 8], id: f32[id: 16], t: i32, frame: Text, kept: Bool, scene: f32[tokens: 5, width]? }>(key: Text, at_most: 100, evict: random)
state seen: Table<{ x: f32[c: 4], t: i32, frame: Text, kept: Bool, scene: f32[tokens: 5]? }>(key: Text, at_most: 100, evict: random)
state empty: Table<{ x: f32[...b] }>(key: Text, at_most: 0)
state wrong: f32[n: 4](key: Text, at_most: 3)
state unbounded: Table<{ x: f32 }>(key: Text)
state misspelt: Table<{ x: f32 }>(key: Text, atmost: 3)

dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field name:  Text = stem
  field image: f32[c: 4, h: 8, w: 8] = load(file)
}
step one(face: one of pictures) {
  let x = mean(face.image, over: [h, w])
  let known = seen.has(face.name)
  let last  = if known { seen.take(face.name) } else { none }
  if known { minimize mean(last.y) }
  if known { minimize mean(last.x[d: 0]) }
  update seen[face.name] = { x: x, t: 3, frame: "a", kept: known }
  update seen[face.name] = { x: x, t: 3, frame: "a" }
  update seen[face.name] = { x: x, t: 3, frame: "a", kept: known, scenes: x }
  update seen[face.name] = { x: face.image, t: 3, frame: "a", kept: known }
  update seen[face.name] = { x: x[c: 0..3], t: 3, frame: "a", kept: known }
  update seen[face.name] = { x: x, t: 3, frame: 4, kept: known }
  update seen[face.name] = { x: x, t: 3, frame: "a", kept: any(x > 0) }
  update seen[3] = { x: x, t: 3, frame: "a", kept: known }
  update seen[face.name] = x
  let keys = seen.keys()
  let all  = seen.has()
}
step many(face: pictures) {
  let known = seen.has(face.name)
  minimize mean(face.image)
}
fn stored(name: Text) -> real { return mean(seen.take(name).x) }
