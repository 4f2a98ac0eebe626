fn f(x: real[n]) -> real { return clamp(sum(x) 0, 1) }
