// Two layers that do not fit each other when the model is made.
import { Linear } from "std/nn.ada"

module Net(hidden: Dim) {
  part up   = Linear(hidden)
  param weight: f32[out: 10, hidden: 64] = 0
  forward(x: real[...b, f]) -> real[...b, out: 10] {
    return dot(up(x) |> rename(f: hidden), weight, over: hidden)
  }
}
model small = Net(32) trained
model right = Net(64) trained
test "the small one cannot run" {
  let x = draw(normal, [batch: 2, f: 5])
  expect near(small(x), right(x), 1e-5)
}
