// What every AdaFace program shares: the models, how an identity becomes a context, how contexts are mixed.
import { with_noise, merge_rows, share_row, mixed_context, own_share } from "./training.ada"
import { UNet, Context, everywhere, ldm_unet, diffusers_unet } from "models/unet.ada"
import { Vae, bare_vae } from "models/vae.ada"
import { resize_bicubic } from "std/nn.ada"
import { ClipText, ClipVision, ClipScore, Arc2FaceText, clip_normalize, ldm_text, hf_vision } from "models/clip.ada"
import { IResNet, insightface } from "models/iresnet.ada"
import { FaceEncoder, BackgroundEncoder, clip_start } from "models/face_encoder.ada"

precision { frozen: f16, trained: f32, compute: f16, accumulate: f32, keep: { f32: [norm, softmax, loss] } }

model unet    = UNet()         from "weights/v1-5-dste8-vae.safetensors" keys ldm_unet frozen
model text    = ClipText()     from "weights/v1-5-dste8-vae.safetensors" keys ldm_text frozen
model vae     = Vae()          from "weights/vae-ft-mse-840000.safetensors" keys bare_vae frozen
model arc     = UNet()         from "weights/arc2face/unet.safetensors" keys diffusers_unet frozen
model arctext = Arc2FaceText() from "weights/arc2face/encoder.safetensors" frozen
model arcface = IResNet()      from "weights/arc2face/arcface.onnx" keys insightface frozen
model vision  = ClipVision()   from "weights/clip-vit-l14.safetensors" keys hf_vision frozen
model scorer  = ClipScore()    from "weights/clip-vit-b32.safetensors" frozen
model encoder = FaceEncoder()  from "weights/clip-vit-l14.safetensors" keys clip_start trained
model place   = BackgroundEncoder() trained

const max_chain = 7                     // longest teacher chain; stage 2 sets 3
const clip_skip = [1, 2, 2]             // Dirichlet weights over the last three hidden states

// The twelve cross-attention layers the losses watch (down[2][0..2], mid, up[1..4][*]): weights, map sizes, neighbours.
const weights = [0.5, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
const sides   = [16, 16, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]
const pairs   = [for (i, w) in enumerate([0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]): { of: i + 1, to: i, w: w }]

/// Score of a slot in a watched layer, as a map.
fn looks(score: real[...b, head, pixel, key], at: i32[...b, slot], side: Int) -> real[...b, head, h: side, w: side] {
  return sum(score[key: at], over: slot) |> view(`...b head (h w) -> ...b head h w`, h: side)
}

/// Relative Gaussian noise of strength `std`; with `keep_norm` every row keeps its length.
fn add_noise(x: real[...b, width], std: real[...s], keep_norm: Bool = false) random -> real[...b, width] {
  return with_noise(x, draw(normal, like: x), std, keep_norm)
}

fn identity(crop: real[...b, c: 3, h: 112, w: 112]) -> real[...b, id: 512] { return unit(arcface(crop), over: id) }
fn core(id: real[...b, id: 512]) -> real[...b, slot: 16, width: 768] { return arctext(id)[tokens: 4..20] |> rename(tokens: slot) }
fn teacher_context(id: real[...b, id: 512]) -> Context { return everywhere(arctext(id)) }
fn jittered_id(id: real[...b, id: 512], std: Real) random -> real[...b, id: 512] {
  return unit(add_noise(id, std * mean(std(id, over: id)), keep_norm: true), over: id)
}

/// One coin and one strength for each vector of a slot, but fresh noise for each layer.
fn jitter(v: real[...b, layer: 16, slot, width], p: Real) random -> real[...b, layer: 16, slot, width] {
  let strength = draw(coin(p), [slot]) * draw(uniform(0.02..0.04), [slot])
  return add_noise(v, strength * mean(std(v, over: width), over: [...b, layer]))
}

/// Hidden-state weights of one conditioning call.
fn skip_weights() random -> real[last: 3] { return draw(dirichlet(clip_skip), [last: 3]) }

/// Prompts -> what each cross-attention layer reads. Slots the prompts do not have take no vectors: `p`'s type says which.
fn encode(p: Prompt[...b], mix: real[last], face: real[...b, layer: 16, slot: 16, width: 768]? = none,
          bg: real[...b, layer: 16, slot: 4, width: 768]? = none)
    -> real[...b, layer: 16, tokens: 77, width: 768] {
  let x = expand(text.embed(p), [...b, layer: 16, tokens, width: 768])
  let x = if has(face) { put(x, tokens: p.face, face) } else { x }
  let x = if has(bg) { put(x, tokens: p.bg, bg) } else { x }
  return text(x, mix: mix)
}
fn per_layer(v: real[...b, slot, width]) -> real[...b, layer: 16, slot, width] { return expand(v, [...b, layer: 16, slot, width]) }

/// CLIP features without the mean grey image, inside `keep`. (compat fixed: a bias of +1 between kept patches, as trained.)
fn background(image: real[...b, c: 3, h, w], keep: real[...b, h, w]) -> real[...b, tokens: 257, width: 1024] {
  let a = concat([ones([...b, tokens: 1]), resize_nearest(keep, 16, 16) |> view(`...b h w -> ...b tokens=(h w)`)], axis: tokens)
  let x = resize_bicubic((image + 1) / 2, 224, 224) |> clip_normalize
  return (vision(x, focus: a)[0] - vision(zeros_like(x))[0]) * a
}

/// Class words become ONE row (the last word weighs 2, squared); what follows moves left; the last row stays.
fn merge_words(c: real[...b, layer, tokens, width], at: i32[...b], words: i32[...b]) -> real[...b, layer, tokens, width] {
  let j      = expand(iota([word: 4]), [...b, word])
  let weight = where(j < words - 1, 1, where(j == words - 1, 4, 0)) / (words + 3)
  return merge_rows(c, expand(at, [...b, layer]), expand(words, [...b, layer]), expand(weight, [...b, layer, word]))
}
/// The row at the first position, shared out over all positions of the slot.
fn share_slot(c: real[...b, layer, tokens, width], at: i32[...b, slot]) -> real[...b, layer, tokens, width] {
  return share_row(c, expand(at, [...b, layer, slot]))
}

/// Teacher contexts of §3.7: the class prompt with a little of the subject; deeper layers and smaller t take more.
/// Result: role 0 reads the subject's own context, role 1 the mix; K and V are mixed differently.
fn mixed_contexts(s: real[...b, layer: 16, tokens, width], c: real[...b, layer: 16, tokens, width], at: i32[...b, slot], t: i32[...b],
                  trust: Real) -> Context {
  let slots = put(zeros([...b, tokens]), tokens: at, 1)
  let own   = own_share(t / 1000, 16, 4, trust)
  let mix   = fn(last: Real) => stack([s, mixed_context(s, c, slots, own, 4, 1, last)], axis: role)
  return { k: mix(0.8), v: mix(0.7) }
}
