import { Linear } from "std/nn.ada"

type Pair = { left: real[n], right: real[n] }
fn sum_of(p: Pair) -> real { return sum(p.left) + sum(p.rigth) }
fn half(x: real[n]) -> real { return sum_of({ left: x }) }
module Net() {
  part fc = Linear(4)
  forward(x: real[...b, f]) -> real[...b, f: 4] { return fc(x) * sum(fc.wieght) }
}
fn shape(x: real[n]) -> Int { return x.shape }
