module Linear(out: Dim, biased: Bool = true) {
  param weight: f32[out, cin] = draw(uniform(-1..1), [out, cin]) / sqrt(cin)
  param bias: f32[out] = 0 when biased
  forward(x: real[...b, axis: cin]) -> real[...b, axis: out] {
    let y = dot(x, weight |> rename(cin: axis), over: axis) |> rename(out: axis)
    return if biased { y + rename(bias, out: axis) } else { y }
  }
}
module Conv(out: Dim, size: Int, stride: Int = 1, pad: Int = floor(size / 2)) {
  param weight: f32[out, cin, kh: size, kw: size] = 0
  forward(x: real[...b, c: cin, h, w]) -> real[...b, c: out, h: floor((h + 2 * pad - size) / stride) + 1, w: floor((w + 2 * pad - size) / stride) + 1] {
    return conv(x, weight, stride, pad)
  }
}
module BatchNorm(momentum: Real = 0.1) {
  param weight: f32[c] = 1
  state running_mean: f32[c] = 0
  forward(x: real[...b, c, h, w]) updates -> real[...b, c, h, w] {
    let m = if training { mean(x, over: [...b, h, w]) } else { running_mean }
    if training { update running_mean = lerp(running_mean, stop(m), momentum) }
    return (x - m) * weight
  }
}
