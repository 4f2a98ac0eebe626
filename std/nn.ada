// The layers every network here is made of.
// A layer changes the SIZE of an axis and keeps its NAME: `axis: cin -> axis: out`. Input sizes are inferred from use.
// `...b` stands for any leading axes (batch, role, candidate, layer), so no caller ever flattens.

module Linear(out: Dim, biased: Bool = true) {
  param weight: f32[out, cin] = draw(uniform(-1..1), [out, cin]) / sqrt(cin)
  param bias:   f32[out] = 0 when biased
  forward(x: real[...b, axis: cin]) -> real[...b, axis: out] {
    let y = dot(x, weight |> rename(cin: axis), over: axis) |> rename(out: axis)
    return if biased { y + rename(bias, out: axis) } else { y }
  }
}

module Embedding(rows: Dim, width: Dim) {
  param weight: f32[rows, width] = draw(normal, [rows, width])
  forward(id: i32[...b]) -> real[...b, width] { return weight[rows: id] }
}

module Conv(out: Dim, size: Int, stride: Int = 1, pad: Int = floor(size / 2), biased: Bool = true) {
  param weight: f32[out, cin, kh: size, kw: size] = draw(uniform(-1..1), [out, cin, kh: size, kw: size]) / (size * sqrt(cin))
  param bias:   f32[out] = 0 when biased
  forward(x: real[...b, c: cin, h, w])
      -> real[...b, c: out, h: floor((h + 2 * pad - size) / stride) + 1, w: floor((w + 2 * pad - size) / stride) + 1] {
    let y = conv(x, weight, stride, pad)
    return if biased { y + rename(bias, out: c) } else { y }
  }
}

module LayerNorm(eps: Real = 1e-5, affine: Bool = true) {
  param weight: f32[n] = 1 when affine
  param bias:   f32[n] = 0 when affine
  forward(x: real[...b, axis: n]) -> real[...b, axis: n] {
    let y = standardize(x, over: axis, eps)
    return if affine { y * rename(weight, n: axis) + rename(bias, n: axis) } else { y }
  }
}

module GroupNorm(groups: Int, eps: Real = 1e-5) {
  param weight: f32[c] = 1
  param bias:   f32[c] = 0
  forward(x: real[...b, c, h, w]) -> real[...b, c, h, w] {
    // Statistics of each channel first, then of its group; so the picture is read along its channels, and what is left is one scale and one
    // shift per channel.
    let m      = mean(x, over: [h, w]) |> view(`...b (g part) -> ...b g part`, g: groups)
    let v      = var(x, over: [h, w]) |> view(`...b (g part) -> ...b g part`, g: groups)
    let center = mean(m, over: part)
    let spread = mean(v + (m - center) ** 2, over: part)
    let scale  = weight * (expand(rsqrt(spread + eps), like: m) |> view(`...b g part -> ...b c=(g part)`))
    let shift  = bias - (expand(center, like: m) |> view(`...b g part -> ...b c=(g part)`)) * scale
    return x * scale + shift
  }
}

/// Batch statistics while training (and running ones kept), running statistics in a frozen model, where the
/// compiler folds the whole layer into a neighbouring convolution if that is exact.
module BatchNorm(eps: Real = 1e-5, affine: Bool = true, momentum: Real = 0.1) {
  param weight: f32[c] = 1 when affine
  param bias:   f32[c] = 0 when affine
  state running_mean: f32[c] = 0
  state running_var:  f32[c] = 1
  forward(x: real[...b, c, h, w]) updates -> real[...b, c, h, w] {
    let m = if training { mean(x, over: [...b, h, w]) } else { running_mean }
    let v = if training { var(x, over: [...b, h, w]) } else { running_var }
    if training {
      let n = count(x, over: [...b, h, w])
      update running_mean = lerp(running_mean, stop(m), momentum)
      update running_var  = lerp(running_var, stop(v) * n / (n - 1), momentum)
    }
    let y = (x - m) * rsqrt(v + eps)
    return if affine { y * weight + bias } else { y }
  }
}

module PReLU() {
  param weight: f32[c] = 0.25
  forward(x: real[...b, c, h, w]) -> real[...b, c, h, w] { return max(x, 0) + weight * min(x, 0) }
}

fn standardize(x: real[...s], over: Axes, eps: Real) -> real[...s] {
  let d = x - mean(x, over)
  return d * rsqrt(mean(d * d, over) + eps)
}

fn relu(x: real[...s]) -> real[...s] { return max(x, 0) }
fn silu(x: real[...s]) -> real[...s] { return x * sigmoid(x) }
fn quick_gelu(x: real[...s], alpha: Real = 1.702) -> real[...s] { return x * sigmoid(alpha * x) }
fn gelu(x: real[...s]) -> real[...s] { return 0.5 * x * (1 + erf(x / sqrt(2))) }
/// GELU with its error function approximated by tanh.
fn gelu_tanh(x: real[...s]) -> real[...s] { return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x))) }
fn leaky_relu(x: real[...s], slope: Real = 0.01) -> real[...s] { return where(x > 0, x, slope * x) }
fn elu(x: real[...s], alpha: Real = 1) -> real[...s] { return where(x > 0, x, alpha * (exp(min(x, 0)) - 1)) }
/// ln(1 + exp(beta x)) / beta, without overflow; x itself where beta x is above `threshold`.
fn softplus(x: real[...s], beta: Real = 1, threshold: Real = 20) -> real[...s] {
  let t = beta * x
  return where(t > threshold, x, (max(t, 0) + ln(1 + exp(-abs(t)))) / beta)
}
/// The first half of an axis, gated by GELU of the second.
fn geglu(h: real[...b, axis]) -> real[...b, axis: axis / 2] {
  let part = split(h, axis, 2)
  return part[0] * gelu(part[1])
}
fn geglu_tanh(h: real[...b, axis]) -> real[...b, axis: axis / 2] {
  let part = split(h, axis, 2)
  return part[0] * gelu_tanh(part[1])
}

/// `mask` is added to the scores. The body is the meaning; the `attend` template is the speed.
fused fn attention(q: real[...b, query, d], k: real[...b, key, d], v: real[...b, key, e], mask: real[...m, key]? = none)
    -> real[...b, query, e]
  by attend {
  let s = dot(q, k, over: d) * d ** -0.5
  let p = softmax(if has(mask) { s + mask } else { s }, over: key)
  return dot(p, v, over: key)
}

/// 0 where query i may see key j (its own token and earlier ones, all copies of a token alike), -inf elsewhere.
fn causal(tokens: Dim, copies: Int = 1) -> real[query: tokens, key: tokens * copies] {
  let q = expand(iota([query: tokens]), [query, key: tokens * copies])
  return where(floor(iota([key: tokens * copies]) / copies) <= q, 0, -inf)
}

/// A vector of channels as a picture of one pixel, for layers that take pictures; and back.
fn pixel(x: real[...b, c]) -> real[...b, c, h: 1, w: 1] { return x |> view(`...b c -> ...b c h=1 w=1`) }
fn of_pixel(x: real[...b, c, h: 1, w: 1]) -> real[...b, c] { return x |> view(`...b c h w -> ...b c=(c h w)`) }

fn upsample(x: real[...b, h, w]) -> real[...b, h: 2 * h, w: 2 * w] { return x |> view(`...b h w -> ...b h=(h r) w=(w s)`, r: 2, s: 2) }

/// Bilinear resampling to another size is two matrix products with hat-shaped weights; so is zooming by a run-time factor.
fn hat(to: Dim, from: Dim, scale: real) -> real[to, from] {
  let at = (expand(iota([to]), [to, from]) - (to - 1) / 2) / scale + (from - 1) / 2
  return max(0, 1 - abs(clamp(at, 0, from - 1) - iota([from])))
}
fn resize(x: real[...b, h, w], to: Dim, by: Dim = to) -> real[...b, h: to, w: by] {
  let y = dot(x, hat(to, h, to / h) |> rename(from: h), over: h) |> rename(to: h) |> order([...b, h, w])
  return dot(y, hat(by, w, by / w) |> rename(from: w), over: w) |> rename(to: w)
}
/// The same with the cubic kernel (a = -0.5), widened when shrinking.
fn cubic(to: Dim, from: Dim) -> real[to, from] {
  let s = max(from / to, 1)
  let d = abs((expand(iota([to]), [to, from]) + 0.5) * from / to - 0.5 - iota([from])) / s
  let w = where(d < 1, (1.5 * d - 2.5) * d * d + 1, where(d < 2, ((-0.5 * d + 2.5) * d - 4) * d + 2, 0))
  return w / sum(w, over: from)
}
fn resize_bicubic(x: real[...b, h, w], to: Dim, by: Dim = to) -> real[...b, h: to, w: by] {
  let y = dot(x, cubic(to, h) |> rename(from: h), over: h) |> rename(to: h) |> order([...b, h, w])
  return dot(y, cubic(by, w) |> rename(from: w), over: w) |> rename(to: w)
}
/// Shrinks (scale < 1) about the centre into a frame of the same size; outside is 0.
fn zoom(x: real[...b, h, w], scale: real) -> real[...b, h, w] {
  let inside = fn(n: Dim) => where(abs(iota([to: n]) - (n - 1) / 2) <= scale * n / 2, 1, 0)
  let y      = dot(x, hat(h, h, scale) * inside(h) |> rename(from: h), over: h) |> rename(to: h) |> order([...b, h, w])
  return dot(y, hat(w, w, scale) * inside(w) |> rename(from: w), over: w) |> rename(to: w)
}

property "resampling to the same size changes nothing" {
  forall x: real[h: 1..9, w: 1..9] in -2..2
  expect near(resize(x, h, w), x, 1e-5)
}
property "attention over equal keys is the mean of the values" {
  forall q: real[query: 1..4, d: 1..5], v: real[key: 1..6, e: 1..4] in -2..2
  expect near(attention(q, ones([key, d]), v), expand(mean(v, over: key), [query, e]), 1e-5)
}
property "standardised numbers have mean 0 and variance 1" {
  forall x: real[...b, c: 3..9] in -2..2
  require min(var(x, over: c)) > 0.01
  let y = standardize(x, over: c, eps: 0)
  expect near(mean(y, over: c), 0 * mean(x, over: c), 1e-4)
  expect near(var(y, over: c), 1 + 0 * mean(x, over: c), 1e-4)
}
gradcheck gelu(x: real[n: 7])
gradcheck attention(q: real[query: 3, d: 4], k: real[key: 5, d: 4], v: real[key: 5, e: 2])
