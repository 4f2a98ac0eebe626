import { Linear } from "std/nn.ada"

module Net() {
  part fc = Linear(4)
  part forgotten = Linear(8)
  forward(x: real[...b, f]) -> real[...b, f: 4] { return fc(x) }
}
module Scale() {
  param weight: f32[width] = 1
  forward(x: real[...b, c]) -> real[...b, c] { return x * sum(weight) }
}
