import type { Config, KindTable, Tensors, Written } from "../written.ts";
import { type Clip, model, numbers, textSettings } from "./networks.ts";
import { body, declare } from "./recorded.ts";
import { num } from "./text.ts";

// AdaFace's own networks: attention with several keys and values per token, the encoders of subject and background, Arc2Face's text pass.

const split = (axis: string, key: string, heads: number): string => `view(\`b ${axis} (head d) -> b head ${key} d\`, head: ${heads})`;
const splitKv = (kv: number, heads: number): string =>
  `view(\`b tokens (kv head d) -> b head key=(tokens kv) d\`, kv: ${kv}, head: ${heads})`;

function attentionMkv(config: Config, tensors: Tensors): Written {
  const [kv, heads] = [config.multiplier as number, config.num_attention_heads as number];
  const head = `import { MultiKV } from "models/clip.ada"
import { causal } from "std/nn.ada"
keys plain for MultiKV { }
model net = MultiKV(${heads}, ${kv}) from "weights" keys plain trained
`;
  return body(
    declare(tensors, { "input.hidden_states": "b tokens width" }),
    head,
    [
      `let mask = causal(tokens, ${kv}) |> rename(query: tokens)`,
      "let y = net(hidden_states, mask)",
      `let q = net.q_proj(hidden_states) |> ${split("tokens", "tokens", heads)}`,
      `let k = net.k_proj(hidden_states) |> ${splitKv(kv, heads)}`,
    ],
    { attn_output: "y", attn_weights: "softmax(dot(q, k, over: d) * d ** -0.5 + mask, over: key)" },
  );
}

/** A plain layer's weights repeated, noise added to the copies; then the layer with them. */
function extended(config: Config, tensors: Tensors): Written {
  const [kv, heads] = [config.multiplier as number, config.num_attention_heads as number];
  const width = config.hidden_size as number;
  const noisy = tensors["input.noise.k"] !== undefined;
  const head = `import { MultiKV } from "models/clip.ada"
import { widen_by, repeat_rows } from "models/face_encoder.ada"
import { causal, attention } from "std/nn.ada"
module One() {
  part self_attn = MultiKV(${heads})
  forward(x: real[...b, tokens, width], mask: real[...m, tokens, key]) -> real[...b, tokens, width] { return self_attn(x, mask) }
}
keys plain for One { }
model net = One() from "weights" keys plain frozen
fn drawn(n: real[more, width: ${width}]) -> real[copy: ${kv}, rows: ${width}, cin: ${width}] {
  return pad(n, more: ${width}..0) |> view(\`(copy rows) width -> copy rows cin=width\`, copy: ${kv})
}
`;
  const rows = (name: string): string => `rename(net.self_attn.${name}.weight, out: rows)`;
  const wide = (name: string, draw: string): string =>
    `widen_by(${rows(name)}, ${noisy ? `drawn(${draw})` : `zeros([copy: ${kv}, rows: ${width}, cin: ${width}])`}, ${num(config.noise_std)})`;
  const made = declare(tensors, {
    "input.hidden_states": "b tokens width",
    ...(noisy ? { "input.noise.v": `more width:${width}`, "input.noise.k": `more width:${width}` } : {}),
  });
  return body(
    made,
    head,
    [
      "let before = net(hidden_states, causal(tokens) |> rename(query: tokens))",
      "let x = rename(hidden_states, width: cin)",
      `let wk = ${wide("k_proj", "noise_k")}`,
      `let wv = ${wide("v_proj", "noise_v")}`,
      `let bk = repeat_rows(rename(net.self_attn.k_proj.bias, out: rows), times: ${kv})`,
      `let bv = repeat_rows(rename(net.self_attn.v_proj.bias, out: rows), times: ${kv})`,
      `let q = net.self_attn.q_proj(hidden_states) |> ${split("tokens", "tokens", heads)}`,
      `let k = rename(dot(x, wk, over: cin) + bk, rows: width) |> ${splitKv(kv, heads)}`,
      `let v = rename(dot(x, wv, over: cin) + bv, rows: width) |> ${splitKv(kv, heads)}`,
      `let mask = causal(tokens, ${kv}) |> rename(query: tokens)`,
      "let y = attention(q, k, v, mask) |> view(`b head tokens d -> b tokens width=(head d)`) |> net.self_attn.out_proj",
    ],
    {
      attn_output: "y",
      attn_weights: "softmax(dot(q, k, over: d) * d ** -0.5 + mask, over: key)",
      attn_output_before: "before",
      "extended.k_proj.weight": "wk",
      "extended.k_proj.bias": "bk",
      "extended.v_proj.weight": "wv",
      "extended.v_proj.bias": "bv",
      ...Object.fromEntries(
        ["q_proj", "out_proj"].flatMap((p) => ["weight", "bias"].map((w) => [`extended.${p}.${w}`, `net.self_attn.${p}.${w}`])),
      ),
    },
  );
}

function background(config: Config, layers: number, slots: number, tensors: Tensors): Written {
  const seen = config.num_in_vecs as number;
  const settings = `width: ${config.output_dim}, heads: ${config.num_heads}, seen: ${seen}, layers: ${layers}, slots: ${slots}`;
  const made = declare(tensors, { "input.clip_features": `b tokens:${seen} width` });
  const one = tensors["output.bg_embs"]!.shape.length === 3;
  const written = body(made, model("face_encoder", `BackgroundEncoder(${settings})`, "adaface_background"), [], {
    bg_embs: `net(clip_features)${one ? "[layer: 0]" : ""}`,
  });
  return { ...written, text: written.text.replace(") -> {", ") random -> {"), training: false };
}

function arc2faceText(config: Config, tensors: Tensors): Written {
  const c = config as unknown as Clip & { readonly id_token: number; readonly face_dim: number; readonly core_slice: readonly number[] };
  const [from, to] = c.core_slice;
  return body(
    declare(tensors, { "input.face_embs": `b id:${c.face_dim}`, "input.template_ids": "one:1 tokens" }),
    model("clip", `ClipText(${textSettings(c)}, kv: ${numbers(Array(c.num_hidden_layers).fill(1))})`, "hf_text"),
    [
      "let ids = template_ids[one: 0]",
      "let x = expand(net.embeddings.token_embedding(ids), [b, tokens, width])",
      `let v = unit(face_embs, over: id) |> pad(id: 0..${c.hidden_size - c.face_dim}) |> rename(id: width)`,
      `let here = expand(ids == ${c.id_token}, [b, tokens, width])`,
      "let y = net(where(here, expand(v, [b, tokens, width]), x))",
    ],
    { prompt_embeds: "y", core: `y[tokens: ${from}..${to}]` },
  );
}

/** The subject's encoder on a whole template: its outputs are its slot, and prompts with what stands behind it replaced. */
function subject(config: Config, tensors: Tensors, faces: string): Written {
  const c = config as unknown as Clip & Readonly<Record<string, number>> & { readonly attention_multipliers: readonly number[] };
  const [first, end] = [c.first_id_token!, c.first_id_token! + c.num_id_vecs!];
  const settings = `kv: ${numbers(c.attention_multipliers)}, out_grad: ${num(c.prompt2token_proj_grad_scale ?? 1)}, ${textSettings(c)}`;
  const made = declare(tensors, {
    [`input.${faces}`]: `b slot:${c.num_id_vecs} width:${c.hidden_size}`,
    "input.template_ids": "b tokens:77",
    ...(tensors["input.pad_embeddings"] ? { "input.pad_embeddings": `tokens:77 width:${c.hidden_size}` } : {}),
  });
  const pad = c.pad_begin!;
  const given = tensors["input.pad_embeddings"] !== undefined;
  const padding = given
    ? "let filler = pad_embeddings"
    : `let filler = stop(net.prompt2token_proj.embeddings.token_embedding.weight[rows: ${c.pad_token_id}] + rename(net.prompt2token_proj.embeddings.position_embedding.weight, rows: tokens))`;
  const lines = [
    `let x = net.prompt2token_proj.embeddings.token_embedding(template_ids) |> put(tokens: iota([slot: ${c.num_id_vecs}]) + ${first}, ${faces})`,
    "let full = net.translate(x)",
    padding,
    "let fill = expand(filler, like: full)",
    `let slot = full[tokens: ${first}..${end}]`,
    `let around = expand(filler[tokens: ${first}..${end}], like: slot)`,
    `let half = ${replaced("full", "fill", pad, halfEnd(pad))}`,
    `let whole = ${replaced("full", "fill", pad, 76)}`,
  ];
  const scaled = (a: number): string => `${num(a)} * slot + (1 - ${num(a)}) * around`;
  if (given) {
    const extra = c.extra_outputs as unknown as Readonly<Record<string, { readonly out_id_embs_cfg_scale: number }>>;
    return body(made, model("face_encoder", `FaceEncoder(${settings})`, "adaface"), lines, {
      adaface_embs: scaled(c.out_id_embs_cfg_scale!),
      full: "full",
      full_pad: "whole",
      full_half_pad: "half",
      ...Object.fromEntries(Object.entries(extra).map(([name, one]) => [name, scaled(one.out_id_embs_cfg_scale)])),
    });
  }
  return body(
    made,
    model("face_encoder", `FaceEncoder(${settings})`, "adaface"),
    [...lines, `let zeroed = ${replaced(replaced("full", "fill", pad, pad + 2), "zeros_like(full)", pad + 2, 76)}`],
    {
      subj_embs: `expand(slot, [b, layer: ${c.num_out_layers}, tokens: ${c.num_id_vecs}, width: ${c.hidden_size}])`,
      prompt_embs_full_pad: "whole",
      subj_embs_scaled: `expand(${scaled(c.out_id_embs_scale!)}, [b, layer: ${c.num_out_layers}, tokens: ${c.num_id_vecs}, width: ${c.hidden_size}])`,
      prompt_embs_full_half_pad: "half",
      full: "full",
      full_zeroed_extra: "zeroed",
      b_core_e: `concat([full[tokens: 0..${pad}], full[tokens: 76..77]], axis: tokens)`,
      pad_embeddings: "filler",
    },
  );
}
const replaced = (x: string, by: string, from: number, to: number): string =>
  `concat([(${x})[tokens: 0..${from}], ${by}[tokens: ${from}..${to}], full[tokens: ${to}..77]], axis: tokens)`;
/** Half of the rows behind the slot, but for the last. */
const halfEnd = (pad: number): number => pad + Math.floor((76 - pad) / 2);

/** Norms after the projections; with `q_aware_to_v` each group of queries has its own projection of the values. */
function crossAttention(config: Config, tensors: Tensors): Written {
  const c = config as Readonly<Record<string, number>>;
  const aware = config.q_aware_to_v === true;
  const groups = c.num_q! / c.v_repeat!;
  const [width, heads, rank] = [c.input_dim!, c.num_heads!, c.q_aware_to_v_lora_rank!];
  const projection = (axis: string, identity: unknown): string =>
    identity === true ? "" : `  part ${axis} = [Linear(${width}, biased: false), LayerNorm()]\n`;
  const pass = (axis: string, identity: unknown, x: string): string => (identity === true ? x : `net.${axis}[1](net.${axis}[0](${x}))`);
  const values = aware
    ? `  part to_v.first = [Linear(${groups * rank}, biased: false), LayerNorm()]
  param to_v_each: f32[out: ${groups * width}, mid: ${rank}, one: 1]
  part to_v.last = LayerNorm()
`
    : projection("to_v", config.identity_to_v);
  const head = `import { Linear, LayerNorm } from "std/nn.ada"
module Cross() {
${projection("to_q", config.identity_to_q)}${projection("to_k", config.identity_to_k)}${values}${
  config.identity_to_out === true ? "" : `  part to_out = [Linear(${width}, biased: false), LayerNorm()]\n`
}}
keys cross for Cross {
${aware ? '  to_v.first[i] -> "to_v.{i}"\n  to_v_each -> "to_v.3.weight"\n  to_v.last -> "to_v.5"\n' : ""}${
  config.identity_to_out === true ? "" : '  to_out[i] -> "to_out.{2 * i}"\n'
}}
model net = Cross() from "weights" keys cross trained
`;
  const own = [
    `let mid = net.to_v.first[1](net.to_v.first[0](context)) |> view(\`b n (group mid) -> b n group mid\`, group: ${groups})`,
    `let each = net.to_v_each[one: 0] |> view(\`(group width) mid -> group width mid\`, group: ${groups})`,
    "let v = order(dot(mid, each, over: mid), [b, group, n, width]) |> net.to_v.last",
    `let v = ${config.v_has_skip === true ? "v + context" : "v"}`,
    `let all = expand(v, [b, group: ${groups}, n, width: ${width}, again: ${c.v_repeat}]) |> view(\`b group n (head d) again -> b head i=(again group) n d\`, head: ${heads})`,
    "let sums = dot(attn, all, over: n) |> view(`b head i d -> b i width=(head d)`)",
  ];
  const shared = [
    `let v = ${pass("to_v", config.identity_to_v, "context")}${config.v_has_skip === true ? " + context" : ""}`,
    `let sums = dot(attn, v |> ${split("n", "n", heads)}, over: n) |> view(\`b head i d -> b i width=(head d)\`)`,
  ];
  return body(
    declare(tensors, { "input.x": `b i width:${width}`, "input.context": `b n width:${width}` }),
    head,
    [
      `let q = ${pass("to_q", config.identity_to_q, "x")} |> ${split("i", "i", heads)}`,
      `let k = ${pass("to_k", config.identity_to_k, "context")} |> ${split("n", "n", heads)}`,
      "let attn = softmax(order(dot(q, k, over: d), [b, head, i, n]) * d ** -0.5, over: n)",
      ...(aware ? own : shared),
      `let y = ${config.identity_to_out === true ? "sums" : "net.to_out[1](net.to_out[0](sums))"}`,
    ],
    {
      out: config.out_has_skip === true ? "y + sums" : "y",
      attn: "attn |> view(`b head i n -> bh=(b head) i n`)",
    },
  );
}

export const adafaceKinds: KindTable = {
  adaface_cross_attention: crossAttention,
  adaface_clip_attention_mkv: attentionMkv,
  readme_clip_attention_mkv_extend: extended,
  adaface_bg_basis_generator: (config, tensors) => background(config, 1, config.num_id_vecs as number, tensors),
  readme_bg_basis_generator: (config, tensors) =>
    background(config, config.num_out_layers as number, config.num_out_embs_per_layer as number, tensors),
  readme_arc2face_id_embs: arc2faceText,
  readme_subj_basis_generator: (config, tensors) => subject(config, tensors, "arc2face_id_embs"),
  adaface_subj_basis_generator: (config, tensors) => subject(config, tensors, "faceid2img_prompt_embs"),
};
