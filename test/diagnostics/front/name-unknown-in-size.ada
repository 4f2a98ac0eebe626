fn f(x: real[h, w]) -> real[h: 2 * hh, w] { return x }
fn g(x: real[...b, h]) -> real[...b, h] { return expand(sum(x, over: h), [...a, h]) }
