import { Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
fn soft(x: real[c, h, w]) -> real[c, h, w] { return x / 2 }
dataset faces(root: Path) {
  source folder(root)
  field image: f32[c: 3, h: 4, w: 4] = soft(load(file))
}
model net = Net(2) trained
step fit(face: faces) { minimize mean(net(face.image)) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
