module Counter() {
  param weight: f32[n] = 1
  state seen: f32 = 0
  forward(x: real[...b, n]) updates -> real[...b, n] {
    update seen = seen + 1
    return x * weight
  }
}
module Net() {
  part count = Counter()
  forward(x: real[...b, n]) updates -> real[...b, n] { return count(x) }
}
model net = Net() frozen
