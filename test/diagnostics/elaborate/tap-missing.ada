import { faces } from "./shared/base.ada"
import { Linear } from "std/nn.ada"
import { sgd } from "std/optim.ada"
module Layer(wide: Bool) {
  part fc   = Linear(4)
  part more = Deep() when wide
  forward(x: real[...b, f]) -> real[...b, f: 4] {
    let y    = fc(x)
    tap seen = y
    return if has(more) { more(y) } else { y }
  }
}
module Deep() {
  part fc = Linear(4)
  forward(x: real[...b, f]) -> real[...b, f: 4] {
    let y    = fc(x)
    tap seen = y
    return y
  }
}
module Two() {
  part layer = [Layer(true), Layer(false)]
  forward(x: real[...b, f]) -> real[...b, f: 4] { return x |> layer[0] |> layer[1] }
}
model net = Two() trained

step fit(face: faces) {
  let run = net(mean(face.image, over: [h, w]) |> rename(c: f)) watch { layer[*] as layers }
  minimize mean(run.value) + sum([for a in run.layers: mean(a.saw)])
}
step absent(face: faces) {
  let run = net(mean(face.image, over: [h, w]) |> rename(c: f)) watch { layer[*] as layers }
  minimize sum([for a in run.layers: mean(a.more.seen)])
}
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit | absent
  optimizer sgd()
}
