fn f(x: real[a, b]) -> real[c] { return view(x, `a b -> c=(a b)) }
