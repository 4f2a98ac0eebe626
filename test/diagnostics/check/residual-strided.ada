import { Conv } from "std/nn.ada"

module Net() {
  part conv = Conv(8, 3, stride: 2)
  forward(x: real[...b, c: 8, h: 32, w: 32]) -> real[...b, c: 8, h: 32, w: 32] {
    return x + conv(x)
  }
}
