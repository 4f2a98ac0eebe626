fn nothing(x: real[n]) -> real[n] { let y = x * 2 }
fn sometimes(x: real[n], flag: Bool) -> real[n] { if flag { return x } }
fn twice(x: real[n]) -> real[n] {
  return x
  let y = 2 * x
}
