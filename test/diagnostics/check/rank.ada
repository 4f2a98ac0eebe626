import { Conv } from "std/nn.ada"

fn kernel(x: real[c, h, w], weight: real[out, c]) -> real[c: out, h, w] { return conv(x, weight, 1, 1) }
fn area(x: real[h, w]) -> real { return sum(x) }
fn total(x: real[batch, h, w]) -> real { return area(x) }
module Net() {
  part conv = Conv(8, 3)
  forward(x: real[h: 8, w: 8]) -> real[h: 8, w: 8] { return conv(x) }
}
