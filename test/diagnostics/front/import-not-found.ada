import { Linear } from "./missing.ada"
fn f(x: real[n]) -> real[n] { return Linear(x) }
