import { faces } from "./shared/base.ada"
import { Linear } from "std/nn.ada"
import { sgd } from "std/optim.ada"
module Two() {
  part part.fc1 = Linear(4)
  part part.fc2 = Linear(4)
  forward(x: real[...b, f]) -> real[...b, f: 4] { return x |> part.fc1 |> part.fc2 }
}
keys old for Two { part.fc1 -> "fc"   part.fc2 -> "fc" }
model net = Two() from "net.safetensors" keys old trained

step fit(face: faces) { minimize mean(net(mean(face.image, over: [h, w]) |> rename(c: f))) }
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd()
}
