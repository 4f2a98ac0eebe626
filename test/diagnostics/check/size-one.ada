fn centred(x: real[n, c], m: real[n, c: 1]) -> real[n, c] { return x - m }
fn grown(x: real[n, c]) -> real[n, c: c + 2] { return x }
fn wider(x: real[n, c]) -> real[n, c: 2 * c] { return x }
