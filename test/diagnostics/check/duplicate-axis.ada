fn square(x: real[n, m]) -> real[n, k: m] { return rename(x, m: n) }
fn pairs(x: real[n]) -> real[n, k: n] { return expand(x, [n, n]) }
