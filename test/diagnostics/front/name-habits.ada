fn flags(on: Bool = True) -> Bool { return on }
fn absent(x: Real? = None) -> Bool { return has(x) }
fn turned(x: real[h, w]) -> real[h, w] { return transpose(x) }
fn joined(x: real[h, w]) -> real[h, w] { return cat([x, x], axis: h) }
fn product(x: real[h, w]) -> real[h, w] { return matmul(x, x) }
fn drawn(x: real[h, w]) -> real[h, w] { return x + randn(x) }
fn long(x: Real) -> Real { return len([x]) }
fn typed(x: Tensor, n: int) -> float { return x }
module Net(out: Dim) {
  param w: f32[out] = 0
  forward(x: real[out]) -> real[out] { return self.w * x }
}
