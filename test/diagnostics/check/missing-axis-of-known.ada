fn spread(x: real[batch, c]) -> real[batch, c] { return x - mean(x, over: channel) }
fn name(x: real[batch, c]) -> real[batch, d: c] { return rename(x, e: d) }
