const size = 3
fn size(a: Real, a: Real) -> Real { let (x, x) = (1, 2) return a }
module M() {
  param weight: f32[n] = 0
  state weight: f32[n] = 0
  part one.two = sigmoid
  part one.two = sigmoid
  forward(x: real[n]) -> real[n] { return x }
}
const pair = { a: 1, b: 2, a: 3 }
