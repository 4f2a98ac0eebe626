// A program that is small enough to be compiled in a moment and has what a plan can have: a step, an optimiser, state, an evaluation.
export const smallProgram = `
import { Linear } from "std/nn.ada"
import { adamw } from "std/optim.ada"

const width = 4

dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field subject: Int = subject
  field image: f32[c: 3, h: 2, w: 2] = load(file) |> resize_to(2) |> to_range(-1..1)
}
model net = Linear(width) trained
step learn(face: faces) {
  let y = net(mean(face.image, over: [h, w]) |> rename(c: f))
  let loss = mean(y * y)
  minimize loss
  log { loss }
}
train tiny {
  data face = faces("faces")
  batch 3  micro_steps 8  accumulate 2 by mean
  each step: learn
  optimizer adamw(lr: 1e-2)
  save every 2  log every 1  seed 7
}
evaluate held_out {
  model net from tiny
  data face = faces("faces")
  let id = unit(net(mean(face.image, over: [h, w]) |> rename(c: f)), over: f)
  measure auc: verification(id, face.subject)
  report auc by metric to "held_out.json"
}
`;
