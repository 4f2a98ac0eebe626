fn blend(a: real[batch, width: 768], b: real[batch, width: 1024]) -> real[batch, width: 768] {
  return 0.5 * a + 0.5 * b
}
