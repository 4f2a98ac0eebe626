import { Conv } from "std/nn.ada"

fn scaled(x: real[n], by: Real, plus: Real = 0) -> real[n] { return by * x + plus }
fn a(x: real[n]) -> real[n] { return scaled(x, bye: 2) }
fn b(x: real[n]) -> real[n] { return scaled(x) }
fn c(x: real[n]) -> real[n] { return scaled(x, 1, 2, 3) }
fn d(x: real[n]) -> real[n] { return scaled(x, by: 1, by: 2) }
fn e(x: real[n]) -> real[n] { return softmax(x, ovr: n) }
fn f(x: real[n]) -> real[n] { return x(2) }
module Net() {
  part conv = Conv(8, 3, strides: 2)
  forward(x: real[...b, c, h, w]) -> real[...b, c: 8, h, w] { return conv(x) }
}
