import { a } from "../import-cycle.ada"
fn b(x: Real) -> Real { return a(x) }
