import { Linear } from "std/nn.ada"

module Net() {
  part a = Linear(4)
  part b = Linear(2)
  forward(x: real[...b, f]) -> real[...b, f: 4] { return x |> a |> a }
}
