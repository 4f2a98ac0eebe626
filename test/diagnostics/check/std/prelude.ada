// A small library of its own, so that these messages do not change with the real one.
fn lerp(a: real[...s], b: real[...s], t: real[...s]) -> real[...s] { return a + (b - a) * t }
fn var(x: real[...s], over: Axes) -> real[...r] { return mean((x - mean(x, over)) ** 2, over) }
fn norm(x: real[...s], over: Axes) -> real[...r] { return sqrt(sum(x * x, over)) }
fn softmax(x: real[...s], over: Axes) -> real[...s] {
  let e = exp(x - stop(max(x, over)))
  return e / sum(e, over)
}
fn dropout(x: real[...s], p: Real) random -> real[...s] { return x * (1 - draw(coin(p), like: x)) / (1 - p) }
