fn pooled(x: real[...b, width, height]) -> real { return mean(x, over: [width, heigth]) |> mean }
fn first(x: real[batch, tokens, width]) -> real[batch, width] { return x[token: 0] }
fn product(a: real[n, f], b: real[m, g]) -> real[n, m] { return dot(a, b, over: f) }
fn cosine(a: real[n, f]) -> real[n] { return norm(a, over: features) }
