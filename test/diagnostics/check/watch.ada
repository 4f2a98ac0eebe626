import { Linear } from "std/nn.ada"

module Score(heads: Int) {
  part fc = Linear(12)
  forward(x: real[...b, pixel, c]) -> real[...b, pixel, c: 12] {
    let q = fc(x) |> view(`...b pixel (head d) -> ...b head pixel d`, head: heads)
    tap score = dot(q, rename(q, pixel: key), over: d)
    return fc(x)
  }
}
module Layer(heads: Int = 3, scored: Bool = true) {
  part cross = Score(heads) when scored
  part fc    = Linear(12)
  part last  = Linear(12)
  forward(x: real[...b, pixel, c]) -> real[...b, pixel, c: 12] {
    let y = fc(x)
    tap out = y
    return if has(cross) { cross(y) } else { last(y) }
  }
}
module Net() {
  part down = [for l in 0..3: [Layer(3), Layer(4, scored: l < 2)]]
  part mid  = Layer(6)
  forward(x: real[...b, pixel, c: 12]) -> real[...b, pixel, c: 12] { return fold(flatten(down), x, fn(y, block) => block(y)) |> mid }
}
model net = Net() trained

dataset pictures(root: Path) {
  source folder(root, files: "*.png")
  field image: f32[pixel: 9, c: 12] = load(file)
}
fn attention(score: real[...b, head, pixel, key], side: Int) -> real[...b, h: side, w: side] {
  return mean(score, over: [head, key]) |> view(`...b (h w) -> ...b h w`, h: side, w: side)
}
step learn(face: pictures) {
  let run = net(face.image) watch { down[0..2][*], mid as layers }
  minimize mean(run.value) + sum([for a in run.layers: mean(a.out[c: 0])])
  minimize sum([for (a, side) in zip(run.layers, [3, 3, 3, 3, 3]): mean(attention(a.cross.score, side))])
  minimize mean(run.layers[0].cross.scores)
  minimize mean(run.layers[0].cross.score[slot: 0])
  minimize mean(run.layers[0].cross.score + face.image)
  minimize mean(run.layers[5].out)
  minimize sum([for (a, w) in zip(run.layers, [1, 2, 3]): w * mean(a.out)])
}
step absent(face: pictures) {
  let run = net(face.image) watch { down[2][*] as layers }
  minimize mean(run.layers[0].cross.score) + mean(run.layers[1].cross.score)
}
step wrong_paths(face: pictures) {
  let a = net(face.image) watch { down[3], up as layers }
  let b = net(face.image) watch { mid[0] as layers }
  let c = mean(face.image) watch { mid as layers }
  let d = net watch { mid as layers }
}
