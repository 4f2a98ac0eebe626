import { linear, Linear as L } from "std/nn.ada"
fn f(x: real[n]) -> real[n] { return linear(x) }
