import { faces, Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
model net = Net(4) trained

fn down(n: Int) -> Real { return if n > 0 { down(n - 1) } else { 0 } }
step fit(face: faces) { minimize mean(net(face.image)) * down(1000) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
