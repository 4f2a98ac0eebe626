import { Linear } from "std/nn.ada"
import { adamw } from "std/optim.ada"

precision { frozen: f16, compute: i32, trained: f16, gradient: f32, keep: { f32: [norm, conv], f16: [loss] } }

dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[f: 12] = load(file)
}
model net = Linear(3) trained
step learn(face: pictures) { minimize mean(net(face.image)) }
train first {
  data face = pictures("data")
  batch 4  micro_steps 100
  precision { compute: f16 }
  precision { speed: f16, accumulate: f16 }
  each step: learn
  optimizer adamw(lr: 1e-3)
}
