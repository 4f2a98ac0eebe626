import { Linear } from "std/nn.ada"

dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[f: 12] = load(file)
}
module Net(deep: Bool = true) {
  part up = Linear(4) when deep
  forward(x: real[...b, f: 4]) -> real[...b, f: 4] { return if up { up(x) } else { x } }
}
schedule rate = linear(1 -> exp) to end
schedule flat = constant(1)
model net = Net() trained
step learn(face: pictures) {
  let r = flat.value
  let x = argmax(1, over: f)
  minimize mean(view(face.image, `batch (f g) -> batch f`, g: 3))
}
step wrong(face: pictures) { minimize mean(train_it) }
train train_it {
  model nett = Net() trained
  model other from "weights"
  data face = pictures("data")
  batch 4  micro_steps 100
  each step: learn
  optimizer learn(lr: 1)
}
dataset unsaid(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[c: 3, size] = load(file)
}
fn doubled(x: real[n, m]) -> real[k: n * n] { return view(x, `n m -> k=(n n)`) }
fn a_step(x: real[n]) -> real[n] { return learn }
