fn both(a: real[n, c: 3], b: real[n, c: 4]) -> real[pair: 2, n, c: 3] { return stack([a, b], axis: pair) }
fn joined(a: real[n, c: 3], b: real[m, c: 4]) -> real[n: n + m, c: 3] { return concat([a, rename(b, m: n)], axis: n) }
