fn turned(x: real[n, m, k]) -> real[m, n, k] { return order(x, [m, n]) }
