import { Linear } from "std/nn.ada"
module Net(width: Dim) {
  part first = Liner(width)
  forward(x: real[...b, c]) -> real[...b, c: width] { return frist(x) |> sigmod }
}
