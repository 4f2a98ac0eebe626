fn tiled(x: real[c]) -> real[times: 3, c] { return expand(x, [times, c]) }
fn halves(x: real[c]) -> real[d: hlaf, c] { return expand(x, [d: 2, c]) }
fn repeat(x: real[c], times: Dim) -> real[times, c] { return expand(x, [times, c]) }
fn twice(x: real[c]) -> real[times: 2, c] { return repeat(x) }
fn split_heads(x: real[...b, width]) -> real[...b, head: 4, d: 4] { return view(x, `...b (head d) -> ...b head d`) }
