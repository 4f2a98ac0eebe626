// AdaFace's trained part: Arc2Face's identity vectors -> vectors in the prompt-token space of Stable Diffusion.
import { Linear, LayerNorm } from "std/nn.ada"
import { ClipText } from "./clip.ada"

prompt core_template = "photo of a {core:16}"

/// The inverse encoder is a CLIP text model read at the slot. `kv[l]` keys and values per token in layer l.
module FaceEncoder(kv: List<Int> = [for l in 0..12: 1], out_grad: Real = 1, width: Dim = 768, heads: Int = 12, vocab: Dim = 49408,
                   inner: Int = 4) {
  part prompt2token_proj = ClipText(width, heads, kv, vocab, inner)
  param hidden_state_layer_weights: f32[last: 3] = [1, 2, 4]
  /// Token embeddings of a whole template, its slot filled -> what they become.
  fn translate(x: real[...b, tokens, width]) -> real[...b, tokens, width] {
    let w = hidden_state_layer_weights |> grad_scale(5)
    return prompt2token_proj(x, mix: w / sum(w)) |> grad_scale(out_grad)
  }
  forward(core: real[...b, slot: 16, width]) -> real[...b, slot: 16, width] {
    let p = core_template(length: 20)                      // causal: rows after the slot cannot change it
    let x = expand(prompt2token_proj.embed(p), [...b, tokens: 20, width]) |> put(tokens: p.core, core)
    return translate(x)[tokens: p.core]
  }
}

/// CLIP vision features of the background -> `slots` vectors for each of the cross-attention `layers`.
module BackgroundEncoder(width: Dim = 768, heads: Int = 6, seen: Dim = 257, layers: Dim = 16, slots: Dim = 4) {
  part bg_proj_in = [Linear(width, biased: false), LayerNorm()]
  param pos_embs: f32[tokens: seen, width] = draw(normal, [tokens: seen, width])
  part pos_embs_ln = LayerNorm()
  param latent_queries: f32[query: layers * slots, width] = draw(normal, [query: layers * slots, width])
  part latent_queries_ln      = LayerNorm()
  part prompt_translator.to_q = [Linear(width, biased: false), LayerNorm()]
  part prompt_translator.to_k = [Linear(width, biased: false), LayerNorm()]
  part prompt_translator.to_v = [Linear(width, biased: false), LayerNorm()]
  forward(x: real[...b, tokens: seen, width: features]) random -> real[...b, layer: layers, slot: slots, width] {
    let chain = fn(x, layers) => fold(layers, x, fn(y, layer) => layer(y))
    let x     = chain(x, bg_proj_in) + pos_embs_ln(pos_embs)
    let q     = chain(latent_queries_ln(latent_queries), prompt_translator.to_q) |> view(`query (head d) -> head query d`, head: heads)
    let k     = chain(x, prompt_translator.to_k) |> view(`...b tokens (head d) -> ...b head tokens d`, head: heads)
    let v     = (chain(x, prompt_translator.to_v) + x) |> view(`...b tokens (head d) -> ...b head tokens d`, head: heads)
    let p     = softmax(order(dot(q, k, over: d), [...b, head, query, tokens]) * d ** -0.5, over: tokens)
    let p     = if training { dropout(p, 0.05) } else { p }
    return width ** -0.5 * (dot(p, v, over: tokens) |> view(`...b head (layer slot) d -> ...b layer slot width=(head d)`, slot: slots))
  }
}

/// Weight rows repeated so that `times` of them fill the larger parameter; only the copies get noise.
/// `times` is solved from the file's shape and the module's; 4 -> 2 has no solution and is reported as such.
fn widen(old: f32[rows, cin], times: Dim, noise: Real = 0.1) random -> f32[rows: rows * times, cin] {
  return widen_by(old, draw(normal, [copy: times, rows, cin]), noise)
}
fn widen_by(old: f32[rows, cin], drawn: real[copy: times, rows, cin], noise: Real) -> f32[rows: rows * times, cin] {
  let all   = expand(old, [copy: times, rows, cin])
  let first = expand(iota([copy: times]) == 0, [copy: times, rows, cin])
  let std   = noise * mean(std(old, over: cin))
  return where(first, all, all + std * drawn) |> view(`copy rows cin -> rows=(copy rows) cin`)
}
fn repeat_rows(old: f32[rows], times: Dim) -> f32[rows: rows * times] {
  return expand(old, [copy: times, rows]) |> view(`copy rows -> rows=(copy rows)`)
}

surgery widen_kv(noise: Real = 0.1) for FaceEncoder {
  prompt2token_proj.encoder.layers[*].self_attn.{k_proj,v_proj}.weight = widen(noise: noise)
  prompt2token_proj.encoder.layers[*].self_attn.{k_proj,v_proj}.bias   = repeat_rows()
}

keys adaface for FaceEncoder {
  prompt2token_proj -> "prompt2token_proj.text_model"  hidden_state_layer_weights -> "hidden_state_layer_weights" as `last -> last 1`
}
keys adaface_background for BackgroundEncoder {
  pos_embs       -> "pos_embs" as `tokens width -> 1 tokens width`
  latent_queries -> "latent_queries" as `query width -> 1 query width`
}
keys clip_start for FaceEncoder { prompt2token_proj -> "text_model"  hidden_state_layer_weights -> "" }  // "": not in the file, keeps its initial value

test "multiplying K and V without noise changes nothing" {
  let a = fresh(FaceEncoder(), seed: 1)
  let b = fresh(FaceEncoder(kv: [for l in 0..12: 4]), from: a, surgery: widen_kv(noise: 0))
  let x = draw(normal, [slot: 16, width: 768])
  expect near(a(x), b(x), 1e-5)
}
