// In scope everywhere, without import. Everything here is plain `.ada` over the primitives; the compiler knows none of these names, only
// their bodies (and templates that recognise the `fused` ones). A row that only a result names (`...r`) is whatever the body leaves.

fn sigmoid(x: real[...s]) -> real[...s] { return 1 / (1 + exp(-x)) }
fn clamp(x: real[...s], low: Real, high: Real) -> real[...s] { return min(max(x, low), high) }
fn lerp(a: real[...s], b: real[...s], t: real[...s]) -> real[...s] { return a + (b - a) * t }

/// Biased, for normalisation.
fn var(x: real[...s], over: Axes = [...s]) -> real[...r] { return mean((x - mean(x, over)) ** 2, over) }
/// Unbiased, for noise.
fn std(x: real[...s], over: Axes = [...s]) -> real[...r] { return sqrt(var(x, over) * count(x, over) / (count(x, over) - 1)) }
fn norm(x: real[...s], over: Axes = [...s]) -> real[...r] { return sqrt(sum(x * x, over)) }
fn unit(x: real[...s], over: Axes, eps: Real = 1e-12) -> real[...s] { return x / max(norm(x, over), eps) }

fused fn softmax(x: real[...s], over: Axes) -> real[...s] by reduce {
  let e = exp(x - stop(max(x, over)))
  return e / sum(e, over)
}
/// Logarithm of the sum of exponentials, without overflow.
fn logsumexp(x: real[...s], over: Axes = [...s]) -> real[...r] {
  let m = stop(max(x, over))
  return m + ln(sum(exp(x - m), over))
}
fn log_softmax(x: real[...s], over: Axes) -> real[...s] { return x - logsumexp(x, over) }

fn zeros(axes: Axes) -> real[axes] { return expand(0, axes) }
fn ones(axes: Axes) -> real[axes] { return expand(1, axes) }
fn zeros_like(x: real[...s]) -> real[...s] { return expand(0, like: x) }
fn ones_like(x: real[...s]) -> real[...s] { return expand(1, like: x) }

fn dropout(x: real[...s], p: Real) random -> real[...s] { return x * (1 - draw(coin(p), like: x)) / (1 - p) }

/// 1 at the place that `id` says, 0 elsewhere.
fn one_hot(id: i32[...b], classes: Dim) -> real[...b, classes] {
  return where(expand(id, [...b, classes]) == iota([classes]), 1, 0)
}

fn resize_nearest(x: real[...b, h, w], to: Dim, by: Dim = to) -> real[...b, h: to, w: by] {
  return x[h: floor(iota([row: to]) * h / to)][w: floor(iota([col: by]) * w / by)] |> rename(row: h, col: w)
}

/// Cosines of all pairs of unit vectors from two collections.
fn cosine_pairs(a: real[n, f], b: real[m, f]) -> real[n, m] { return dot(a, b, over: f) }

/// In finite differences, what `stop` guards stays at its value, so grad_scale(x, a) counts as a * x.
fn grad_scale(x: real[...s], a: Real) -> real[...s] { return a * x + stop((1 - a) * x) }
