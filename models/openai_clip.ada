// CLIP as first published (ViT-B/32 and its like): queries, keys and values of a layer are one matrix, features are products with one matrix
// each. Names are those of the original checkpoints.
import { Embedding, Conv, Linear, LayerNorm, attention, causal, quick_gelu } from "std/nn.ada"

module FusedAttention(heads: Int) {
  param in_proj_weight: f32[out: 3 * width, width] = draw(normal, [out: 3 * width, width]) / sqrt(width)
  param in_proj_bias:   f32[out: 3 * width] = 0
  part out_proj = Linear(width)
  forward(x: real[...b, tokens, width], mask: real[...m, tokens, key]? = none) -> real[...b, tokens, width] {
    let y    = dot(x, in_proj_weight, over: width) + in_proj_bias
    let (q, k, v) = split(y, axis: out, parts: 3)
    let head = fn(y: real[...b, tokens, out]) => y |> view(`...b tokens (head d) -> ...b head tokens d`, head: heads)
    return attention(head(q), rename(head(k), tokens: key), rename(head(v), tokens: key), mask)
        |> view(`...b head tokens d -> ...b tokens width=(head d)`) |> out_proj
  }
}

module Block(heads: Int) {
  part ln_1       = LayerNorm()
  part attn       = FusedAttention(heads)
  part ln_2       = LayerNorm()
  part mlp.c_fc   = Linear(4 * width)
  part mlp.c_proj = Linear(width)
  forward(x: real[...b, tokens, width], mask: real[...m, tokens, key]? = none) -> real[...b, tokens, width] {
    let x = x + attn(ln_1(x), mask)
    return x + (ln_2(x) |> mlp.c_fc |> quick_gelu |> mlp.c_proj)
  }
}

module Vision(width: Dim, depth: Int, patch: Int, side: Int, out: Dim) {
  part conv1 = Conv(width, patch, stride: patch, pad: 0, biased: false)
  param class_embedding:      f32[width]
  param positional_embedding: f32[tokens: (side / patch) ** 2 + 1, width]
  part ln_pre = LayerNorm()
  part transformer.resblocks = [for l in 0..depth: Block(floor(width / 64))]
  part ln_post = LayerNorm()
  param proj: f32[width, out]
  forward(x: real[...b, c: 3, h: side, w: side]) -> real[...b, f: out] {
    let y = conv1(x) |> view(`...b c h w -> ...b tokens=(h w) width=c`)
    let y = concat([expand(class_embedding, [...b, tokens: 1, width]), y], axis: tokens) + positional_embedding
    let y = fold(transformer.resblocks, ln_pre(y), fn(y, block) => block(y))
    return dot(ln_post(y[tokens: 0]), proj, over: width) |> rename(out: f)
  }
}

/// 64 numbers per head in both towers.
module OpenAiClip(out: Dim = 512, width: Dim = 512, depth: Int = 12, vocab: Dim = 49408, length: Dim = 77,
                  vision_width: Dim = 768, vision_depth: Int = 12, patch: Int = 32, side: Int = 224) {
  part visual = Vision(vision_width, vision_depth, patch, side, out)
  part token_embedding = Embedding(vocab, width)
  param positional_embedding: f32[tokens: length, width]
  part transformer.resblocks = [for l in 0..depth: Block(floor(width / 64))]
  part ln_final = LayerNorm()
  param text_projection: f32[width, out]
  param logit_scale:     f32 = ln(1 / 0.07)

  fn image(x: real[...b, c: 3, h: side, w: side]) -> real[...b, f: out] { return visual(x) }
  /// The features of a text are those of its end, the token with the largest number.
  fn text(ids: i32[...b, tokens: length]) -> real[...b, f: out] {
    let x = token_embedding(ids) |> rename(width: width)
    let y = fold(transformer.resblocks, x + positional_embedding, fn(y, block) => block(y, causal(length) |> rename(query: tokens)))
    return dot(ln_final(y)[tokens: argmax(ids, over: tokens)], text_projection, over: width) |> rename(out: f)
  }
  /// Cosine of each picture with each text, times the learned scale.
  fn logits(image: real[m, f: out], text: real[n, f: out]) -> real[m, n] {
    return exp(logit_scale) * dot(unit(image, over: f), unit(text, over: f), over: f)
  }
}

keys openai for OpenAiClip { }
