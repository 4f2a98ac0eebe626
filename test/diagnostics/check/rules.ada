import { Linear } from "std/nn.ada"

module Layer(deep: Bool = true) {
  part fc   = Linear(3)
  part more = Linear(3) when deep
  forward(x: real[...b, f]) -> real[...b, f: 3] { return if has(more) { more(x) } else { fc(x) } }
}
module Net() {
  part stem  = Linear(3)
  part layer = [for i in 0..2: Layer(deep: i > 0)]
  forward(x: real[...b, f: 3]) -> real[...b, f: 3] { return fold(layer, stem(x), fn(y, one) => one(y)) }
}
keys named for Net under "net." {
  layer[i].{fc,moer} -> "blocks.{i}.{0,1}"
  stern              -> "stem"
  **.weight          -> "w"
}
surgery widen for Net {
  stem.weigth        = 0
  layer[*].more.bias = 0
}
model net   = Net() from "net.safetensors" keys named frozen
model layer = Layer() from "layer.safetensors" keys named frozen

grammar photo {
  start  = "a " ("old "^0 | "new "^0) medum " of " place
  medium = "photo" | "painting"
  place  = [2] "the sea"
}
