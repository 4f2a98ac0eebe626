fn f(x: real[n]) -> real {
  let a =
  let b = a +
  return b
}
