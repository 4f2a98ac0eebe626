fn f(in: real[n]) -> real {
  let for = 2
  return sum(in)
}
