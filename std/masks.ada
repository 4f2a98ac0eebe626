// Means and errors where a mask is 1. Masks are 1 inside and 0 outside, or shares between; they may lack axes of what they mask.
import { resize } from "std/nn.ada"

/// Mean of `x` where `mask` is 1. A `weight` (one per sample) multiplies what is summed, not what it is divided by.
fn masked_mean(x: real[...s], mask: real[...m], over: Axes = [...s], weight: real[...w]? = none, eps: Real = 1e-6) -> real[...r] {
  let m   = expand(mask, like: x)
  let top = if has(weight) { x * weight } else { x }
  return sum(top * m, over) / max(sum(m, over), eps)
}
/// Squared error where `mask` is 1: mean within each sample, then over samples.
loss masked_l2(a: real[n, ...s], b: real[n, ...s], mask: real[n, ...m], eps: Real = 1e-8) -> real {
  let m = expand(mask, like: a)
  return mean(sum((a - b) ** 2 * m, over: [...s]) / (sum(m, over: [...s]) + eps))
}

/// Errors per element, weighted `wf` in the foreground and `wb` behind it, both only inside `valid`; masks that are left out are 1.
fn weighted_error(error: real[batch, c, h, w], valid: real[batch, h, w]? = none, fg: real[batch, h, w]? = none, wf: Real = 1, wb: Real = 1,
                  eps: Real = 1e-6) -> real {
  let v = if has(valid) { valid } else { ones([batch, h, w]) }
  let f = if has(fg) { fg } else { ones([batch, h, w]) }
  let a = expand(f * v * wf + (1 - f) * v * wb, like: error)
  return sum(error * a) / (sum(a) + eps)
}
loss recon(pred: real[batch, c, h, w], target: real[batch, c, h, w], valid: real[batch, h, w]? = none, fg: real[batch, h, w]? = none,
           wf: Real = 1,
           wb: Real = 1, eps: Real = 1e-6) -> real {
  let d = pred - target
  return weighted_error((if has(valid) { d * valid } else { d }) ** 2, valid, fg, wf, wb, eps)
}

/// A mask at another size: nearest, and the larger of nearest and bilinear, so that thin parts survive.
fn resize_mask(mask: real[...b, h, w], to: Dim, by: Dim = to) -> real[...b, h: to, w: by] {
  return max(resize_nearest(mask, to, by), resize(mask, to, by))
}
