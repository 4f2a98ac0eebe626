module Linear(out: Dim) {
  param weight: f32[out, cin] = draw(normal, [out, cin])
  forward(x: real[...b, axis: cin]) -> real[...b, axis: out] { return dot(x, weight, over: cin) }
}
