import type { Config, KindTable, Tensors, Unsupported, Written } from "../written.ts";
import { layersOf, shapeOf, weighted } from "./lossesRecipe.ts";
import { body, declare } from "./recorded.ts";
import { num } from "./text.ts";

// Losses in the form of July 2025, and the operators on flows that one of them is made of.

const later = (...names: string[]): string => `import { ${names.join(", ")} } from "./pipelines/losses_later.ada"\n`;
const image = (...names: string[]): string => `import { ${names.join(", ")} } from "std/image.ada"\n`;
const side = (pixels: number): number => Math.round(Math.sqrt(pixels));

/** Recorded per layer: `names` under their axes, then what is shared by all layers. */
function perLayer(
  tensors: Tensors,
  names: Readonly<Record<string, (layer: number) => string>>,
  shared: Readonly<Record<string, string>>,
): { readonly layers: number[]; readonly made: ReturnType<typeof declare> } {
  const layers = layersOf(tensors, Object.keys(names)[0]!);
  const each = layers.flatMap((l) => Object.entries(names).map(([name, axes]): [string, string] => [`input.${name}.${l}`, axes(l)]));
  return { layers, made: declare(tensors, { ...Object.fromEntries(each), ...shared }) };
}
const attention = (l: number): string => `block:4 head:head${l} pixel:px${l} tokens`;
const pairs = { "input.subj_b": "k", "input.subj_n": "k" };

function attentionNorm(config: Config, tensors: Tensors): Written {
  const { layers, made } = perLayer(tensors, { attn: attention }, pairs);
  const options = `per_block: ${num(config.block_size)}, class_grad: ${num(config.cls_grad_scale)}`;
  const value = weighted(config, layers, (l) => `attention_norm(attn_${l}, subj_b, subj_n, ${options})`);
  return body(made, later("attention_norm"), [], { y: value });
}

function acrossTimes(config: Config, tensors: Tensors): Written {
  const { layers, made } = perLayer(tensors, { attn: attention, future: attention }, pairs);
  const value = weighted(config, layers, (l) => `attention_across_times(attn_${l}, future_${l}, subj_n)`);
  return body(made, later("attention_across_times"), [], { y: `${num(config.layer_scale)} * (${value})` });
}

function behind(config: Config, tensors: Tensors): Written | Unsupported {
  if (config.block_size !== 1) return { unsupported: "blocks of several instances" };
  const { layers, made } = perLayer(tensors, { attn: attention }, { ...pairs, "input.fg_mask": "one:1 one2:1 hm wm" });
  const value = weighted(config, layers, (l) => {
    const s = side(shapeOf(tensors, `input.attn.${l}`)[2]!);
    const fg = `where(resize_mask(fg_mask[one: 0, one2: 0], ${s}, ${s}) > ${num(config.mask_threshold)}, 1, 0)`;
    const maps = `view(attn_${l}, \`block head (h w) tokens -> block head h w tokens\`, h: ${s})`;
    return `attention_behind(${maps}, subj_n, ${fg}, tolerance: ${num(config.bg_attn_tolerance)})`;
  });
  return body(made, `import { resize_mask } from "std/masks.ada"\n${later("attention_behind")}`, [], { y: value });
}

function repeated(config: Config, tensors: Tensors): Written {
  const rows = (l: number): string => `block:4 c:c${l} tokens`;
  const { layers, made } = perLayer(
    tensors,
    { attn: attention, k: rows, v: rows },
    { ...pairs, "input.prompt_emb_mask": "block:4 tokens one:1", "input.prompt_pad_mask": "block:4 tokens one:1" },
  );
  const scale = (config.attn_scale_per_token as number) * shapeOf(tensors, `input.attn.${layers[0]}`)[3]!;
  const seen = "(prompt_emb_mask + prompt_pad_mask)[block: 1, one: 0]";
  const on = (config.sc_fg_mask_percent as number) >= (config.fg_threshold as number) ? 1 : 0;
  const lines = layers.map((l) => `let t${l} = repeated_terms(attn_${l}, k_${l}, v_${l}, subj_n, ${seen}, ${num(scale)})`);
  const term = (field: string): string => `${on} * (${weighted(config, layers, (l) => `t${l}.${field}`)})`;
  return body(made, later("repeated_terms"), lines, {
    subj_attn: term("attention"),
    subj_k: term("subject_k"),
    nonsubj_k: term("other_k"),
    subj_v: term("subject_v"),
    nonsubj_v: term("other_v"),
  });
}

function elasticFlow(config: Config, tensors: Tensors): Written | Unsupported {
  if (config.sc_face_shrink_ratio_for_bg_matching_mask !== 1) return { unsupported: "faces shrunk for the background's mask" };
  const [h, w] = [config.H as number, config.W as number];
  const made = declare(tensors, {
    "input.q": "block:4 c p",
    "input.attn_out": "block:4 c:c_attn p",
    "input.outfeat": "block:4 c:c_out p",
    "input.flow_ss2sc": `n:1 xy:2 h:${h} w:${w}`,
    "input.flow_mc2sc": `n:1 xy:2 h:${h} w:${w}`,
    "input.ss_boxes": "n:1 corner:4",
    "input.sc_boxes": "n:1 corner:4",
  });
  const thresholds = config.small_motion_ignore_thres as Record<string, number>;
  const limits = config.recon_scaled_loss_threses as Record<string, number>;
  const factors = config.token_loss_factors as Record<string, number[]>;
  const pair: Readonly<Record<string, (x: string) => string>> = {
    ssfg: (x) => `face_pair(map_${x}, ss_boxes[n: 0], sc_boxes[n: 0])`,
    mc: (x) => `around_pair(map_${x}, around, ${num(config.mask_eps)})`,
  };
  const flows: Readonly<Record<string, string>> = { ssfg: "flow_ss2sc", mc: "flow_mc2sc" };
  const features = ["attn_out", "outfeat"];
  const lines = [
    `let around = around_box(sc_boxes[n: 0], ${h}, ${w})`,
    ...["q", ...features].map((x) => `let map_${x} = view(${x}, \`block c (h w) -> block c h w\`, h: ${h})`),
    ...["ssfg", "mc"].flatMap((which) => [
      `let a_${which} = attention_between(${pair[which]!("q")})`,
      `let f_${which} = warp_matrix(steady(${flows[which]}, ${num(thresholds[which])}, ${num(config.flow_smooth_center_weight)}))[n: 0]`,
      ...features.map(
        (x) =>
          `let ${which}_${x} = moved(${pair[which]!(x)}, a_${which}, f_${which}, [${factors[which]!.map(num).join(", ")}], ${num(limits[which])}, ${num(config.recon_max_scale_of_threses)}, ${num(config.temperature)}, ${num(config.loss_scale_eps)})`,
      ),
    ]),
  ];
  const mean = (which: string, value: (t: string) => string): string => `(${features.map((x) => value(`${which}_${x}`)).join(" + ")}) / 2`;
  const fields = ["ssfg", "mc"].flatMap((which): [string, string][] => [
    [
      `recon.${which}`,
      `stack([${[0, 1, 2].map((i) => mean(which, (t) => `${t}.errors[${i}]`)).join(", ")}, ${mean(which, (t) => `${t}.best`)}], axis: term)`,
    ],
    [`sparse_attn.${which}`, mean(which, (t) => `${t}.sparse`)],
    [`stats.${which}_flow_win_rate`, mean(which, (t) => `${t}.by_flow`)],
    [`stats.${which}_sameloc_win_rate`, mean(which, (t) => `${t}.in_place`)],
    [`stats.${which}_avg_sparse_distill_weight`, mean(which, (t) => `${t}.weight`)],
  ]);
  const dropped = ["ssfg", "mc"].map((which) => mean(which, (t) => `${t}.dropped`)).join(" + ");
  return body(made, image("warp_matrix") + later("face_pair", "around_pair", "around_box", "steady", "moved", "attention_between"), lines, {
    ...Object.fromEntries(fields),
    discarded_ratio: `(${dropped}) / 2`,
  });
}

const bilinear = (config: Config): Unsupported | null =>
  config.mode === "bilinear" && config.padding_mode === "zeros" && config.align_corners === true
    ? null
    : { unsupported: "a flow that is not bilinear with zeros outside" };

function pooled(config: Config, tensors: Tensors): Written {
  const pools = config.pooler_by_width as Record<string, [number, number]>;
  const made = declare(tensors, { "input.attn": "n head pixel", "input.feat": "m c h w" });
  const s = side(shapeOf(tensors, "input.attn")[2]!);
  const pool = (x: string, width: number): string => `avg_pool(${x}, ${pools[width]![0]}, stride: ${pools[width]![1]})`;
  return body(made, image("avg_pool"), [], {
    attn: `${pool(`view(attn, \`n head (h w) -> n head h w\`, h: ${s})`, s)} |> view(\`n head h w -> n head p=(h w)\`)`,
    feat: pool("feat", shapeOf(tensors, "input.feat")[3]!),
  });
}

export const lossLaterKinds: KindTable = {
  attn_norm_loss: attentionNorm,
  subj_attn_cross_t_diff_loss: acrossTimes,
  subj_masked_bg_suppress_loss: behind,
  sc_rep_attn_distill_loss: repeated,
  elastic_matching_flow_loss: elasticFlow,
  pool_feat_or_attn: pooled,
  smooth_tensor_3x3: (config, tensors) =>
    body(declare(tensors, { "input.x": "n c h w" }), image("smooth_3x3"), [], {
      smooth: `smooth_3x3(x, ${num(config.kernel_center_weight)})`,
    }),
  backward_warp_by_flow: (config, tensors) =>
    bilinear(config) ??
    body(declare(tensors, { "input.x": "n c h w", "input.flow": "n xy:2 h w" }), image("warp"), [], { y: "warp(x, flow)" }),
  flow_to_attn: (config, tensors) =>
    bilinear(config) ?? body(declare(tensors, { "input.flow": "n xy:2 h w" }), image("warp_matrix"), [], { y: "warp_matrix(flow)" }),
};
