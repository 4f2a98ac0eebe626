schedule rate = linear(1 -> 0) to end
fn faded(x: real[n]) -> real[n] { return rate * x }
fn given(x: real[n], s: Schedule) -> real[n] { return s * x }
fn chosen(x: real[n]) random -> real[n] { return where(draw(coin(rate)), x, -x) }
fn applied(x: real[n], s: Schedule) -> real[n] { return s(0.5) * x }
