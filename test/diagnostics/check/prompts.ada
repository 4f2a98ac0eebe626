module Words(vocab: Dim, width: Dim) {
  param weight: f32[rows: vocab, width: width] = 0
  forward(ids: i32[...b, tokens]) -> real[...b, tokens, width: width] { return weight[rows: ids] }
}

grammar scene {
  start = "a very " ("old" | "new") " photo of " thing ", in the " [0.5] "style of a painter"
  thing = "a dog" | "a large black cat"
}
prompt me                                    = "{face:16}"
prompt placed                                = "{face:16} with background {bg:4}"
prompt class_of(class: Text)                 = "{class+15}"
prompt single(frame: Text, who: Prompt)      = "{frame} {who}"
prompt misspelt(frame: Text)                 = "{frmae} of {face:16}"
prompt two_faces                             = "{face:16} and {face:4}"
prompt braces                                = "{face 16}"
prompt filled(who: Prompt)                   = "{who+15}"
prompt wide                                  = "{face:60} and {bg:20}"
prompt pair(a: Prompt, b: Prompt)            = "{a} and {b}"
prompt long(scene: Text)                     = "{face:64} in {scene}"
prompt wide_enough                           = "{face:60} and {bg:20}"

model words = Words(100, 8) trained

fn encode(p: Prompt[...b], face: real[...b, slot: 16, width: 8]? = none, bg: real[...b, slot: 4, width: 8]? = none)
    -> real[...b, tokens: 77, width: 8] {
  let x = words(p.ids)
  let x = if has(face) { put(x, tokens: p.face, face) } else { x }
  return if has(bg) { put(x, tokens: p.bg, bg) } else { x }
}
fn portrait(p: Prompt<face: 16>) -> real[tokens: 77, width: 8] { return words(p.ids) |> put(tokens: p.face, 0) }
fn backed(p: Prompt<face: 16>) -> i32[slot: 4] { return p.bg }

dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field name: Text = stem
}
step learn(face: pictures) {
  let frame = draw(scene, [batch])
  let p     = single(frame, me)
  let q     = single(frame, placed)
  let v     = draw(normal, [batch, slot: 16, width: 8])
  let four  = draw(normal, [batch, slot: 4, width: 8])
  minimize mean(encode(p, face: v)) + mean(encode(q, face: v, bg: four))
  minimize mean(encode(p, face: v, bg: four))
  minimize mean(encode(single(frame, class_of(face.name)), face: v))
  minimize mean(put(words(p.ids), tokens: p.face, four))
  minimize mean(portrait(class_of("dog")))
  minimize mean(words(p.idz)) + mean(words(q[kind: 0].ids))
  let many = stack([p, q], axis: kind)
  let odd  = single(scene, me)
  let same = pair(me, placed)
  let none_of = single(frame)
  let tight = long(draw(scene))
  let fits  = wide_enough(length: 90)
  let short = single("a photo of", me)
  minimize mean(words(short(length: 5).ids))
  minimize mean(words(words(p.ids)))
}
