import type { Config, KindTable, Tensors, Unsupported, Written } from "../written.ts";
import { shapeOf } from "./lossesRecipe.ts";
import { body, declare } from "./recorded.ts";
import { num } from "./text.ts";

// What steps are made of besides losses: annealed draws, chains, starting latents, rows of prompt embeddings.

const from = (...names: string[]): string => `import { ${names.join(", ")} } from "./pipelines/training.ada"\n`;

function relativeNoise(config: Config, tensors: Tensors): Written | Unsupported {
  if (config.std_dim !== -1 || config.norm_dim !== -1) return { unsupported: "noise relative to another dimension" };
  const std = config.noise_std_is_relative === true ? `${num(config.noise_std)} * row_spread(x)` : num(config.noise_std);
  const made = declare(tensors, { "input.x": "b width", "input.noise": "b width" });
  return body(made, from("with_noise", "row_spread"), [], { y: `with_noise(x, noise, ${std}, keep_norm: ${config.keep_norm === true})` });
}

function chain(config: Config, tensors: Tensors): Written {
  const n = config.num_denoising_steps as number;
  const steps = Array.from({ length: n }, (_, i) => i);
  const picture = "batch c h w";
  const masked = config.random_face !== true;
  const made = declare(tensors, {
    "input.x_start": picture,
    "input.t": "batch",
    ...Object.fromEntries(
      steps.flatMap((i) => ["noise", "teacher_noise_pred", "student_noise_pred"].map((k) => [`input.${k}.${i}`, picture])),
    ),
    ...Object.fromEntries(steps.slice(1).map((i) => [`input.u.${i - 1}`, "batch"])),
    ...(masked ? { "input.fg_mask": "batch one h w", "input.img_mask": "batch one h w" } : {}),
  });
  const [low, high] = config.t_shrink as [number, number];
  const time = `${n}, low: ${num(low)}, high: ${num(high)}, power: ${num(config.t_shrink_power)}`;
  const lines = ["let x0 = x_start", "let t0 = t"];
  for (const i of steps) {
    lines.push(`let noisy${i} = noised(x${i}, noise_${i}, t${i})`, `let x${i + 1} = clean(noisy${i}, teacher_noise_pred_${i}, t${i})`);
    if (i + 1 < n) lines.push(`let t${i + 1} = earlier(t${i}, u_${i}, ${time})`);
  }
  const samples = shapeOf(tensors, "input.x_start")[0]!;
  const first = Math.max(0, n - Math.floor((config.max_batch_times_steps as number) / samples));
  const student = steps.slice(first);
  // As published, the first step of the student begins where the teacher ended.
  const begin = (s: number): string => (s === 0 && config.compat === "source" ? `x${n}` : `x${s}`);
  const weights = `wf: ${num(config.fg_pixel_weight)}, wb: ${num(config.bg_pixel_weight)}`;
  const each = student.map((s) =>
    masked
      ? `recon(student_noise_pred_${s}, stop(teacher_noise_pred_${s}), valid: img_mask[one: 0], fg: fg_mask[one: 0], ${weights})`
      : `mse(student_noise_pred_${s}, stop(teacher_noise_pred_${s}))`,
  );
  lines.push(`let first = first_step(${n}, ${samples}, ${num(config.max_batch_times_steps)})`);
  const imports = `import { noised, clean, earlier } from "std/diffusion.ada"\nimport { recon } from "std/masks.ada"\nimport { mse } from "std/losses.ada"\n`;
  return body(
    made,
    imports + from("first_step"),
    lines,
    Object.fromEntries([
      ...steps.flatMap((i) => [
        [`x_noisy.${i}`, `noisy${i}`],
        [`t.${i}`, `t${i}`],
        [`pred_x0.${i}`, `x${i + 1}`],
      ]),
      ...student.map((s) => [`student_x_noisy.${s}`, `noised(${begin(s)}, noise_${s}, t${s})`]),
      ["loss", `sum([${each.join(", ")}]) / sqrt(${n}) + 0 * (first - ${first})`],
    ]),
    { integers: steps.map((i) => `t.${i}`) },
  );
}

function start(config: Config, tensors: Tensors): Written {
  const [first, last] = config.fg_noise_anneal_mean_range as [number, number];
  const [low, high] = config.fluct_range as [number, number];
  const [least, most] = config.legal_range as [number, number];
  const made = declare(tensors, {
    "input.x_start": "batch c h w",
    "input.fg_mask": "batch one h w",
    "input.filtered_fg_mask": "batch one h w",
    ...Object.fromEntries([0, 1, 2].map((i) => [`input.noise.${i}`, "batch c h w"])),
    "input.u": "draw",
  });
  const range = `${num(first)}, ${num(last)}, low: ${num(low)}, high: ${num(high)}, least: ${num(least)}, most: ${num(most)}`;
  return body(
    made,
    from("start_from_subject", "around_annealed"),
    [
      `let a = around_annealed(expand(${num(config.training_percent)}, []), u[draw: 1], ${range})`,
      "let s = start_from_subject(x_start, fg_mask[one: 0], filtered_fg_mask[one: 0], [noise_0, noise_1, noise_2], u[draw: 0], a)",
    ],
    { x_start: "s.x", fg_mask: "s.fg", filtered_fg_mask: "s.seen" },
  );
}

interface Entry {
  readonly batch: number;
  readonly start: number;
  readonly count: number;
  readonly weights?: string;
}
/** One merge per round: the k-th string of each prompt from left to right, moved by what those before it took away. */
function merge(config: Config, tensors: Tensors, later: boolean): Written {
  const entries = [...(config.cls_delta_string_indices as Entry[])].sort((a, b) => a.start - b.start);
  const prompts = shapeOf(tensors, "input.emb")[0]!;
  const names = [...new Set(entries.flatMap((e) => (e.weights === undefined ? [] : [e.weights])))];
  const most = Math.max(...entries.map((e) => e.count));
  const made = declare(tensors, {
    "input.emb": `prompt:${prompts} tokens width`,
    ...Object.fromEntries(names.map((n) => [`input.weights.${n}`, `word:word_${n}`])),
  });
  const own = Array.from({ length: prompts }, (_, p) => entries.filter((e) => e.batch === p));
  const rounds = Math.max(...own.map((o) => o.length));
  const lines: string[] = [];
  for (let r = 0; r < rounds; r++) {
    const taken = own.map((o) => o.slice(0, r).reduce((s, e) => s + e.count - 1, 0));
    const at = own.map((o, p) => (o[r] ? o[r].start - taken[p]! : 0));
    const words = own.map((o) => o[r]?.count ?? 1);
    const weights = own.map((o) => {
      const e = o[r];
      if (!e) return `pad(ones([word: 1]), word: 0..${most - 1})`;
      return `pad(${e.weights === undefined ? `ones([word: ${e.count}])` : `weights_${e.weights}`}, word: 0..${most - e.count})`;
    });
    const before = r === 0 ? "emb" : `c${r}`;
    const whole = (list: readonly number[]): string => `cast(stack([${list.join(", ")}], axis: prompt), i32)`;
    // The later form moves the last row too; what it has moved before is beyond the end.
    const tokens = shapeOf(tensors, "input.emb")[1]!;
    const end = later ? `, end: ${whole(taken.map((t) => tokens - t))}` : "";
    lines.push(`let c${r + 1} = merge_rows(${before}, ${whole(at)}, ${whole(words)}, stack([${weights.join(", ")}], axis: prompt)${end})`);
  }
  return body(made, from("merge_rows"), lines, { y: `c${rounds}` });
}

function distribute(config: Config, tensors: Tensors): Written | Unsupported {
  const ids = [...tensors["input.idx"]!.data];
  const unique = [...new Set(ids)];
  const m = unique.length;
  if (ids.some((id, i) => id !== unique[i % m])) return { unsupported: "positions that are not one slot, repeated" };
  const uncond = tensors["input.uncond"] !== undefined;
  const made = declare(tensors, {
    "input.emb": "prompt tokens width",
    ...(uncond ? { "input.uncond": "one tokens width" } : {}),
    "input.idx": "all",
  });
  const by: Readonly<Record<string, number>> = { sqrt_M: Math.sqrt(m), M: m, none: 1 };
  const strength = (config.emb_cfg as number | undefined) ?? 1;
  const options = [
    `by: ${num(by[config.divide_scheme as string]! / ((config.emb_extra_boost as number | undefined) ?? 1))}`,
    ...(uncond && strength > 1 ? [`plain: expand(uncond[one: 0], like: emb), strength: ${num(strength)}`] : []),
  ];
  return body(made, from("share_row"), [`let slot = idx[all: 0..${m}] |> rename(all: slot)`], {
    y: `share_row(emb, expand(slot, [prompt, slot]), ${options.join(", ")})`,
  });
}

function mixStatic(config: Config, tensors: Tensors): Written | Unsupported {
  const layers = config.num_ca_layers as number;
  const sync = config.sync_layer_indices as number[];
  if (sync.some((l, i) => l !== layers - sync.length + i)) return { unsupported: "layers that are not the last ones" };
  const made = declare(tensors, { "input.c_static_emb": "row tokens width", "input.subj_indices_n": "slot", "input.t_frac": "n" });
  const trust = 1 - (config.late_share as number) * (config.training_percent as number);
  const mix = (range: unknown): string => {
    const [first, last] = range as [number, number];
    return `mixed_context(e[role: 0], e[role: 1], slots, own, ${sync[0]}, ${num(first)}, ${num(last)}, grad: ${num(config.prompt_mix_grad_scale)})`;
  };
  return body(
    made,
    from("mixed_context", "own_share"),
    [
      `let e = c_static_emb |> view(\`(role n layer) tokens width -> role n layer tokens width\`, role: 2, layer: ${layers})`,
      "let slots = put(zeros([n, tokens]), tokens: expand(subj_indices_n, [n, slot]), 1)",
      `let own = own_share(t_frac, ${layers}, ${sync[0]}, ${num(trust)})`,
      `let twice = concat([e[role: 0], e[role: 0]], axis: tokens)`,
      `let mixed = concat([${mix(config.v_cls_scale_layerwise_range)}, ${mix(config.k_cls_scale_layerwise_range)}], axis: tokens)`,
    ],
    { y: "stack([twice, mixed], axis: role) |> view(`role n layer tokens width -> row=(role n layer) tokens width`)" },
  );
}

function scan(config: Config, tensors: Tensors): Written {
  const strings = Object.keys(tensors)
    .filter((t) => t.startsWith("input.class_tokens."))
    .sort();
  const made = declare(tensors, {
    "input.tokens": "prompt token",
    "input.subj_b": "half",
    "input.subj_n": "half",
    ...Object.fromEntries(strings.map((s, i) => [s, `word:word${i}`])),
  });
  const half = shapeOf(tensors, "input.tokens")[0]! / 2;
  const list = strings.map((s) => s.slice("input.".length).replace(".", "_")).join(", ");
  return body(
    made,
    from("find_strings"),
    [
      `let partner = subj_b + ${half}`,
      `let found = find_strings(tokens[prompt: partner], subj_n, [${list}], ${num(config.max_search_span)})`,
    ],
    { indices: "stack([partner, found.start, found.count, found.which], axis: column) |> order([half, column])" },
    { integers: ["indices"] },
  );
}

function selected(config: Config, tensors: Tensors): Written {
  const weighted = tensors["input.token_weights"] !== undefined;
  const instances = shapeOf(tensors, "input.attn_mat")[0]!;
  const slot = shapeOf(tensors, "input.b")[0]! / instances;
  const made = declare(tensors, {
    "input.attn_mat": "batch tokens head pixel",
    "input.b": "k",
    "input.n": "k",
    ...(weighted ? { "input.token_weights": "batch tokens" } : {}),
  });
  const value = `scores_at(${weighted ? "(attn_mat * token_weights)" : "attn_mat"} |> order([batch, head, pixel, tokens]), b, n, ${instances})`;
  const joined = config.do_sum === true ? `sum(${value}, over: slot)` : config.do_mean === true ? `mean(${value}, over: slot)` : value;
  return body(made, `import { scores_at } from "./pipelines/losses.ada"\n`, [], {
    y: config.do_sqrt_norm === true ? `${joined} / sqrt(${slot})` : joined,
  });
}

export const trainingKinds: KindTable = {
  readme_add_noise_to_tensor: relativeNoise,
  readme_arc2face_distill: chain,
  readme_init_x_with_fg: start,
  readme_merge_cls_token_embeddings: (config, tensors) => merge(config, tensors, false),
  merge_cls_token_embeddings: (config, tensors) => merge(config, tensors, true),
  readme_distribute_embedding_to_m_tokens: distribute,
  distribute_embedding_to_m_tokens: distribute,
  readme_mix_static_vk_embeddings: mixStatic,
  readme_scan_cls_delta_strings: scan,
  readme_sel_emb_attns: selected,
  readme_anneal_value: (config, tensors) => {
    const [a, b] = config.value_range as [number, number];
    return body(declare(tensors, { "input.training_percent": "n" }), from("annealed"), [], {
      y: `annealed(training_percent, ${num(a)}, ${num(b)}, ${num(config.final_percent)})`,
    });
  },
  readme_rand_annealed: (config, tensors) => {
    const [a, b] = config.mean_range as [number, number];
    const [[low, high], [least, most]] = [config.fluct_range, config.legal_range] as [[number, number], [number, number]];
    const options = `${num(a)}, ${num(b)}, ${num(config.final_percent)}, ${num(low)}, ${num(high)}, ${num(least)}, ${num(most)}`;
    return body(declare(tensors, { "input.training_percent": "n", "input.u": "n" }), from("around_annealed"), [], {
      y: `around_annealed(training_percent, u, ${options})`,
    });
  },
  readme_shift_timesteps: (config, tensors) =>
    body(
      declare(tensors, { "input.t": "n" }),
      from("shifted_times"),
      [],
      { t: `shifted_times(t, ${num(config.num_denoising_steps)}, ${num(config.num_timesteps)})` },
      { integers: ["t"] },
    ),
  readme_probably_anneal_t: (config, tensors) => {
    const [low, high] = config.ratio_range as [number, number];
    const [k0, k1] = config.keep_prob_range as [number, number];
    const made = declare(tensors, { "input.t": "n", "input.u": "n", "input.coin": "coin" });
    return body(
      made,
      from("time_between"),
      [
        `let other = time_between(t, u, ${num(low)}, ${num(high)}, ${num(config.num_timesteps)})`,
        `let keep = coin < lerp(${num(k0)}, ${num(k1)}, ${num(config.training_percent)})`,
      ],
      { t: "where(expand(keep, [coin, n]), expand(t, [coin, n]), expand(other, [coin, n]))" },
      { integers: ["t"] },
    );
  },
};
