// Diffusion arithmetic, samplers, guidance. Becomes `std/diffusion.ada`. A sampler is a function: one fold over a host plan.
import { UNet, Context } from "models/unet.ada"

/// abar[t] of the scaled-linear schedule. Constants are computed by the compiler in f64.
const abar: f32[time: 1000] = cumprod([for i in 0..1000: 1 - lerp(sqrt(0.00085), sqrt(0.0120), i / 999) ** 2])

fn noised(x: real[...b, c, h, w], noise: real[...b, c, h, w], t: i32[...b]) -> real[...b, c, h, w] {
  return sqrt(abar[time: t]) * x + sqrt(1 - abar[time: t]) * noise
}
fn clean(noisy: real[...b, c, h, w], eps: real[...b, c, h, w], t: i32[...b]) -> real[...b, c, h, w] {
  return (noisy - sqrt(1 - abar[time: t]) * eps) * rsqrt(abar[time: t])
}
fn guided(cond: real[...b, c, h, w], uncond: real[...b, c, h, w], scale: real[...b]) -> real[...b, c, h, w] {
  return uncond + scale * (cond - uncond)
}

/// What a network that predicts velocities should say.
fn velocity(x: real[...b, c, h, w], noise: real[...b, c, h, w], t: i32[...b]) -> real[...b, c, h, w] {
  return sqrt(abar[time: t]) * noise - sqrt(1 - abar[time: t]) * x
}
/// Signal against noise at a time.
fn snr(t: i32[...b]) -> real[...b] { return abar[time: t] / (1 - abar[time: t]) }
/// Guidance brought back, by `share`, to the spread of the conditioned prediction.
fn rescaled(guided: real[...b, c, h, w], cond: real[...b, c, h, w], share: Real) -> real[...b, c, h, w] {
  return share * guided * (std(cond, over: [c, h, w]) / std(guided, over: [c, h, w])) + (1 - share) * guided
}

/// One known point of a denoising chain.
type Shot = { x: real[...b, c, h, w], noise: real[...b, c, h, w], t: i32[...b], eps: real[...b, c, h, w] }

/// The next time of a teacher's chain of `n` steps: earlier, the less so the longer the chain.
fn earlier(t: i32[...s], u: real[...s], n: Int, low: Real = 0.5, high: Real = 0.7, power: Real = -0.3) -> i32[...s] {
  let gentle = max(n - 1, 1) ** power
  let (lo, hi) = (low ** gentle, high ** gentle)
  return floor(t * (lo + u * (hi - lo)))
}

/// The teacher denoises its own estimate `n` times, from ever earlier times.
fn denoise_chain(teacher: UNet, ctx: Context, x: real[batch, c, h, w], t: i32[batch], n: Int) random -> List<Shot> {
  let look = fn(x: real[batch, c, h, w], t: i32[batch]) {
    let noise = draw(normal, like: x)
    return { x: x, noise: noise, t: t, eps: teacher(noised(x, noise, t), t, ctx) }
  }
  return scan(range(n - 1), look(x, t), fn(s, i) {
    let x0 = clean(noised(s.x, s.noise, s.t), s.eps, s.t)
    return look(x0, earlier(s.t, draw(uniform(0..1), [batch]), n))
  })
}

/// A plan is a host list of records of numbers; it drives one compiled body (two where guidance switches off).
type DdimStep = { t: Int, a: Real, prev: Real, sigma: Real, scale: Real }

fn ddim_plan(steps: Int, eta: Real, guidance: Schedule) -> List<DdimStep> {
  let gap = floor(1000 / steps)
  return [for i in 0..steps: {
    let t    = (steps - 1 - i) * gap + 1
    let a    = abar[time: t]
    let prev = if t > gap { abar[time: t - gap] } else { abar[time: 0] }
    return { t: t, a: a, prev: prev, sigma: eta * sqrt((1 - prev) / (1 - a) * (1 - a / prev)), scale: guidance(i / (steps - 1)) }
  }]
}

/// From an estimate of the picture and of the noise to the next, less noisy picture.
fn ddim_step(x0: real[...b, c, h, w], eps: real[...b, c, h, w], noise: real[...b, c, h, w], s: DdimStep) -> real[...b, c, h, w] {
  return sqrt(s.prev) * x0 + sqrt(1 - s.prev - s.sigma ** 2) * eps + s.sigma * noise
}
fn ddim(unet: UNet, x: real[...b, c, h, w], ctx: Context, negative: Context, plan: List<DdimStep>) random -> real[...b, c, h, w] {
  return fold(plan, x, fn(x, s) {
    let eps = if s.scale == 1 { unet(x, s.t, ctx) } else { guided(unet(x, s.t, ctx), unet(x, s.t, negative), s.scale) }
    let x0  = (x - sqrt(1 - s.a) * eps) / sqrt(s.a)
    return ddim_step(x0, eps, draw(normal, like: x), s)
  })
}

/// DPM-Solver++ 2M: the carried state is a pair. `h`, `r`, `first` come from the plan.
fn dpmpp_2m(unet: UNet, x: real[...b, c, h, w], ctx: Context, negative: Context, scale: Real,
            plan: List<{ t: Int, sigma: Real, alpha: Real, ratio: Real, gain: Real, r: Real }>) -> real[...b, c, h, w] {
  let (x, last) = fold(plan, (x, zeros_like(x)), fn((x, last), s) {
    let eps = guided(unet(x, s.t, ctx), unet(x, s.t, negative), scale)
    let x0  = (x - s.sigma * eps) / s.alpha
    return (s.ratio * x - s.gain * (x0 + 0.5 / s.r * (x0 - last)), x0)          // the plan has r = inf in its first and last step
  })
  return x
}
