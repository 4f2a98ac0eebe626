import { adamw } from "./std/optim.ada"
module Line() {
  param weight: f32[out: 4, cin: 3] = 0
  param bias: f32[out: 4] = 0
  forward(x: real[...b, cin: 3]) -> real[...b, out: 4] { return dot(x, weight, over: cin) + bias }
}
module Net() {
  part body  = Line()
  part tails = [for i in 0..2: Line()]
  forward(x: real[...b, cin: 3]) -> real[...b, out: 4] { return body(x) + tails[0](x) + tails[1](x) }
}
model net = Net() trained
dataset faces(root: Path) {
  source folder(root)
  field x: f32[cin: 3] = mean(image, over: [h, w]) |> rename(c: cin)
  field image: f32[c: 3, h: 4, w: 4] = load(file)
  field flat: f32[h: 4, w: 4] = image * 2
}
step fit(face: faces) { minimize mean(net(face.x)) }
train run {
  data face = faces("x")
  batch 1  micro_steps 1
  each step: fit
  optimizer adamw(lr: 1) {
    **.bias(weight_decay: 0)
    **.bais(weight_decay: 0)
    nett.**(weight_decay: 1)
    net.boddy.weight(weight_decay: 1)
    net.{body,tails[0]}.weight(weight_decay: 1)
    net.*.wieght(weight_decay: 1)
  }
}
