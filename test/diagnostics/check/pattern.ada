fn flat(x: real[...b, c, h, w]) -> real[...b, f: c * h * w] { return view(x, `...b c h -> ...b f=(c h)`) }
fn swapped(x: real[n, m]) -> real[m, n] { return view(x, `m n -> n m`) }
fn joined(x: real[n, m]) -> real[k: n * m] { return view(x, `n m -> (n m)`) }
fn heads(x: real[n, width: 10]) -> real[n, head: 4, d: 2] { return view(x, `n (head d) -> n head d`, head: 4) }
