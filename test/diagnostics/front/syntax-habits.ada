import Linear from "std/nn.ada"
import { Conv } from std/nn.ada
fn right(x: Real) -> Real { return x }
class Net(nn.Module) { }
# a comment of elsewhere
fn power(x: Real) -> Real { return x ^ 2 }
fn ended(x: Real) -> Real { return x; }
fn both(x: Bool) -> Bool { return x && x }
fn either(x: Bool) -> Bool { return x || x }
fn other(x: Bool) -> Bool { return !x }
fn product(x: real[n]) -> real[n] { return x @ x }
fn rest(x: Real) -> Real { return x % 2 }
fn quoted() -> Text { return 'text' }
fn assigned(x: Real) -> Real { y = x return y }
fn added(x: Real) -> Real { x += 1 return x }
fn computed(x: Real) -> Real { power(x) }
fn chosen(x: Real) -> Real { return true ? x : 0 }
fn chosen_later(x: Real) -> Real { let y = x if true else 0 return y }
fn chained(x: Real) -> Real { return if true { x } else if false { 1 } else { 2 } }
fn chained_python(x: Real) -> Real { if true { return x } elif false { return 1 } else { return 2 } }
fn unclosed(x: Real) -> Real { let y = power(power(x) return y }
fn without_comma(x: Real) -> Real { return both(x 1) }
fn without_comma_in_axes(x: real[a b]) -> real[a, b] { return x }
fn defaulted(x: Real 1) -> Real { return x }
fn applied(x: Real) -> Real { return x |> (y => y) }
fn counted(x: Real) -> Real { while true { return x } }
fn named(x: Real) -> Real { const y = x return y }
fn variable(x: Real) -> Real { var y = x return y }
step logged(face: faces) { log loss }
step logged_text(face: faces) { log { "loss": loss } }
