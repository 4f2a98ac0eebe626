import { faces, Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
model net = Net(4) trained

step fit(face: faces) { minimize mean(net(face.image[h: 0..half(7)])) }
fn half(n: Int) -> Real { return n / 2 }
fn widths(n: Int) -> real[w: n / 2] { return ones([w: n / 2]) }
step other(face: faces) { minimize mean(net(face.image)) * mean(widths(7)) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: other
  optimizer sgd()
}
