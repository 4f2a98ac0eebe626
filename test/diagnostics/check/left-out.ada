import { Linear } from "std/nn.ada"

module Tiled(times: Dim) {
  part fc = Linear(4)
  forward(x: real[...b, f]) -> real[...b, tile: times, f: 4] { return expand(fc(x), [...b, tile: times, f: 4]) }
}
module Head(classes: Dim) {
  part fc = Linear(classes)
  forward(x: real[...b, f]) -> real[...b, f: classes] { return fc(x) }
}
model said    = Head(10) trained
model solved  = Head() trained
model unsaid  = Head() trained
model tiled   = Tiled() trained
fn ten(x: real[n, f: 10]) -> real { return mean(x) }
test "sizes" {
  let x = draw(normal, [n: 3, f: 5])
  expect near(ten(said(x)), ten(solved(x)), 1)
  expect near(mean(unsaid(x)), mean(tiled(x)), 1)
}
