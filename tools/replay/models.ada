// What `npm run replay` compiles besides the shipped pipelines: the networks of the library, small, each forward and backward.
import { Linear, LayerNorm, GroupNorm, Conv, attention } from "std/nn.ada"
import { UNet, everywhere } from "models/unet.ada"
import { ClipText } from "models/clip.ada"
import { Vae } from "models/vae.ada"
import { mse, cross_entropy } from "std/losses.ada"
import { adamw, prodigy } from "std/optim.ada"

dataset pictures(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field subject: Int = subject
  field image: f32[c: 3, h: 16, w: 16] = load(file) |> resize_to(16) |> to_range(-1..1)
}
module Attend(heads: Int) {
  part norm = LayerNorm()
  part q    = Linear(width)
  part k    = Linear(width)
  part v    = Linear(width)
  forward(x: real[...b, tokens, width]) -> real[...b, tokens, width] {
    let y = norm(x)
    let q = q(y) |> view(`...b tokens (head d) -> ...b head tokens d`, head: heads)
    let k = k(y) |> rename(tokens: key) |> view(`...b key (head d) -> ...b head key d`, head: heads)
    let v = v(y) |> rename(tokens: key) |> view(`...b key (head d) -> ...b head key d`, head: heads)
    return x + (attention(q, k, v) |> view(`...b head tokens d -> ...b tokens width=(head d)`))
  }
}
module Small() {
  part stem   = Conv(32, 3, stride: 2)
  part norm   = GroupNorm(8)
  part attend = Attend(4)
  part out    = Linear(10)
  forward(x: real[...b, c: 3, h, w]) -> real[...b, who: 10] {
    let y = x |> stem |> norm |> view(`...b c h w -> ...b tokens=(h w) width=c`) |> attend
    return mean(y, over: tokens) |> out |> rename(width: who)
  }
}
model small = Small() trained
model unet  = UNet(32) trained
model vae   = Vae() frozen
model start = Conv(3, 1) trained

step name_it(face: pictures) { minimize cross_entropy(small(face.image), face.subject) }
step denoise(face: pictures) {
  let x = draw(normal, [batch, c: 4, h: 16, w: 16])
  let context = everywhere(draw(normal, [batch, tokens: 7, cw: 24]))
  minimize mse(unet(x, zeros([batch]), context), x)
}
step code(face: pictures) {
  let x = start(face.image)
  minimize mse(vae.decode(vae.encode(x)), x)
}
train naming {
  data face = pictures("pictures")
  batch 3  accumulate 2 by mean  micro_steps 8
  each step: name_it
  optimizer adamw(lr: 1e-3, weight_decay: 0.1)
  save every 2  log every 1  seed 7
}
train denoising {
  data face = pictures("pictures")
  batch 2  micro_steps 8
  each step: denoise
  optimizer prodigy(lr: 1)
  save every 2  log every 1  seed 7
}
train coding {
  data face = pictures("pictures")
  batch 1  micro_steps 8
  each step: code
  optimizer adamw(lr: 1e-3)
  save every 2  log every 1  seed 7
}
