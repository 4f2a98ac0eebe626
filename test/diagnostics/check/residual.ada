// The classic: a block that changes its channels, and a shortcut that does not.
import { Conv } from "std/nn.ada"

module Block(out: Dim) {
  part conv = Conv(out, 3)
  forward(x: real[...b, c: cin, h, w]) -> real[...b, c: out, h, w] {
    return x + conv(x)
  }
}
