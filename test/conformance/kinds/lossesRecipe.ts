import type { Config, KindTable, Tensors, Unsupported, Written } from "../written.ts";
import { body, declare } from "./recorded.ts";
import { num } from "./text.ts";

// The losses of the recipe. What is recorded per layer are all scores of four blocks; the functions take the scores of a slot, as maps.

const from = (...names: string[]): string => `import { ${names.join(", ")} } from "./pipelines/losses.ada"\n`;
export const shapeOf = (tensors: Tensors, name: string): readonly number[] => tensors[name]!.shape;

/** Numbers of the layers that inputs `input.<name>.<number>` are recorded for. */
export function layersOf(tensors: Tensors, name: string): number[] {
  const found = Object.keys(tensors).flatMap((t) => t.match(new RegExp(`^input\\.${name}\\.(\\d+)$`))?.[1] ?? []);
  return found.map(Number).sort((a, b) => a - b);
}
export const weightOf = (config: Config, layer: number): string => num((config.layer_weights as Record<string, number>)[layer] ?? 0);
/** A sum over layers, each with its weight; layers without one do not count. */
export function weighted(config: Config, layers: readonly number[], term: (layer: number) => string): string {
  const known = layers.filter((l) => (config.layer_weights as Record<string, number>)[l] !== undefined);
  return known.length === 0 ? "expand(0, [])" : known.map((l) => `${weightOf(config, l)} * ${term(l)}`).join(" + ");
}
const side = (pixels: number): number => Math.round(Math.sqrt(pixels));

/** `role kind head h w` from the scores of four blocks: summed over the tokens that index pairs of the first two blocks name. */
function blockScores(tensors: Tensors, name: string): string {
  const pixels = shapeOf(tensors, name)[2]!;
  const id = name.replace("input.", "").replaceAll(".", "_");
  const own = (role: number): string =>
    `sum(scores_at(${id}[batch: ${2 * role}..${2 * role + 2}], subj_b, subj_n, 2), over: slot) |> rename(instance: kind)`;
  return `stack([${own(0)}, ${own(1)}], axis: role) |> view(\`role kind head (h w) -> role kind head h w\`, h: ${side(pixels)})`;
}
const attention = (layer: number): string => `batch head pixel:px${layer} tokens`;

function promptDelta(config: Config, tensors: Tensors): Written {
  const name = tensors["input.static_embeddings"] ? "static_embeddings" : "prompt_embeddings";
  const layered = shapeOf(tensors, `input.${name}`).length === 4;
  const masked = tensors["input.prompt_emb_mask"] !== undefined;
  const axes = `block ${layered ? "layer " : ""}tokens width`;
  const made = declare(tensors, { [`input.${name}`]: axes, ...(masked ? { "input.prompt_emb_mask": "block tokens one" } : {}) });
  const rest = axes.slice("block ".length);
  const lines = [`let c = ${name} |> view(\`(role kind n) ${rest} -> role kind n ${rest}\`, role: 2, kind: 2)`];
  if (masked) lines.push("let m = prompt_emb_mask[one: 0] |> view(`(role kind n) tokens -> role kind n tokens`, role: 2, kind: 2)");
  const demean = Array.isArray(config.do_demeans) ? (config.do_demeans as boolean[])[0] : config.do_demean_first;
  const options = [
    ...(masked ? ["words: m[role: 0]"] : []),
    `ref_grad: ${num(config.cls_delta_grad_scale)}`,
    `power: ${num(config.exponent)}`,
    `demean_subject: ${demean === true}`,
  ];
  return body(made, from("prompt_delta"), lines, { y: `prompt_delta(c, ${options.join(", ")})` });
}

function complementary(config: Config, tensors: Tensors): Written | Unsupported {
  const margins = config.margins as Record<string, number>;
  if (Object.values(margins).some((m) => m !== 0.4) || config.do_sqrt_norm === true || config.fg_grad_scale !== 0.1)
    return { unsupported: "margins other than the recipe's" };
  const layers = layersOf(tensors, "attnscore");
  const bg = tensors["input.bg_b"] !== undefined;
  const weight = tensors["input.instance_mask"] ? "instance_mask" : "ones([batch])";
  const made = declare(tensors, {
    ...Object.fromEntries(layers.map((l) => [`input.attnscore.${l}`, attention(l)])),
    "input.subj_b": "k",
    "input.subj_n": "k",
    "input.fg_mask": "batch one hm wm",
    ...(bg ? { "input.bg_b": "kb", "input.bg_n": "kb" } : {}),
    ...(tensors["input.instance_mask"] ? { "input.instance_mask": "batch" } : {}),
  });
  const instances = config.block_size as number;
  const ratio = bg ? shapeOf(tensors, "input.subj_b")[0]! / shapeOf(tensors, "input.bg_b")[0]! : 1;
  const lines = layers.flatMap((l) => {
    const own = (which: string): string =>
      `sum(scores_at(attnscore_${l}, ${which}_b, ${which}_n, ${instances}), over: slot) |> view(\`instance head (h w) -> batch=instance head h w\`, h: ${side(shapeOf(tensors, `input.attnscore.${l}`)[2]!)})`;
    return [`let t${l} = mask_terms(${own("subj")}, ${bg ? own("bg") : "none"}, fg_mask[one: 0], ${weight}, ${num(ratio)})`];
  });
  const scales = config.scales as Record<string, number>;
  const term = (field: string, scale: number): string => `${num(scale)} * (${weighted(config, layers, (l) => `t${l}.${field}`)})`;
  return body(made, from("scores_at", "mask_terms"), lines, {
    complementary: term("complementary", 1),
    subj_mb_suppress: term("leak", scales.subj_mb_suppress!),
    bg_mf_suppress: term("intrusion", scales.bg_mf_suppress!),
    mask_contrast: term("contrast", scales.mask_contrast!),
  });
}

function crossLayer(config: Config, tensors: Tensors): Written {
  const layers = layersOf(tensors, "attnscore");
  const bg = tensors["input.bg_b"] !== undefined;
  const made = declare(tensors, {
    ...Object.fromEntries(layers.map((l) => [`input.attnscore.${l}`, attention(l)])),
    "input.subj_b": "k",
    "input.subj_n": "k",
    ...(bg ? { "input.bg_b": "kb", "input.bg_n": "kb" } : {}),
  });
  const below = config.layer_below as Record<string, number>;
  const own = (which: string, l: number): string =>
    `sum(mean(scores_at(attnscore_${l}, ${which}_b, ${which}_n, ${num(config.sub_batch_size)}), over: head), over: slot) |> view(\`instance (h w) -> n=instance h w\`, h: ${side(shapeOf(tensors, `input.attnscore.${l}`)[2]!)})`;
  const paired = layers.filter((l) => below[l] !== undefined && layers.includes(below[l]));
  const value = (which: string): string =>
    weighted(config, paired, (l) => `same_place(${own(which, l)}, ${own(which, below[l]!)} |> rename(h: hb, w: wb))`);
  return body(made, from("scores_at", "same_place"), [], { fg: value("subj"), bg: bg ? value("bg") : "expand(0, [])" });
}

function spatialWeight(config: Config, tensors: Tensors): Written {
  const made = declare(tensors, { "input.attn": "row head pixel" });
  const pixels = shapeOf(tensors, "input.attn")[2]!;
  const [to, by] = config.out_size as [number, number];
  return body(
    made,
    from("attention_map", "place_weight"),
    [
      `let score = attn |> view(\`(n slot) head (h w) -> n slot head h w\`, n: ${num(config.batch_size)}, h: ${side(pixels)})`,
      `let a = attention_map(sum(score, over: slot), ${to}, ${by})`,
    ],
    { weight: `place_weight(a, low: ${config.reversed === true}, eps: ${num(config.std_eps)})`, attn: "a" },
  );
}

function promptMix(config: Config, tensors: Tensors): Written | Unsupported {
  if (config.mix_feat_grad_scale !== 0.1 || config.mix_attn_grad_scale !== 0.05 || config.cosine_exponent !== 3)
    return { unsupported: "gradient scales other than the recipe's" };
  const layers = layersOf(tensors, "attnscore");
  const made = declare(tensors, {
    ...Object.fromEntries(
      layers.flatMap((l) => [
        [`input.outfeat.${l}`, `block c h2:oh${l} w2:ow${l}`],
        [`input.attnscore.${l}`, attention(l)],
      ]),
    ),
    "input.subj_b": "k",
    "input.subj_n": "k",
  });
  const pools = config.pooler_by_width as Record<string, [number, number]>;
  const lines = layers.map((l) => {
    const [pool, stride] = pools[shapeOf(tensors, `input.outfeat.${l}`)[3]!]!;
    const out = `outfeat_${l} |> view(\`(role kind) c h2 w2 -> role kind c h=h2 w=w2\`, role: 2)`;
    return `let t${l} = delta_terms(${blockScores(tensors, `input.attnscore.${l}`)}, ${out}, ${config.outfeat_layer_norm === true ? 1 : 0}, ${pool}, ${stride})`;
  });
  const term = (field: string): string => weighted(config, layers, (l) => `t${l}.${field}`);
  return body(made, from("scores_at", "delta_terms"), lines, {
    feat_delta_align: term("features"),
    subj_attn_delta_align: term("attention"),
    subj_attn_norm_distill: term("norm"),
  });
}

function elasticMatching(config: Config, tensors: Tensors): Written {
  const made = declare(tensors, { "input.ca_q": "block c p", "input.ca_outfeat": "block c p", "input.fg_mask": "one one2 p" });
  const blocks = (x: string): string => `view(${x}, \`(role kind) c p -> role kind c p\`, role: 2)`;
  const options = [
    `cutoff: ${num(config.fg_bg_cutoff_prob)}`,
    `query_grad: ${num(config.single_q_grad_scale)}`,
    `feature_grad: ${num(config.single_feat_grad_scale)}`,
    `mix_grad: ${num(config.mix_feat_grad_scale)}`,
  ];
  return body(
    made,
    from("elastic_matching"),
    [`let t = elastic_matching(${blocks("ca_q")}, ${blocks("ca_outfeat")}, fg_mask[one: 0, one2: 0], ${options.join(", ")})`],
    {
      map_align: "t.align",
      sc_ss_fg_match: "t.same",
      sc_mc_bg_match: "t.background",
      sc_below: "t.below[role: 0]",
      mc_below: "t.below[role: 1]",
    },
  );
}

function keepForeground(config: Config, tensors: Tensors): Written {
  const layers = layersOf(tensors, "q");
  const made = declare(tensors, {
    ...Object.fromEntries(
      layers.flatMap((l) => [
        [`input.q.${l}`, `batch head pixel:px${l} d`],
        [`input.outfeat.${l}`, `block c h2:oh${l} w2:ow${l}`],
        [`input.attnscore.${l}`, attention(l)],
      ]),
    ),
    "input.fg_mask": "block one hm wm",
    "input.subj_b": "k",
    "input.subj_n": "k",
  });
  const norms = config.normalize_q_and_outfeat === true;
  const lines = layers.flatMap((l) => {
    const pixels = shapeOf(tensors, `input.q.${l}`)[2]!;
    const own = (block: number): string => `scores_at(attnscore_${l}[batch: ${block}..${block + 1}], subj_b, subj_n, 1)[instance: 0]`;
    const scores = [0, 1, 2, 3].map((b) => `sum(${own(b)}, over: slot)`).join(", ");
    return [
      `let s${l} = stack([${scores}], axis: block) |> view(\`(role kind) head (h w) -> role kind head h w\`, role: 2, h: ${side(pixels)})`,
      `let q${l} = q_${l} |> view(\`(role kind) head (h w) d -> role kind head h w d\`, role: 2, h: ${side(pixels)})`,
      `let n${l} = ${norms ? `standardize(q${l}, over: [role, kind, h, w], ${num(config.batch_norm_eps)})` : `q${l}`}`,
      `let f${l} = outfeat_${l} |> view(\`(role kind) c h2 w2 -> role kind c h=h2 w=w2\`, role: 2)`,
      `let t${l} = keep_terms(s${l}, n${l}, f${l}, fg_mask[block: 0, one: 0], norms: ${norms})`,
    ];
  });
  const term = (field: string): string => weighted(config, layers, (l) => `t${l}.${field}`);
  const fields = {
    align: term("align"),
    same: term("same"),
    background: term("background"),
    leak: term("leak"),
    mix_leak: term("mix_leak"),
  };
  lines.push(
    `let t = { ${Object.entries(fields)
      .map(([k, v]) => `${k}: ${v}`)
      .join(", ")} }`,
  );
  return body(made, `import { standardize } from "std/nn.ada"\n${from("scores_at", "keep_terms", "keep_total")}`, lines, {
    map_align: "t.align",
    sc_ss_fg_match: "t.same",
    ms_mc_fg_match: "expand(0, [])",
    sc_mc_bg_match: "t.background",
    subj_bg_attn_suppress: "t.leak",
    mix_bg_attn_suppress: "t.mix_leak",
    total: "keep_total(t)",
  });
}

export const lossRecipeKinds: KindTable = {
  prompt_emb_delta_loss: promptDelta,
  readme_prompt_emb_delta_loss: promptDelta,
  readme_fg_bg_complementary_loss: complementary,
  readme_fg_bg_xlayer_consist_loss: crossLayer,
  readme_attn_to_spatial_weight: spatialWeight,
  readme_prompt_mix_loss: promptMix,
  readme_elastic_matching_loss: elasticMatching,
  readme_comp_fg_bg_preserve_loss: keepForeground,
};
