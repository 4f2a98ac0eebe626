import { faces, Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
model net = Net(4) trained

step fit(face: faces) {
  let a = draw(integer(0..8))
  let b = draw(integer(0..8))
  minimize sum([for i in 0..a + 1: mean(net(face.image))]) + sum([for i in 0..b + 1: mean(net(face.image))])
}
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
