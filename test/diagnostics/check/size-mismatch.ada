fn window(x: real[h: 8], n: Int) -> real[h: n] { return x[h: 0..n] }
fn of_two(size: Dim, x: real[c: size]) -> real { return sum(x) }
fn wrong(x: real[c: 3]) -> real { return of_two(4, x) }
