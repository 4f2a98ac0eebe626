import { faces, Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
model net = Net(4) trained

step fit(face: faces) { minimize mean(net(face.image)) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd() { **.bias(weight_decay: 0.1) }
}
