fn f(x: Real) { return x }
