fn bias(x: real[batch, c, h, w], b: real[channel]) -> real[batch, c, h, w] {
  return x + b
}
