fn f(x: Real) -> Real {
  let y = if x > 0 { x }
  return y
}
