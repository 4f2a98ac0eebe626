fn f(x: real[n]) -> real[n] {
  return x |> sigmoid * 2
}
