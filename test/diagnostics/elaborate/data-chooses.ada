import { Net } from "./shared/base.ada"
import { sgd } from "std/optim.ada"
dataset faces(root: Path) {
  source folder(root)
  field small: f32[c: 3, h: 4, w: 4] = load(file) |> resize_to(4)
  field image: f32[c: 3, h: 4, w: 4] = if draw(coin(0.5)) { small } else { small * 2 }
}
model net = Net(2) trained
step fit(face: faces) { minimize mean(net(face.image)) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
