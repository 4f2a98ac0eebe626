fn sigmoid(x: real[...s]) -> real[...s] { return 1 / (1 + exp(-x)) }
fn clamp(x: real[...s], low: Real, high: Real) -> real[...s] { return min(max(x, low), high) }
