fn f(x: real[n, m) -> real { return sum(x) }
