// Autoencoder of latent diffusion (factor 8). `keep` cuts attention between subject and background while encoding.
import { Conv, GroupNorm, silu, upsample as enlarged } from "std/nn.ada"

module VaeRes(out: Dim, groups: Int = 32) {
  part norm1 = GroupNorm(groups, eps: 1e-6)
  part conv1 = Conv(out, 3)
  part norm2 = GroupNorm(groups, eps: 1e-6)
  part conv2 = Conv(out, 3)
  part nin_shortcut = Conv(out, 1) when cin != out
  forward(x: real[...b, c: cin, h, w]) -> real[...b, c: out, h, w] {
    return (x |> norm1 |> silu |> conv1 |> norm2 |> silu |> conv2) + (if has(nin_shortcut) { nin_shortcut(x) } else { x })
  }
}

module VaeMid(out: Dim, groups: Int = 32) {
  part block_1     = VaeRes(out, groups)
  part attn_1.norm = GroupNorm(groups, eps: 1e-6)
  part attn_1.q    = Conv(out, 1)
  part attn_1.k    = Conv(out, 1)
  part attn_1.v    = Conv(out, 1)
  part attn_1.proj_out = Conv(out, 1)
  part block_2 = VaeRes(out, groups)
  /// `keep[query, key]` multiplies the probabilities after softmax, without renormalising (as the reference does).
  forward(x: real[...b, c: out, h, w], keep: real[...b, query: h * w, key: h * w]? = none) -> real[...b, c: out, h, w] {
    let x = block_1(x)
    let n = attn_1.norm(x)
    let q = attn_1.q(n) |> view(`...b c h w -> ...b query=(h w) c`)
    let k = attn_1.k(n) |> view(`...b c h w -> ...b key=(h w) c`)
    let v = attn_1.v(n) |> view(`...b c h w -> ...b key=(h w) c`)
    let p = softmax(dot(q, k, over: c) * out ** -0.5, over: key)
    let p = if has(keep) { p * keep } else { p }
    return block_2(x + (dot(p, v, over: key) |> view(`...b (h w) c -> ...b c h w`, h, w) |> attn_1.proj_out))
  }
}

module VaeDown(out: Dim, last: Bool, depth: Int = 2, groups: Int = 32) {
  part block = [for r in 0..depth: VaeRes(out, groups)]
  part downsample.conv = Conv(out, 3, stride: 2, pad: 0) when not last
  forward(x: real[...b, c: cin, h, w]) -> real[...b, c: out, h: if last { h } else { h / 2 }, w: if last { w } else { w / 2 }] {
    let y = fold(block, x, fn(y, r) => r(y))
    return if last { y } else { y |> pad(h: 0..1, w: 0..1) |> downsample.conv }             // right and bottom only
  }
}

module VaeUp(out: Dim, last: Bool, depth: Int = 2, groups: Int = 32) {
  part block = [for r in 0..depth + 1: VaeRes(out, groups)]
  part upsample.conv = Conv(out, 3) when not last
  forward(x: real[...b, c: cin, h, w]) -> real[...b, c: out, h: if last { h } else { 2 * h }, w: if last { w } else { 2 * w }] {
    let y = fold(block, x, fn(y, r) => r(y))
    return if last { y } else { y |> enlarged |> upsample.conv }
  }
}

/// Widths `mult` over the first; `down` is 2 for each level but the last: pixels per latent.
module Vae(width: Dim = 128, mult: List<Int> = [1, 2, 4, 4], z: Dim = 4, scale: Real = 0.18215, depth: Int = 2,
           groups: Int = 32, down: Dim = 8) {
  part encoder.conv_in  = Conv(width, 3)
  part encoder.down     = [for l in 0..length(mult): VaeDown(width * mult[l], last: l == length(mult) - 1, depth: depth, groups: groups)]
  part encoder.mid      = VaeMid(width * mult[-1], groups)
  part encoder.norm_out = GroupNorm(groups, eps: 1e-6)
  part encoder.conv_out = Conv(2 * z, 3)
  part quant_conv       = Conv(2 * z, 1)
  part post_quant_conv  = Conv(z, 1)
  part decoder.conv_in  = Conv(width * mult[-1], 3)
  part decoder.mid      = VaeMid(width * mult[-1], groups)
  part decoder.up       = [for l in 0..length(mult):  // run order
    VaeUp(width * mult[length(mult) - 1 - l], last: l == length(mult) - 1, depth: depth, groups: groups)]
  part decoder.norm_out = GroupNorm(groups, eps: 1e-6)
  part decoder.conv_out = Conv(3, 3)

  /// Image in -1..1 -> mean and log variance of its latent. `fg`, `valid`: 0/1 masks at latent size.
  fn moments(x: real[...b, c: 3, h, w], fg: real[...b, h: h / down, w: w / down]? = none,
             valid: real[...b, h: h / down, w: w / down]? = none)
      -> (real[...b, c: z, h: h / down, w: w / down], real[...b, c: z, h: h / down, w: w / down]) {
    let keep = if has(fg) { same_side(fg, valid) } else { none }
    let y    = fold(encoder.down, encoder.conv_in(x), fn(y, level) => level(y))
    let y    = encoder.mid(y, keep) |> encoder.norm_out |> silu |> encoder.conv_out |> quant_conv
    let (m, logvar) = split(y, axis: c, parts: 2)
    return (m, clamp(logvar, -30, 20))
  }
  /// Image in -1..1 -> scaled latent, sampled.
  fn encode(x: real[...b, c: 3, h, w], fg: real[...b, h: h / down, w: w / down]? = none,
            valid: real[...b, h: h / down, w: w / down]? = none) random -> real[...b, c: z, h: h / down, w: w / down] {
    let (m, logvar) = moments(x, fg, valid)
    return scale * (m + exp(0.5 * logvar) * draw(normal, like: m))
  }
  fn decode(x: real[...b, c: z, h, w]) -> real[...b, c: 3, h: down * h, w: down * w] {
    let y = post_quant_conv(x / scale) |> decoder.conv_in |> decoder.mid
    return fold(decoder.up, y, fn(y, level) => level(y)) |> decoder.norm_out |> silu |> decoder.conv_out
  }
}

/// 1 where query and key are both valid and on the same side of the mask.
fn same_side(fg: real[...b, h, w], valid: real[...b, h, w]) -> real[...b, query: h * w, key: h * w] {
  let side = fn(x: real[...b, h, w]) => expand(x |> view(`...b h w -> ...b query=(h w)`), [...b, query: h * w, key: h * w])
      * (x |> view(`...b h w -> ...b key=(h w)`))
  return side(fg * valid) + side((1 - fg) * valid)
}

keys ldm_vae for Vae under "first_stage_model." { decoder.up[l] -> "decoder.up.{length(mult) - 1 - l}" }
keys bare_vae for Vae { decoder.up[l] -> "decoder.up.{length(mult) - 1 - l}" }
keys diffusers_vae for Vae {
  encoder.down[l].block[b]             -> "encoder.down_blocks.{l}.resnets.{b}"
  encoder.down[l].downsample           -> "encoder.down_blocks.{l}.downsamplers.0"
  decoder.up[l].block[b]               -> "decoder.up_blocks.{l}.resnets.{b}"
  decoder.up[l].upsample               -> "decoder.up_blocks.{l}.upsamplers.0"
  encoder.norm_out                     -> "encoder.conv_norm_out"
  decoder.norm_out                     -> "decoder.conv_norm_out"
  encoder.mid.{block_1,block_2,attn_1} -> "encoder.mid_block.{resnets.0,resnets.1,attentions.0}"
  decoder.mid.{block_1,block_2,attn_1} -> "decoder.mid_block.{resnets.0,resnets.1,attentions.0}"
  **.nin_shortcut                      -> "conv_shortcut"
  **.attn_1.{norm,q,k,v,proj_out}      -> "{group_norm,to_q,to_k,to_v,to_out.0}"
  **.attn_1.{q,k,v,proj_out}.weight    -> "weight" as `o i 1 1 -> o i`
}
