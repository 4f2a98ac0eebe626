module Table() {
  param weight: f32[n: 4] = 0
}
module Net() {
  part table = Table()
  forward(x: real[n: 4]) -> real[n: 4] { return table(x) }
}
