// AdaFace's trained part: Arc2Face's identity vectors -> vectors in the prompt-token space of Stable Diffusion.
import { Linear, LayerNorm } from "std/nn.ada"
import { ClipText } from "./clip.ada"

prompt core_template = "photo of a {core:16}"

/// The inverse encoder is a CLIP text model read at the slot. `kv[l]` keys and values per token in layer l.
module FaceEncoder(kv: List<Int> = [for l in 0..12: 1], out_grad: Real = 1) {
  part prompt2token_proj = ClipText(kv: kv)
  param hidden_state_layer_weights: f32[last: 3] = [1, 2, 4]
  forward(core: real[...b, slot: 16, width: 768]) -> real[...b, slot: 16, width: 768] {
    let p = core_template(length: 20)                      // causal: rows after the slot cannot change it
    let x = expand(prompt2token_proj.embed(p), [...b, tokens: 20, width: 768]) |> put(tokens: p.core, core)
    let w = hidden_state_layer_weights |> grad_scale(5)
    return prompt2token_proj(x, mix: w / sum(w))[tokens: p.core] |> grad_scale(out_grad)
  }
}

/// CLIP vision features of the background -> four vectors for each of the sixteen cross-attention layers.
module BackgroundEncoder(width: Dim = 768, heads: Int = 6) {
  part bg_proj_in = [Linear(width, biased: false), LayerNorm()]
  param pos_embs: f32[tokens: 257, width] = draw(normal, [tokens: 257, width])
  part pos_embs_ln = LayerNorm()
  param latent_queries: f32[query: 64, width] = draw(normal, [query: 64, width])
  part latent_queries_ln      = LayerNorm()
  part prompt_translator.to_q = [Linear(width, biased: false), LayerNorm()]
  part prompt_translator.to_k = [Linear(width, biased: false), LayerNorm()]
  part prompt_translator.to_v = [Linear(width, biased: false), LayerNorm()]
  forward(x: real[...b, tokens: 257, width: 1024]) random -> real[...b, layer: 16, slot: 4, width] {
    let chain = fn(x, layers) => fold(layers, x, fn(y, layer) => layer(y))
    let x     = chain(x, bg_proj_in) + pos_embs_ln(pos_embs)
    let q     = chain(latent_queries_ln(latent_queries), prompt_translator.to_q) |> view(`query (head d) -> head query d`, head: heads)
    let k     = chain(x, prompt_translator.to_k) |> view(`...b tokens (head d) -> ...b head tokens d`, head: heads)
    let v     = (chain(x, prompt_translator.to_v) + x) |> view(`...b tokens (head d) -> ...b head tokens d`, head: heads)
    let p     = softmax(order(dot(q, k, over: d), [...b, head, query, tokens]) * d ** -0.5, over: tokens)
    let p     = if training { dropout(p, 0.05) } else { p }
    return width ** -0.5 * (dot(p, v, over: tokens) |> view(`...b head (layer slot) d -> ...b layer slot width=(head d)`, slot: 4))
  }
}

/// Weight rows repeated so that `times` of them fill the larger parameter; only the copies get noise.
/// `times` is solved from the file's shape and the module's; 4 -> 2 has no solution and is reported as such.
fn widen(old: f32[rows, cin], times: Dim, noise: Real = 0.1) random -> f32[rows: rows * times, cin] {
  let all   = expand(old, [copy: times, rows, cin])
  let first = expand(iota([copy: times]) == 0, [copy: times, rows, cin])
  let std   = noise * mean(std(old, over: cin))
  return where(first, all, all + std * draw(normal, like: all)) |> view(`copy rows cin -> rows=(copy rows) cin`)
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
keys clip_start for FaceEncoder { prompt2token_proj -> "text_model"  hidden_state_layer_weights -> "" }  // "": not in the file, keeps its initial value

test "multiplying K and V without noise changes nothing" {
  let a = fresh(FaceEncoder(), seed: 1)
  let b = fresh(FaceEncoder(kv: [for l in 0..12: 4]), from: a, surgery: widen_kv(noise: 0))
  let x = draw(normal, [slot: 16, width: 768])
  expect near(a(x), b(x), 1e-5)
}
