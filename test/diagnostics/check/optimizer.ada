optimizer plain(lr: Schedule = 1e-3, each weight_decay: Real = 0) {
  state m: f32[n] = 0
  state v: f32[k: 3] = 0
  step(p: f32[n], g: f32[n]) -> f32[n] {
    update m = m + g
    update m = g
    update m = sum(g) + v
    return sum(p)
  }
}
