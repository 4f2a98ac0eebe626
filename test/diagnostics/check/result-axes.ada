fn pooled(x: real[batch, c, h, w]) -> real[batch, c] { return mean(x, over: h) }
fn score(x: real[batch, c]) -> real[batch] { return mean(x) }
