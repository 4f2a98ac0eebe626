// Optimisers. `p`, `g` and every `state …: f32[n]` are flat arenas over ALL trained parameters, so `sum(…)` is the global reduction and a
// whole model is updated by a handful of dispatches. Settings marked `each` may differ from group to group.

/// Stochastic gradient descent with momentum, as in PyTorch: the first step takes the gradient itself, `dampening` starts with the second.
optimizer sgd(lr: Schedule = 1e-2, momentum: Real = 0, dampening: Real = 0, each weight_decay: Real = 0, nesterov: Bool = false,
              each lr_scale: Real = 1) {
  state m: f32[n] = 0
  state t: f32 = 0
  step(p: f32[n], g: f32[n]) -> f32[n] {
    let g = g + weight_decay * p
    if momentum > 0 {
      update m = where(t > 0, momentum * m + (1 - dampening) * g, g)
      update t = 1
    }
    let d = if momentum == 0 { g } else { if nesterov { g + momentum * m } else { m } }
    return p - lr * lr_scale * d
  }
}

/// Adam with the decay in the gradient.
optimizer adam(lr: Schedule = 1e-3, beta1: Real = 0.9, beta2: Real = 0.999, eps: Real = 1e-8, each weight_decay: Real = 0,
               amsgrad: Bool = false, each lr_scale: Real = 1) {
  state m:     f32[n] = 0
  state v:     f32[n] = 0
  state v_max: f32[n] = 0
  state c1:    f32 = 0
  state c2:    f32 = 0
  step(p: f32[n], g: f32[n]) -> f32[n] {
    let g = g + weight_decay * p
    update c1 = beta1 * c1 + (1 - beta1)
    update c2 = beta2 * c2 + (1 - beta2)
    update m  = lerp(m, g, 1 - beta1)
    update v  = lerp(v, g * g, 1 - beta2)
    if amsgrad { update v_max = max(v_max, v) }
    let root = sqrt(if amsgrad { v_max } else { v }) / sqrt(c2)
    return p - lr * lr_scale / c1 * m / (root + eps)
  }
}

/// Adam with decoupled decay.
optimizer adamw(lr: Schedule = 1e-3, beta1: Real = 0.9, beta2: Real = 0.999, eps: Real = 1e-8, each weight_decay: Real = 0.01,
                amsgrad: Bool = false, each lr_scale: Real = 1) {
  state m:     f32[n] = 0
  state v:     f32[n] = 0
  state v_max: f32[n] = 0
  state c1:    f32 = 0
  state c2:    f32 = 0
  step(p: f32[n], g: f32[n]) -> f32[n] {
    update c1 = beta1 * c1 + (1 - beta1)
    update c2 = beta2 * c2 + (1 - beta2)
    update m  = lerp(m, g, 1 - beta1)
    update v  = lerp(v, g * g, 1 - beta2)
    if amsgrad { update v_max = max(v_max, v) }
    let rate = lr * lr_scale
    let root = sqrt(if amsgrad { v_max } else { v }) / sqrt(c2)
    return p - rate * weight_decay * p - rate / c1 * m / (root + eps)
  }
}

/// Adam with Nesterov momentum whose factor grows towards beta1, as PyTorch 1.13 computes it (the correction of the look-ahead counts
/// this step's factor twice).
optimizer nadam(lr: Schedule = 2e-3, beta1: Real = 0.9, beta2: Real = 0.999, eps: Real = 1e-8, each weight_decay: Real = 0,
                momentum_decay: Real = 0.004, each lr_scale: Real = 1) {
  state m:  f32[n] = 0
  state v:  f32[n] = 0
  state t:  f32 = 0
  state c2: f32 = 0
  state mu_product: f32 = 1
  step(p: f32[n], g: f32[n]) -> f32[n] {
    let g = g + weight_decay * p
    update t = t + 1
    let mu   = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    let next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    update mu_product = mu_product * mu
    update c2 = beta2 * c2 + (1 - beta2)
    update m  = lerp(m, g, 1 - beta1)
    update v  = lerp(v, g * g, 1 - beta2)
    let root = sqrt(v / c2) + eps
    let rate = lr * lr_scale
    return p - rate * (1 - mu) / (1 - mu_product) * g / root - rate * next / (1 - mu_product * mu * next) * m / root
  }
}

/// Prodigy estimates the distance to the solution and takes it as the step size. `eta` uses the old d, the eps term the new one; nothing
/// moves while the denominator is 0, and the numerator keeps its decayed part then only if it was about to move.
optimizer prodigy(lr: Schedule = 1, beta1: Real = 0.9, beta2: Real = 0.999, beta3: Real? = none, eps: Real = 1e-8,
                  each weight_decay: Real = 0, decouple: Bool = true, use_bias_correction: Bool = false, safeguard_warmup: Bool = false,
                  d0: Real = 1e-6, d_coef: Real = 1, growth_rate: Real = inf) {
  state m:     f32[n] = 0
  state v:     f32[n] = 0
  state s:     f32[n] = 0
  state moved: f32[n] = 0  // since training began, summed step by step: while d is tiny, `p - start` would be lost in rounding
  state d:     f32 = d0
  state d_max: f32 = d0
  state r:     f32 = 0
  state c1:    f32 = 0
  state c2:    f32 = 0
  state pace:  f32 = if use_bias_correction { d0 * sqrt(1 - beta2) / (1 - beta1) } else { d0 }  // d with the bias correction of the coming step
  step(p: f32[n], g: f32[n]) -> f32[n] {
    let b3    = if has(beta3) { beta3 } else { sqrt(beta2) }
    let n1    = beta1 * c1 + (1 - beta1)
    let n2    = beta2 * c2 + (1 - beta2)
    let eta   = pace * lr
    let live  = lr > 0
    let g     = if decouple { g } else { g + weight_decay * p }
    let grown = d * (1 / d0)
    let gain  = grown * (if safeguard_warmup { d } else { eta })
    let num   = b3 * r + where(live, -grown * eta * sum(g * moved), 0)                   // first global reduction
    update m = beta1 * m + d * (1 - beta1) * g
    update v = beta2 * v + d * d * (1 - beta2) * g * g
    update s = where(live, b3 * s + gain * g, b3 * s)
    let q     = sum(abs(s))                                                              // second global reduction
    let moves = q > 0 and live
    let hat   = d_coef * num / max(q, 1e-38)
    let first = where(d == d0, max(d, hat), d)
    let top   = max(d_max, hat)
    let next  = min(top, first * growth_rate)
    log { d_hat: hat, numerator: num, denominator: q }
    update r     = where(moves, num, r)
    update d_max = where(moves, top, d_max)
    update d     = where(moves, next, d)
    update c1    = where(moves, n1, c1)
    update c2    = where(moves, n2, c2)
    update pace  = if use_bias_correction { d * sqrt(beta2 * c2 + (1 - beta2)) / (beta1 * c1 + (1 - beta1)) } else { d }
    let rate = where(moves, eta, 0)
    let step = m / (sqrt(v) + eps * expand(d, like: v))
    let move = -rate * (if decouple { weight_decay * p + step } else { step })
    update moved = moved + move
    log { d }
    return p + move
  }
}

/// Adam with decoupled decay, whose steps are left out where momentum and gradient disagree; what is left of a parameter's step grows by what was
/// left out of it.
optimizer cautious_adamw(lr: Schedule = 1e-3, beta1: Real = 0.9, beta2: Real = 0.999, eps: Real = 1e-6, each weight_decay: Real = 0,
                         correct_bias: Bool = true, mask_mean_min: Real = 1e-3) {
  state m:  f32[n] = 0
  state v:  f32[n] = 0
  state c1: f32 = 0
  state c2: f32 = 0
  step(p: f32[n], g: f32[n]) -> f32[n] {
    update c1 = beta1 * c1 + (1 - beta1)
    update c2 = beta2 * c2 + (1 - beta2)
    update m  = lerp(m, g, 1 - beta1)
    update v  = lerp(v, g * g, 1 - beta2)
    let agree = where(m * g > 0, 1, 0)
    let share = per_tensor([agree], fn(x: real[row, col], rank: Int) => max(mean(x), mask_mean_min))
    let rate  = if correct_bias { lr * sqrt(c2) / c1 } else { lr }
    return p - lr * weight_decay * p - rate * (m * agree / share) / (sqrt(v) + eps)
  }
}

/// Muon for matrices (tensors of at least `min_rank` axes, the first against all others): momentum made orthogonal. Adam for the others.
optimizer muon(lr: Schedule = 2e-2, momentum: Real = 0.95, weight_decay: Real = 0, nesterov: Bool = true, ns_steps: Int = 5,
               ns_eps: Real = 1e-7,
               min_rank: Int = 2, adam_lr: Schedule = 3e-4, beta1: Real = 0.9, beta2: Real = 0.95, eps: Real = 1e-10,
               adam_weight_decay: Real = 0) {
  state m:  f32[n] = 0
  state v:  f32[n] = 0
  state c1: f32 = 0
  state c2: f32 = 0
  step(p: f32[n], g: f32[n]) -> f32[n] {
    update c1 = beta1 * c1 + (1 - beta1)
    update c2 = beta2 * c2 + (1 - beta2)
    update m = per_tensor([m, g],
                          fn(m: real[row, col], g: real[row, col], rank: Int) => lerp(m, g,
                                                                                      1
                                                                                      - (if rank >= min_rank { momentum } else { beta1 })))
    update v = lerp(v, g * g, 1 - beta2)
    let ahead = if nesterov { lerp(g, m, momentum) } else { m }
    let adam  = m / c1 / (sqrt(v / c2) + eps)
    let step = per_tensor([ahead, adam, p], fn(u: real[row, col], a: real[row, col], p: real[row, col], rank: Int) =>
                          if rank >= min_rank {
                            lr * (weight_decay * p + orthogonal(u, ns_steps, ns_eps) * sqrt(max(1, size(u, row) / size(u, col))))
                          } else { adam_lr * (adam_weight_decay * p + a) })
    return p - step
  }
}
/// Nearly the closest matrix with orthogonal rows (or columns, where there are fewer), by Newton-Schulz iterations with Muon's coefficients.
fn orthogonal(u: real[row, col], steps: Int = 5, eps: Real = 1e-7) -> real[row, col] {
  let wide = row <= col
  return fold(range(steps), u / (norm(u) + eps), fn(x, i) {
    let flip = if wide { x } else { order(x, [col, row]) |> rename(col: row, row: col) }
    let a    = dot(flip, rename(flip, row: other), over: col)
    let b    = -4.775 * a + 2.0315 * (dot(a, rename(a, row: other, other: last), over: other) |> rename(last: other))
    let y    = 3.4445 * flip + (dot(b, rename(flip, row: other), over: other))
    return if wide { y } else { order(y, [col, row]) |> rename(col: row, row: col) }
  })
}

/// A gradient transform is an ordinary function on the arena.
fn clip_norm(g: f32[n], max_norm: Real) -> f32[n] { return g * min(1, max_norm / (sqrt(sum(g * g)) + 1e-6)) }

test "prodigy on a bowl reaches the published trace" {
  let c = [1, 0.1, 10]
  let t = minimum(fn(x: f32[i: 3]) => sum(stack(c, axis: i) * x * x) / 2, from: [1, -2, 0.5], by: prodigy(use_bias_correction: true),
                  steps: 200)
  expect near(t[19].d, 8.988684367e-4, relative: 1e-6)
  expect near(t[199].x, [0.000106407, -0.000137379, -0.000055309], 1e-8)
}
