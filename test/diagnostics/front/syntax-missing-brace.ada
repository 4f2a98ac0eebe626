fn first(x: real[n]) -> real {
  let y = x
  return sum(y)

fn second(x: real[n]) -> real { return sum(x) }
