fn last(x: real[role: 2, c]) -> real[c] { return x[role: 2] }
fn some(x: real[h: 8]) -> real[h: 5] { return x[h: 4..9] }
fn element() -> Int { return [1, 2, 3][3] }
