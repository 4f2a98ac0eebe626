import { Linear } from "std/nn.ada"

module Twice() {
  part fc = Linear(16)
  forward(x: real[...b, f: 10], y: real[...b, f: 12]) -> real[...b, f: 16] {
    return fc(x) + fc(y)
  }
}
