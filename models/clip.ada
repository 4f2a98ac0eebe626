// CLIP ViT-L/14 text and vision towers, ViT-B/32 scoring, and the Arc2Face forward encoder.
// The text tower takes token EMBEDDINGS, so a caller may replace the rows of a slot before the pass; which hidden
// states it returns is the caller's choice (`mix`), and K/V may be multiplied per layer (`kv`).
import { Linear, Embedding, Conv, LayerNorm, attention, causal, quick_gelu, resize_bicubic } from "std/nn.ada"

/// Each token yields `kv` neighbouring keys and values; kv = 1 is ordinary CLIP attention.
module MultiKV(heads: Int, kv: Int = 1) {
  part q_proj   = Linear(width)
  part k_proj   = Linear(width * kv)
  part v_proj   = Linear(width * kv)
  part out_proj = Linear(width)
  forward(x: real[...b, tokens, width], mask: real[...m, tokens, key]? = none) -> real[...b, tokens, width] {
    let q = q_proj(x) |> view(`...b tokens (head d) -> ...b head tokens d`, head: heads)
    let k = k_proj(x) |> view(`...b tokens (kv head d) -> ...b head key=(tokens kv) d`, kv: kv, head: heads)
    let v = v_proj(x) |> view(`...b tokens (kv head d) -> ...b head key=(tokens kv) d`, kv: kv, head: heads)
    return attention(q, k, v, mask) |> view(`...b head tokens d -> ...b tokens width=(head d)`) |> out_proj
  }
}

module Layer(heads: Int, kv: Int = 1, inner: Int = 4) {
  part layer_norm1 = LayerNorm()
  part self_attn   = MultiKV(heads, kv)
  part layer_norm2 = LayerNorm()
  part mlp.fc1     = Linear(inner * width)
  part mlp.fc2     = Linear(width)
  forward(x: real[...b, tokens, width], mask: real[...m, tokens, key]? = none) -> real[...b, tokens, width] {
    let x = x + self_attn(layer_norm1(x), mask)
    return x + (layer_norm2(x) |> mlp.fc1 |> quick_gelu |> mlp.fc2)
  }
}

/// -inf where no query may look, for `copies` keys of each token.
fn hidden(keep: real[...m, key], copies: Int) -> real[...m, query: key, key: key * copies] {
  return expand(where(keep > 0, 0, -inf), [...m, query: key, key, copy: copies]) |> view(`...m query key copy -> ...m query key=(key copy)`)
}

/// `inner`: width of the feed-forward layers over that of the model.
module ClipText(width: Dim = 768, heads: Int = 12, kv: List<Int> = [for l in 0..12: 1], vocab: Dim = 49408, inner: Int = 4) {
  part embeddings.token_embedding    = Embedding(vocab, width)
  part embeddings.position_embedding = Embedding(77, width)
  part encoder.layers   = [for m in kv: Layer(heads, m, inner)]
  part final_layer_norm = LayerNorm()

  fn embed(p: Prompt[...b]) -> real[...b, tokens, width] { return embeddings.token_embedding(p.ids) }

  /// The embeddings with their positions, then what each layer makes of them. Tokens with `keep` 0 are read by none.
  fn states(x: real[...b, tokens, width], keep: real[...m, key: tokens]? = none) -> List<real[...b, tokens, width]> {
    let x    = x + (embeddings.position_embedding.weight[rows: 0..tokens] |> rename(rows: tokens))
    let mask = fn(copies: Int) => if has(keep) { hidden(keep, copies) + causal(tokens, copies) } else { causal(tokens, copies) }
    return scan(encoder.layers, x, fn(x, layer) => layer(x, mask(layer.kv)))
  }
  /// The last states are mixed with weights `mix` (the last weight belongs to the last layer), then normalised.
  forward(x: real[...b, tokens, width], mix: real[last] = [1]) -> real[...b, tokens, width] {
    return dot(stack(states(x)[-last..], axis: last), mix, over: last) |> final_layer_norm
  }
}

/// ViT; `focus` is a 0/1 map of patches (with a leading 1 for the class token) that ADDS 1 to logits between focused tokens.
module ClipVision(width: Dim = 1024, heads: Int = 16, depth: Int = 24, patch: Int = 14, side: Int = 224,
                  inner: Int = 4) {
  part patch_embedding = Conv(width, patch, stride: patch, pad: 0, biased: false)
  param class_embedding:    f32[width]
  param position_embedding: f32[tokens: (side / patch) ** 2 + 1, width]
  part pre_layrnorm   = LayerNorm()
  part encoder.layers = [for l in 0..depth: Layer(heads, inner: inner)]
  part post_layernorm = LayerNorm()
  /// The patches with their positions, then what each layer makes of them (no norm).
  fn states(x: real[...b, c: 3, h: side, w: side], focus: real[...b, tokens]? = none) -> List<real[...b, tokens, width]> {
    let y = patch_embedding(x) |> view(`...b c h w -> ...b tokens=(h w) width=c`)
    let y = concat([expand(class_embedding, [...b, tokens: 1, width]), y], axis: tokens) + position_embedding
    let m = if has(focus) { expand(rename(focus, tokens: query), [...b, query, key: tokens]) * rename(focus, tokens: key) } else { none }
    return scan(encoder.layers, pre_layrnorm(y), fn(y, layer) => layer(y, m))
  }
  /// The class token of a state, normalised.
  fn pooled(state: real[...b, tokens, width]) -> real[...b, width] { return post_layernorm(state[tokens: 0]) }
  /// [0] = the last layer's input, [1] = its output (no norm).
  forward(x: real[...b, c: 3, h: side, w: side], focus: real[...b, tokens]? = none) -> List<real[...b, tokens, width]> {
    return states(x, focus)[-2..]
  }
}

fn clip_normalize(x: real[...b, c: 3, h, w]) -> real[...b, c: 3, h, w] {
  return (x - stack([0.48145466, 0.4578275, 0.40821073], axis: c)) / stack([0.26862954, 0.26130258, 0.27577711], axis: c)
}

/// ViT-B/32 image and text features, unit length.
module ClipScore(out: Dim = 512) {
  part text_model      = ClipText(width: 512, heads: 8)
  part vision_model    = ClipVision(width: 768, heads: 12, depth: 12, patch: 32)
  part text_projection = Linear(out, biased: false)
  part visual_projection = Linear(out, biased: false)
  fn text(p: Prompt[...b]) -> real[...b, f: out] {
    let y = text_model(text_model.embed(p))
    return y[tokens: p.end] |> text_projection |> rename(width: f) |> unit(over: f)
  }
  fn image(x: real[...b, c: 3, h, w]) -> real[...b, f: out] {                       // x in -1..1
    let y = resize_bicubic((x + 1) / 2, 224, 224) |> clip_normalize |> vision_model
    return vision_model.pooled(y[1]) |> visual_projection |> rename(width: f) |> unit(over: f)
  }
}

prompt arc_template = "photo of a {id:1} person"

/// ArcFace identity -> context of the Arc2Face UNet; its rows 4..20 are the sixteen «core» vectors.
module Arc2FaceText() {
  part text_model = ClipText()
  forward(id: real[...b, id: 512], length: Int = 21) -> real[...b, tokens: length, width: 768] {
    let p = arc_template(length: length)
    let v = unit(id, over: id) |> pad(id: 0..256) |> rename(id: width)
    return expand(text_model.embed(p), [...b, tokens: length, width: 768]) |> put(tokens: p.id, v) |> text_model
  }
}

keys hf_text for ClipText under "text_model." { }
keys ldm_text for ClipText under "cond_stage_model.transformer.text_model." { }
keys hf_vision for ClipVision under "vision_model." {
  {patch_embedding,class_embedding,position_embedding} -> "embeddings.{patch_embedding,class_embedding,position_embedding.weight}"
}
