import { faces, Net } from "../elaborate/shared/base.ada"
import { sgd } from "std/optim.ada"
const width = 4
model net = Net(width) trained
step fit(face: faces) { minimize mean(net(face.image)) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
