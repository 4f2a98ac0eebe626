import { Linear } from "std/nn.ada"
import { adamw, clip_norm } from "std/optim.ada"

dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[f: 12] = load(file)
}
dataset others(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[f: 12] = load(file)
}
model net = Linear(3) trained
step learn(face: pictures) { minimize mean(net(face.image)) }
step rest(face: pictures) { minimize mean(net(face.image) ** 2) }

train nothing { }
train no_data {
  batch 4  micro_steps 100
  each step: learn
  optimizer adamw(lr: 1e-3)
}
train wrong_data {
  data face = others("data")
  batch 0  micro_steps 0.5
  each step: [0] learn | [0] rest
  optimizer adamw(learning_rate: 1e-3)
}
train groups {
  data face = pictures("data")
  data image = pictures("data")
  batch 4  micro_steps 100
  batch 8
  each step: [-1] learn | [2] rest
  gradient clip_norm(norm: 1)
  optimizer adamw(lr: 1e-3) { **.bias(beta1: 0) **.weight(weight_dacay: 0) }
}
train typo {
  data faces = pictures("data")
  batch 4  micro_steps 100
  each step: learn
  optimizer Linear(3)
}
