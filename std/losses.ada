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

/// Cross entropy of class ids, one value per row; `smoothing` spreads that share of the weight over all classes.
fn cross_entropy_each(logits: real[...b, classes], id: i32[...b], smoothing: Real = 0) -> real[...b] {
  let p = log_softmax(logits, over: classes)
  let hit = -sum(p * one_hot(id, classes), over: classes)
  return if smoothing == 0 { hit } else { (1 - smoothing) * hit - smoothing * mean(p, over: classes) }
}
/// Mean over the rows; ids of `ignore` count nothing.
loss cross_entropy(logits: real[...b, classes], id: i32[...b], smoothing: Real = 0, ignore: Int? = none) -> real {
  let each = cross_entropy_each(logits, id, smoothing)
  return if has(ignore) { sum(where(id == ignore, 0, each)) / max(sum(where(id == ignore, 0, 1)), 1) } else { mean(each) }
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
