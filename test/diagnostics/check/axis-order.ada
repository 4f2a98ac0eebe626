fn mask(x: real[h, w], m: real[w, h]) -> real[h, w] {
  return x * m
}
fn turned(x: real[h, w]) -> real[h, w] { return order(x, [w, h]) }
