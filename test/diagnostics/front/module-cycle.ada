module Self(n: Int) {
  part inner = [for i in 0..n: Self(n - 1)]
  forward(x: real[c]) -> real[c] { return x }
}
module First() {
  part second = Second()
  forward(x: real[c]) -> real[c] { return second(x) }
}
module Second() {
  part first = if training { First() } else { none }
  forward(x: real[c]) -> real[c] { return first(x) }
}
