fn f(x: real[n]) -> real { return progress * sum(x) }
