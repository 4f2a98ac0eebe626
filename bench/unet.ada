// One training step's worth of Stable Diffusion 1.5's UNet: the loss of which `bench/compileTime.ts` compiles all gradients.
import { UNet } from "../models/unet.ada"

model unet = UNet() trained

fn loss(x: real[batch, c: 4, h, w], t: real[batch], k: real[batch, layer: 16, tokens, cw], noise: real[batch, c: 4, h, w]) -> real {
  return mean((unet(x, t, { k: k, v: k }) - noise) ** 2)
}
