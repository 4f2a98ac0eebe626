import { Linear } from "std/nn.ada"
import { Linear } from "std/nn.ada"
module Linear(out: Dim) { forward(x: real[n]) -> real[n] { return x } }
