import { faces, Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
import host { lies } from "./shared/host.ts"
model net = Net(4) trained
step fit(face: faces) { minimize lies() * mean(net(face.image)) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
