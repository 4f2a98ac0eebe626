import { faces, Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
model net = Net(4) trained
fused fn plain(x: real[...b, c]) -> real[...b, c] by attend { return x * x }
step fit(face: faces) { minimize mean(plain(net(face.image))) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
