module Net(rows: Dim) {
  param weight: f32[out: rows, c: 3] = draw(normal, [out: rows, c: 3])
  forward(x: real[...b, c: 3]) -> real[...b, out: rows] { return dot(x, weight, over: c) |> order([...b, out]) }
}
fn repeat_rows(old: f32[rows, c], times: Dim) -> f32[rows: rows * times, c] {
  return expand(old, [copy: times, rows, c]) |> view(`copy rows c -> rows=(copy rows) c`)
}
surgery grow for Net { weight = repeat_rows() }

test "four rows do not become two" {
  let a = fresh(Net(rows: 4), seed: 1)
  let b = fresh(Net(rows: 2), from: a, surgery: grow)
  expect near(b(expand(2, [c: 3])), 0)
}
