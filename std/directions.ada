// Directions of rows: what of one is in another, what is orthogonal to it, and losses that turn one towards a reference.

/// How much of `b` is in `a`: the coefficient of the projection of `a` on `b`, over the axes of `over` jointly.
fn align_coefficient(a: real[...s], b: real[...s], over: Axes, eps: Real = 1e-6) -> real[...r] {
  return sum(a * b, over) / (sum(b * b, over) + eps)
}
/// The part of `a` that is orthogonal to `b`; a `discount` below 1 leaves some of `b` in it.
fn ortho_subtract(a: real[...s], b: real[...s], over: Axes, discount: Real = 1, eps: Real = 1e-6) -> real[...s] {
  return a - discount * align_coefficient(a, b, over, eps) * b
}
/// Both scaled to the average of their norms.
fn of_equal_norm(a: real[...s], b: real[...s], over: Axes, eps: Real = 1e-6) -> (real[...s], real[...s]) {
  let (na, nb) = (norm(a, over) + eps, norm(b, over) + eps)
  let between = (na + nb) / 2
  return (a * (between / na), b * (between / nb))
}
fn demean(x: real[...s], over: Axes) -> real[...s] { return x - mean(x, over) }

/// Per row: 1 - cosine to a reference sharpened by `power` (signs kept), or what the cosine has above 0 where rows shall not agree.
/// Only the reference is sharpened; its gradient counts `ref_grad` times.
fn ref_cosine_each(x: real[...s, f], ref: real[...s, f], power: Real = 2, demean_x: Bool = false, demean_ref: Bool = false,
                   ref_grad: Real = 1,
                   align: Bool = true) -> real[...s] {
  let d      = if demean_x { x - mean(x, over: f) } else { x }
  let r      = grad_scale(if demean_ref { ref - mean(ref, over: f) } else { ref }, ref_grad)
  let r      = if power == 1 { r } else { r * abs(r) ** (power - 1) }
  let cosine = dot(d, r, over: f) * rsqrt((dot(d, d, over: f) + 1e-12) * (dot(r, r, over: f) + 1e-12))
  return if align { 1 - cosine } else { max(0, cosine) }
}
/// The mean of `ref_cosine_each` within each of `n` samples (weighted by `weight` where it is above 0), less `margin` where that is given;
/// then the mean over samples, weighted by `sample` (0 where no sample counts).
loss ref_cosine(x: real[n, ...s, f], ref: real[n, ...s, f], weight: real[n, ...m]? = none, sample: real[n]? = none, power: Real = 2,
                demean_x: Bool = false, demean_ref: Bool = false, ref_grad: Real = 1, align: Bool = true, margin: Real = 0) -> real {
  let miss = ref_cosine_each(x, ref, power, demean_x, demean_ref, ref_grad, align)
  let each = if has(weight) {
    let w = expand(where(weight > 0, weight, 0), like: miss)
    return sum(miss * w, over: [...s]) / (sum(w, over: [...s]) + 1e-8)
  } else { mean(miss, over: [...s]) }
  let each = if margin > 0 { max(each - margin, 0) } else { each }
  if not has(sample) { return mean(each) }
  let all = sum(sample)
  return sum(each * sample) / where(all == 0, 1, all)
}

/// What changes from `base` to `ex` should point where it points in the reference: the part of `ex` orthogonal to its reference, against
/// the part of `base` orthogonal to its own. Gradients of `base` count `base_grad` times, those of the references `ref_grad` times.
/// Turned round (`ex_to_base`), the change of the reference is what the change from `base` to `ex` is compared with.
loss delta_alignment(base: real[n, ...s, f], ex: real[n, ...s, f], ref_base: real[n, ...s, f], ref_ex: real[n, ...s, f],
                     ref_grad: Real = 0.1,
                     base_grad: Real = 0.05, power: Real = 2, ex_to_base: Bool = false) -> real {
  let b  = grad_scale(base, base_grad)
  let rb = grad_scale(ref_base, ref_grad)
  let rx = grad_scale(ref_ex, ref_grad)
  return if ex_to_base {
    ref_cosine(ortho_subtract(ex, b, over: f), ortho_subtract(rx, rb, over: f), power: power)
  } else {
    ref_cosine(ortho_subtract(ex, rx, over: f), ortho_subtract(b, rb, over: f), power: power)
  }
}
