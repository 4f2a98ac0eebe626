import type { Config, KindTable, Tensors, Written } from "../written.ts";
import { type Clip, clipText, model, numbers, textSettings } from "./networks.ts";
import { body, declare } from "./recorded.ts";
import { num } from "./text.ts";

// AdaFace's own networks: attention with several keys and values per token, the encoders of subject and background, Arc2Face's text pass.

const weights = "softmax(dot(q, k, over: d) * d ** -0.5 + mask, over: key)";
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
    { attn_output: "y", attn_weights: weights },
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
      attn_weights: weights,
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
  const embedded = `net(clip_features)${one ? "[layer: 0]" : ""}`;
  const head = model("face_encoder", `BackgroundEncoder(${settings})`, "adaface_background");
  return body(made, head, [], { bg_embs: embedded }, { evaluated: "random" });
}

function arc2faceText(config: Config, tensors: Tensors): Written {
  const c = config as unknown as Clip & { readonly id_token: number; readonly face_dim: number; readonly core_slice: readonly number[] };
  const [from, to] = c.core_slice;
  return body(
    declare(tensors, { "input.face_embs": `b id:${c.face_dim}`, "input.template_ids": "one:1 tokens" }),
    clipText(config),
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

interface Subject extends Clip {
  readonly attention_multipliers: readonly number[];
  readonly first_id_token: number;
  readonly num_id_vecs: number;
  readonly pad_begin: number;
}
const places = 77;
/** `x` with rows of `by`. */
const replaced = (x: string, by: string, from: number, to: number): string =>
  `concat([(${x})[tokens: 0..${from}], ${by}[tokens: ${from}..${to}], full[tokens: ${to}..${places}]], axis: tokens)`;
/** The slot's rows, and what would stand there, in proportion. */
const mixed = (scale: number): string => `${num(scale)} * slot + ${num(1 - scale)} * around`;

/**
 * The subject's encoder on a whole template. Afterwards `full` is what it makes, `slot` the subject's rows, `around` and `filler` what padding
 * has there and everywhere; `half` and `whole` have padding behind the slot, on half of the rows or on all but the last.
 */
function subject(
  c: Subject,
  tensors: Tensors,
  faces: string,
  given: Readonly<Record<string, string>>,
  filler: string,
  outGrad: number,
  fields: Readonly<Record<string, string>>,
): Written {
  const { first_id_token: first, num_id_vecs: slots, pad_begin: pad } = c;
  const settings = `kv: ${numbers(c.attention_multipliers)}, out_grad: ${num(outGrad)}, ${textSettings(c)}`;
  const made = declare(tensors, {
    [`input.${faces}`]: `b slot:${slots} width:${c.hidden_size}`,
    "input.template_ids": `b tokens:${places}`,
    ...given,
  });
  const lines = [
    `let x = net.prompt2token_proj.embeddings.token_embedding(template_ids) |> put(tokens: iota([slot: ${slots}]) + ${first}, ${faces})`,
    "let full = net.translate(x)",
    `let filler = ${filler}`,
    "let fill = expand(filler, like: full)",
    `let slot = full[tokens: ${first}..${first + slots}]`,
    `let around = expand(filler[tokens: ${first}..${first + slots}], like: slot)`,
    `let half = ${replaced("full", "fill", pad, pad + Math.floor((places - 1 - pad) / 2))}`,
    `let whole = ${replaced("full", "fill", pad, places - 1)}`,
  ];
  return body(made, model("face_encoder", `FaceEncoder(${settings})`, "adaface"), lines, fields);
}

/** The code of the specification: padding is what the encoder's own embeddings have for the padding token. */
function readmeSubject(config: Config, tensors: Tensors): Written {
  const c = config as unknown as Subject & {
    readonly num_out_layers: number;
    readonly out_id_embs_scale: number;
    readonly pad_token_id: number;
    readonly prompt2token_proj_grad_scale: number;
  };
  const embeddings = "net.prompt2token_proj.embeddings";
  const filler = `stop(${embeddings}.token_embedding.weight[rows: ${c.pad_token_id}] + rename(${embeddings}.position_embedding.weight, rows: tokens))`;
  const layers = (x: string): string => `expand(${x}, [b, layer: ${c.num_out_layers}, tokens: ${c.num_id_vecs}, width: ${c.hidden_size}])`;
  const { pad_begin: pad } = c;
  return subject(c, tensors, "arc2face_id_embs", {}, filler, c.prompt2token_proj_grad_scale, {
    subj_embs: layers("slot"),
    prompt_embs_full_pad: "whole",
    subj_embs_scaled: layers(mixed(c.out_id_embs_scale)),
    prompt_embs_full_half_pad: "half",
    full: "full",
    full_zeroed_extra: replaced(replaced("full", "fill", pad, pad + 2), "zeros_like(full)", pad + 2, places - 1),
    b_core_e: `concat([full[tokens: 0..${pad}], full[tokens: ${places - 1}..${places}]], axis: tokens)`,
    pad_embeddings: "filler",
  });
}

/** The later code: padding is an input. */
function laterSubject(config: Config, tensors: Tensors): Written {
  const c = config as unknown as Subject & {
    readonly out_id_embs_cfg_scale: number;
    readonly extra_outputs: Readonly<Record<string, { readonly out_id_embs_cfg_scale: number }>>;
  };
  const given = { "input.pad_embeddings": `tokens:${places} width:${c.hidden_size}` };
  return subject(c, tensors, "faceid2img_prompt_embs", given, "pad_embeddings", 1, {
    adaface_embs: mixed(c.out_id_embs_cfg_scale),
    full: "full",
    full_pad: "whole",
    full_half_pad: "half",
    ...Object.fromEntries(Object.entries(c.extra_outputs).map(([name, one]) => [name, mixed(one.out_id_embs_cfg_scale)])),
  });
}

/** Norms after the projections; with `q_aware_to_v` each group of queries has its own projection of the values. */
function crossAttention(config: Config, tensors: Tensors): Written {
  const c = config as Readonly<Record<string, number>>;
  const aware = config.q_aware_to_v === true;
  const groups = c.num_q! / c.v_repeat!;
  const [width, heads, rank] = [c.input_dim!, c.num_heads!, c.q_aware_to_v_lora_rank!];
  const isIdentity = (name: string): boolean => config[`identity_${name}`] === true;
  const projection = (name: string): string =>
    isIdentity(name) ? "" : `  part ${name} = [Linear(${width}, biased: false), LayerNorm()]\n`;
  const pass = (name: string, x: string): string => (isIdentity(name) ? x : `net.${name}[1](net.${name}[0](${x}))`);
  const values = aware
    ? `  part to_v.first = [Linear(${groups * rank}, biased: false), LayerNorm()]
  param to_v_each: f32[out: ${groups * width}, mid: ${rank}, one: 1]
  part to_v.last = LayerNorm()
`
    : projection("to_v");
  const places = aware ? '  to_v.first[i] -> "to_v.{i}"\n  to_v_each -> "to_v.3.weight"\n  to_v.last -> "to_v.5"\n' : "";
  const head = `import { Linear, LayerNorm } from "std/nn.ada"
module Cross() {
${projection("to_q")}${projection("to_k")}${values}${projection("to_out")}}
keys cross for Cross {
${places}${isIdentity("to_out") ? "" : '  to_out[i] -> "to_out.{2 * i}"\n'}}
model net = Cross() from "weights" keys cross trained
`;
  const skip = config.v_has_skip === true ? " + context" : "";
  const own = [
    `let mid = net.to_v.first[1](net.to_v.first[0](context)) |> view(\`b n (group mid) -> b n group mid\`, group: ${groups})`,
    `let each = net.to_v_each[one: 0] |> view(\`(group width) mid -> group width mid\`, group: ${groups})`,
    "let made = order(dot(mid, each, over: mid), [b, group, n, width]) |> net.to_v.last",
    `let all = expand(made${skip}, [b, group: ${groups}, n, width: ${width}, again: ${c.v_repeat}]) |> view(\`b group n (head d) again -> b head i=(again group) n d\`, head: ${heads})`,
    "let sums = dot(attn, all, over: n) |> view(`b head i d -> b i width=(head d)`)",
  ];
  const shared = [
    `let v = ${pass("to_v", "context")}${skip}`,
    `let sums = dot(attn, v |> ${split("n", "n", heads)}, over: n) |> view(\`b head i d -> b i width=(head d)\`)`,
  ];
  return body(
    declare(tensors, { "input.x": `b i width:${width}`, "input.context": `b n width:${width}` }),
    head,
    [
      `let q = ${pass("to_q", "x")} |> ${split("i", "i", heads)}`,
      `let k = ${pass("to_k", "context")} |> ${split("n", "n", heads)}`,
      "let attn = softmax(order(dot(q, k, over: d), [b, head, i, n]) * d ** -0.5, over: n)",
      ...(aware ? own : shared),
      `let y = ${pass("to_out", "sums")}`,
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
  readme_subj_basis_generator: readmeSubject,
  adaface_subj_basis_generator: laterSubject,
};
