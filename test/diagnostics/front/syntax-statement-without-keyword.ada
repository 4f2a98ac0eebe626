fn f(x: real[n]) -> real {
  y = x * 2
  return sum(y)
}
