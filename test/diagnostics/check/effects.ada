import { BatchNorm } from "std/nn.ada"

fn noisy(x: real[n]) -> real[n] { return x + draw(normal, like: x) }
fn dropped(x: real[n]) -> real[n] { return dropout(x, 0.5) }
fn trained(x: real[n]) -> real {
  minimize mean(x)
  log { x: mean(x) }
  return mean(x)
}
fn waiting(x: real[n]) -> real[n] { return if read(any(x > 0)) { x } else { -x } }
module Counter() {
  param weight: f32[n] = 1
  state seen: f32 = 0
  forward(x: real[...b, n]) -> real[...b, n] {
    update seen = seen + 1
    return x * weight
  }
}
module Wrong() {
  param weight: f32[n] = 1
  forward(x: real[...b, n]) updates -> real[...b, n] {
    update weight = stop(weight)
    return x * weight
  }
}
