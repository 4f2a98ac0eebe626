// Losses of general use. What a name says is as in PyTorch, with `mean` over everything unless axes are left: take `mean` or `sum` of the
// elementwise ones (`…_each`) for another reduction.

fn squared_each(a: real[...s], b: real[...s]) -> real[...s] { return (a - b) ** 2 }
fn absolute_each(a: real[...s], b: real[...s]) -> real[...s] { return abs(a - b) }
/// Quadratic within `delta`, linear outside.
fn huber_each(a: real[...s], b: real[...s], delta: Real = 1) -> real[...s] {
  let d = abs(a - b)
  return where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))
}
/// Quadratic within `beta`, divided by it; linear outside.
fn smooth_l1_each(a: real[...s], b: real[...s], beta: Real = 1) -> real[...s] {
  let d = abs(a - b)
  return if beta == 0 { d } else { where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta) }
}
/// max(x, 0) - x t + ln(1 + exp(-|x|)): no overflow for any logit.
fn bce_with_logits_each(x: real[...s], target: real[...s]) -> real[...s] {
  return max(x, 0) - x * target + ln(1 + exp(-abs(x)))
}

loss mse(a: real[...s], b: real[...s]) -> real { return mean(squared_each(a, b)) }
loss l1(a: real[...s], b: real[...s]) -> real { return mean(absolute_each(a, b)) }
loss huber(a: real[...s], b: real[...s], delta: Real = 1) -> real { return mean(huber_each(a, b, delta)) }
loss smooth_l1(a: real[...s], b: real[...s], beta: Real = 1) -> real { return mean(smooth_l1_each(a, b, beta)) }
loss bce_with_logits(x: real[...s], target: real[...s]) -> real { return mean(bce_with_logits_each(x, target)) }

/// Cross entropy of class ids, one value per row; `smoothing` spreads that share of the target over all classes, `weight` weighs classes,
/// rows with the id `ignore` are 0.
fn cross_entropy_each(logits: real[...b, classes], id: i32[...b], smoothing: Real = 0, ignore: Int? = none, weight: real[classes]? = none)
    -> real[...b] {
  let p    = log_softmax(logits, over: classes)
  let q    = if has(weight) { p * weight } else { p }
  let hit  = -sum(q * one_hot(id, classes), over: classes)
  let each = if smoothing == 0 { hit } else { (1 - smoothing) * hit - smoothing * mean(q, over: classes) }
  return if has(ignore) { where(id == ignore, 0, each) } else { each }
}
/// Mean over the rows that are not ignored; with `weight`, the mean weighted by the weights of their classes.
loss cross_entropy(logits: real[...b, classes], id: i32[...b], smoothing: Real = 0, ignore: Int? = none, weight: real[classes]? = none)
    -> real {
  let each    = cross_entropy_each(logits, id, smoothing, ignore, weight)
  let share   = if has(weight) { sum(one_hot(id, classes) * weight, over: classes) } else { where(id == id, 1, 0) }
  let counted = if has(ignore) { where(id == ignore, 0, share) } else { share }
  return if has(weight) { sum(each) / sum(counted) } else { if has(ignore) { sum(each) / max(sum(counted), 1) } else { mean(each) } }
}

/// KL(softmax(t) || softmax(x)), the terms of its sum over the classes.
fn softmax_kl_each(x: real[...s], t: real[...s], over: Axes) -> real[...s] {
  let p = log_softmax(t, over)
  return exp(p) * (p - log_softmax(x, over))
}

/// Cosine of the angle between a and b, as rows along `over`; norms below `eps` count as `eps`.
fn cosine_similarity(a: real[...s], b: real[...s], over: Axes, eps: Real = 1e-8) -> real[...r] {
  return sum(a * b, over) / (max(norm(a, over), eps) * max(norm(b, over), eps))
}

/// 1 - cosine where `target` is 1, what the cosine has above `margin` where it is -1.
fn cosine_embedding_each(a: real[...b, f], b: real[...b, f], target: real[...b], margin: Real = 0, eps: Real = 1e-12) -> real[...b] {
  let cosine = sum(a * b, over: f) / sqrt((sum(a * a, over: f) + eps) * (sum(b * b, over: f) + eps))
  return where(target > 0, 1 - cosine, max(0, cosine - margin))
}

/// Cosine to every class centre, times `scale`.
fn class_cosines(feature: real[...b, f], centres: real[classes, f]) -> real[...b, classes] {
  return dot(unit(feature, over: f), unit(centres, over: f), over: f)
}

/// CosFace: the cosine of the right class must be larger than the others by `margin`.
loss cosface(feature: real[...b, f], centres: real[classes, f], id: i32[...b], margin: Real = 0.35, scale: Real = 64) -> real {
  let cosine = class_cosines(feature, centres)
  return cross_entropy(scale * (cosine - margin * one_hot(id, classes)), id)
}

/// ArcFace: the angle to the right class is made larger by `margin` (radians) before the softmax. Beyond pi - margin the cosine would rise
/// again; there it falls linearly instead, so that a worse angle never costs less.
loss arcface(feature: real[...b, f], centres: real[classes, f], id: i32[...b], margin: Real = 0.5, scale: Real = 64) -> real {
  let cosine = class_cosines(feature, centres)
  let sine   = sqrt(max(1 - cosine * cosine, 1e-7))
  let turned = cosine * cos(margin) - sine * sin(margin)
  let pushed = where(cosine > cos(pi - margin), turned, cosine - sin(margin) * margin)
  let hit    = one_hot(id, classes)
  return cross_entropy(scale * where(hit > 0, pushed, cosine), id)
}

/// Sum of losses, each divided by its own size to the power `power`, and the sum brought back to the size of the plain sum. The factors are
/// not differentiated; with `power` 0 this is the plain sum.
loss normalized_sum(losses: List<real>, power: Real = 0, eps: Real = 1e-8) -> real {
  let total = sum(losses)
  if power == 0 { return total }
  let scaled = sum([for l in losses: l / stop((abs(l) + eps) ** power)])
  return scaled * stop(total / (scaled + eps))
}
/// Mean of |a| to a power; with `rooted` the root of that power.
loss power_mean(a: real[...s], power: Real = 2, rooted: Bool = false) -> real {
  let m = mean(abs(a) ** power)
  return if rooted { m ** (1 / power) } else { m }
}

/// A factor that follows a loss: from `scale` at `base` in proportion, between the shares `low` and `high` of `scale`.
fn proportional_scale(x: real[...s], base: Real, scale: Real, low: Real = 1, high: Real = 2) -> real[...s] {
  return if base == 0 { zeros_like(x) } else { clamp(stop(x) * scale / base, scale * low, scale * high) }
}
/// The same along a straight line through two known points.
fn linear_scale(x: real[...s], base: Real, scale: Real, ref: Real, ref_scale: Real, low: Real, high: Real) -> real[...s] {
  return clamp((stop(x) - base) / (ref - base) * (ref_scale - scale) + scale, low, high)
}

property "without a margin ArcFace is CosFace" {
  forall x: real[b: 1..4, f: 2..6], centres: real[classes: 2..5, f], id: i32[b] in 0..2
  require min(norm(x, over: f)) > 0.1 and min(norm(centres, over: f)) > 0.1
  expect near(arcface(x, centres, id, margin: 0), cosface(x, centres, id, margin: 0), 1e-3)
}
gradcheck cross_entropy(logits: real[b: 3, classes: 5], id: i32[b], smoothing: 0.1)
