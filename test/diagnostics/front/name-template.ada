fused fn f(x: real[n]) -> real[n] by contrakt { return x }
