fn f(x, y: Real) -> real { return x + y }
