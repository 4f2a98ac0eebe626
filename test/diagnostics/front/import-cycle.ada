import { b } from "./cycle/b.ada"
fn a(x: Real) -> Real { return b(x) }
