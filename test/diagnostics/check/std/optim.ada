optimizer adamw(lr: Schedule = 1e-3, beta1: Real = 0.9, each weight_decay: Real = 0.01) {
  state m: f32[n] = 0
  step(p: f32[n], g: f32[n]) -> f32[n] {
    update m = lerp(m, g, 1 - beta1)
    return p - lr * weight_decay * p - lr * m
  }
}
fn clip_norm(g: f32[n], max_norm: Real) -> f32[n] { return g * min(1, max_norm / (sqrt(sum(g * g)) + 1e-6)) }
