// Trains a small face recogniser on drawn faces, from nothing, and tests it on people it has never seen.
//   adac quickstart
import { IResNet } from "../models/iresnet.ada"
import { arcface } from "std/losses.ada"
import { adamw, clip_norm } from "std/optim.ada"

const subjects = 400                    // people in the training folder
const id_size  = 64

dataset faces(root: Path, views: Int = 100) {
  source folders(root, files: "*.{png,jpg}", skip: "*_mask.png", first: views)
  order shuffled
  field subject: Int = subject
  field image:   f32[c: 3, h: 32, w: 32] = load(file) |> resize_to(32) |> to_range(-1..1)
}

/// One direction for each person; a picture's identity should point there.
module Centres(people: Dim, size: Dim) {
  param weight: f32[people, id: size] = draw(normal, [people, id: size])
  forward() -> real[people, id: size] { return weight }
}

model recogniser = IResNet(blocks: [1, 1, 1], widths: [16, 32, 64], out: id_size, stem: 16, stem_stride: 2) trained
model centres    = Centres(subjects, id_size) trained

/// The margin comes slowly: angles are random at first.
schedule warm_margin = linear(0 -> 0.25) for 100 then constant(0.25) to end
schedule rate        = linear(0.1 -> 1) for 20 then cosine(1 -> 0.02) to end

step recognise(face: faces) {
  let mirrored = draw(coin(0.5), [batch])
  let x    = where(mirrored, reverse(face.image, axis: w), face.image)
  let loss = arcface(recogniser(x), centres(), face.subject, margin: warm_margin, scale: 20)
  minimize loss
  log { loss }
}

train quickstart {
  data face = faces("data/quickstart/train")
  batch 64  micro_steps 500
  each step: recognise
  gradient clip_norm(5)
  optimizer adamw(lr: 2e-3 * rate, weight_decay: 0.05) { **.{bias,prelu.weight}(weight_decay: 0) }
  save every 200  log every 10  seed 42
}

evaluate held_out {
  model recogniser from quickstart
  data face = faces("data/quickstart/test", views: 8)      // the portraits; what follows them are scenes
  let id = unit(recogniser(face.image), over: id)
  measure auc: verification(id, face.subject)
  report auc by metric to "held_out.json"
}
