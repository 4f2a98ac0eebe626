import { Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
dataset faces(root: Path) {
  source folder(root)
  let placed = subject_in_frame(8, scale: 0.5..1)
  field image: f32[c: 3, h: 8, w: 8] = load(file) |> placed
}
model net = Net(2) trained
step fit(face: faces) { minimize mean(net(face.image)) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
