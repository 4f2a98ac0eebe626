import { existsSync, readFileSync } from "node:fs";
import { isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from "yaml";

// `adac import-config FILE.yaml`: what a configuration of the original AdaFace comes to as settings of a `train` block. In: YAML of that form.
// Out: text for a file beside `pipelines/stage2.ada`, then what the programs fix in their text, and what has no counterpart, each with its
// line. Keys are known by their last name, wherever they stand.

type Plain = number | boolean | string | null | readonly Plain[];
interface Entry {
  readonly path: string;
  readonly name: string;
  readonly value: Plain;
  readonly line: number;
}
/** What becomes of a key: part of a setting, fixed by a program's text, or nothing. */
type Meaning =
  | { readonly kind: "setting"; readonly of: string }
  | { readonly kind: "fixed"; readonly where: string; readonly as?: Plain }
  | { readonly kind: "none"; readonly why: string };
const setting = (of: string): Meaning => ({ kind: "setting", of });
/** `as`: the value that the text has; another one must be written there. */
const fixed = (where: string, as?: Plain): Meaning => (as === undefined ? { kind: "fixed", where } : { kind: "fixed", where, as });
const none = (why: string): Meaning => ({ kind: "none", why });

const steps = "the steps of pipelines/stage2.ada";
const meanings: Readonly<Record<string, Meaning>> = {
  batch_size: setting("batch"),
  manual_accumulate_grad_batches: setting("accumulate"),
  accumulate_grad_batches: setting("accumulate"),
  max_steps: setting("micro_steps"),
  grad_clip: setting("gradient"),
  gradient_clip_val: setting("gradient"),
  optimizer_type: setting("optimizer"),
  optimizer: setting("optimizer"),
  base_learning_rate: setting("optimizer"),
  weight_decay: setting("optimizer"),
  betas: setting("optimizer"),
  zs_betas: setting("optimizer"),
  d_coef: setting("optimizer"),
  warm_up_steps: setting("optimizer"),
  do_zero_shot: setting("optimizer"),
  composition_regs_iter_gap: setting("each step"),
  arc2face_distill_iter_prob: setting("each step"),
  every_n_train_steps: setting("save"),
  max_num_denoising_steps: setting("const max_chain"),

  linear_start: fixed("`abar` in std/diffusion.ada", 0.00085),
  linear_end: fixed("`abar` in std/diffusion.ada", 0.012),
  timesteps: fixed("`abar` in std/diffusion.ada", 1000),
  scale_factor: fixed("`Vae(scale: …)` in pipelines/adaface.ada", 0.18215),
  image_size: fixed(`the latents of ${steps}`, 64),
  channels: fixed(`the latents of ${steps}`, 4),
  in_channels: fixed("`UNet` in models/unet.ada", 4),
  out_channels: fixed("`UNet` in models/unet.ada", 4),
  model_channels: fixed("`UNet(width: …)` in pipelines/adaface.ada", 320),
  channel_mult: fixed("`UNet(mult: …)` in pipelines/adaface.ada", [1, 2, 4, 4]),
  num_heads: fixed("`UNet(heads: …)` in pipelines/adaface.ada", 8),
  num_res_blocks: fixed("`UNet` in models/unet.ada", 2),
  attention_resolutions: fixed("`UNet` in models/unet.ada", [4, 2, 1]),
  transformer_depth: fixed("`UNet` in models/unet.ada", 1),
  context_dim: fixed("`UNet` in models/unet.ada", 768),
  num_candidate_teachers: fixed("`cand` of the step `compose`", 2),
  do_clip_teacher_filtering: fixed("`require` of the step `compose`", true),
  prompt_emb_delta_reg_weight: fixed(`\`prompt_delta\` in ${steps}`),
  mix_prompt_distill_weight: fixed(`\`delta_distill\` in ${steps}`, 1e-4),
  comp_fg_bg_preserve_loss_weight: fixed(`\`keep_foreground\` in ${steps}`, 1e-3),
  fg_bg_complementary_loss_weight: fixed(`\`attention_masks\` in ${steps}`, 2e-4),
  fg_bg_xlayer_consist_loss_weight: fixed(`\`cross_layer\` in ${steps}`, 5e-5),
  normalize_ca_q_and_outfeat: fixed("`norms` of `delta_distill`"),
  last_layers_skip_weights: fixed("`skip` in pipelines/evaluate.ada", [0.5, 0.5]),
  size: fixed("`faces` in pipelines/data.ada", 512),

  scheduler_cycles: none("the rate has one cycle; more are a schedule of the program: `cycle(…)`"),
  scheduler_type: none("the rate is a schedule of the program: `decay` in pipelines/stage1.ada"),
  use_ema: none("there is no moving average of parameters"),
  unfreeze_model: none("a model is trained where it is declared `trained`"),
  use_layerwise_embedding: none("prompts always have one context per layer"),
  use_fp_trick: none("prompts of the data set begin with the photographed frame"),
  static_embedding_reg_weight: none("a loss of text inversion, without zero-shot"),
  compel_cfg_weight_level_range: none("not used where identities are given"),
  apply_compel_cfg_prob: none("not used where identities are given"),
  fg_wds_complementary_loss_weight: none("its weight is 0 in the recipe"),
  wds_bg_recon_discount: none("pictures are not mixed into backgrounds"),
  cond_stage_trainable: none("a model is trained where it is declared `trained`"),
  layerwise_lora_rank: none("text inversion is not part of the program"),
  num_workers: none("pictures are decoded by as many threads as there are cores"),
  repeats: none("training counts micro-steps, not passes over the data"),
};

export interface Imported {
  /** The `train` block. */
  readonly text: string;
  readonly fixed: readonly string[];
  readonly unknown: readonly string[];
}

/** What the entries of a configuration come to. */
export function importConfig(file: string, text: string): Imported | { readonly problem: string } {
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  const [error] = document.errors;
  if (error) return { problem: `${file}:${lines.linePos(error.pos[0]).line}: ${error.message.replace(/\s+/g, " ")}` };
  const entries = leaves(document.contents, [], lines);
  const known = new Map<string, Plain>();
  const fixedLines: string[] = [];
  const unknown: string[] = [];
  for (const entry of entries) {
    const meaning = meanings[entry.name];
    const said = `${file}:${entry.line}: ${entry.path} = ${shown(entry.value)}`;
    if (meaning?.kind === "setting") {
      if (!known.has(entry.name)) known.set(entry.name, entry.value);
    } else if (meaning?.kind === "fixed") {
      const differs = meaning.as !== undefined && JSON.stringify(meaning.as) !== JSON.stringify(entry.value);
      fixedLines.push(`${said}: ${meaning.where}${differs ? `, which says ${shown(meaning.as!)}: change it there` : ""}`);
    } else unknown.push(`${said}: ${meaning ? meaning.why : "no key that is known"}`);
  }
  return { text: trainBlock(known), fixed: fixedLines, unknown };
}

const shown = (value: Plain): string => (typeof value === "string" ? value : JSON.stringify(value));

/** Every scalar, and every list of scalars, with its path. */
function leaves(node: ParsedNode | null, path: readonly string[], lines: LineCounter): Entry[] {
  if (isMap<ParsedNode, ParsedNode | null>(node))
    return node.items.flatMap((pair) =>
      leaves(pair.value, [...path, isScalar(pair.key) ? String(pair.key.value) : String(pair.key)], lines),
    );
  if (isSeq(node) && node.items.some((item) => isMap(item)))
    return node.items.flatMap((item, i) => leaves(item as ParsedNode, [...path, String(i)], lines));
  if (node === null) return [];
  const value = node.toJSON() as Plain;
  return [{ path: path.join("."), name: path.at(-1) ?? "", value, line: lines.linePos(node.range[0]).line }];
}

// ---- the block ----
function trainBlock(known: ReadonlyMap<string, Plain>): string {
  const first = (...names: readonly string[]): Plain | undefined =>
    names.map((name) => known.get(name)).find((value) => value !== undefined);
  const numberOf = (...names: readonly string[]): number | undefined => {
    const value = first(...names);
    return typeof value === "number" ? value : undefined;
  };
  const lines: string[] = [];
  const say = (words: string, value: number | undefined, after = ""): void => {
    if (value !== undefined) lines.push(`${words} ${value}${after}`);
  };
  const chain = numberOf("max_num_denoising_steps");
  if (chain !== undefined) lines.push(`const max_chain = ${chain}`);
  say("batch", numberOf("batch_size"));
  say("accumulate", numberOf("manual_accumulate_grad_batches", "accumulate_grad_batches"), " by sum");
  say("micro_steps", numberOf("max_steps"));
  const mix = mixOf(numberOf("composition_regs_iter_gap"), numberOf("arc2face_distill_iter_prob"));
  if (mix !== undefined) lines.push(`each step: ${mix}`);
  const clip = numberOf("grad_clip", "gradient_clip_val");
  if (clip !== undefined) lines.push(`gradient clip_norm(${clip})`);
  const optimizer = optimizerOf(first, numberOf);
  if (optimizer !== undefined) lines.push(`optimizer ${optimizer}`);
  say("save every", numberOf("every_n_train_steps"));
  return `train imported like stage2 {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;
}

/** Where the gap stands in a file and not on the command line, the original doubles it. */
function mixOf(gap: number | undefined, distill: number | undefined): string | undefined {
  if (gap === undefined && distill === undefined) return undefined;
  const p = distill ?? 0;
  const rest = p <= 0 ? "reconstruct" : p >= 1 ? "distill" : `[${p}] distill | [${Number((1 - p).toPrecision(12))}] reconstruct`;
  return gap === undefined || gap <= 0 ? rest : `every ${2 * gap} updates: compose otherwise: ${rest}`;
}

function optimizerOf(
  first: (...names: readonly string[]) => Plain | undefined,
  numberOf: (...names: readonly string[]) => number | undefined,
): string | undefined {
  const name = String(first("optimizer_type", "optimizer") ?? "Prodigy").toLowerCase();
  const isProdigy = name === "prodigy";
  const betas = first("do_zero_shot") === false ? first("betas") : first("zs_betas", "betas");
  const [beta1, beta2] = Array.isArray(betas) ? (betas as readonly Plain[]) : [];
  const warmup = numberOf("warm_up_steps");
  const args: string[] = [];
  const rate = isProdigy ? undefined : numberOf("base_learning_rate");
  if (isProdigy && warmup !== undefined) args.push(`lr: decay(${warmup})`);
  else if (rate !== undefined) args.push(warmup === undefined ? `lr: ${rate}` : `lr: ${rate} * decay(${warmup})`);
  if (typeof beta1 === "number") args.push(`beta1: ${beta1}`);
  if (typeof beta2 === "number") args.push(`beta2: ${beta2}`);
  const coefficient = isProdigy ? numberOf("d_coef") : undefined;
  if (coefficient !== undefined) args.push(`d_coef: ${coefficient}`);
  const decay = numberOf("weight_decay");
  if (decay !== undefined) args.push(`weight_decay: ${decay}`);
  if (args.length === 0 && first("optimizer_type", "optimizer") === undefined) return undefined;
  // The original corrects the bias of the moments, which is a choice of Prodigy here.
  if (isProdigy) args.push("use_bias_correction: true");
  return `${name}(${args.join(", ")})`;
}

/** Runs `adac import-config` and prints; the result is the process's exit status. */
export function importConfigCommand(file: string): number {
  if (!existsSync(file)) {
    process.stderr.write(`error: there is no file "${file}"\nhelp: name a configuration, as in v1-finetune-ada.yaml\n`);
    return 2;
  }
  const made = importConfig(file, readFileSync(file, "utf8"));
  if ("problem" in made) {
    process.stderr.write(`error: ${made.problem}\n`);
    return 1;
  }
  const list = (title: string, of: readonly string[]): string =>
    of.length === 0 ? "" : `\n// ${title}\n${of.map((line) => `//   ${line}\n`).join("")}`;
  process.stdout.write(
    `// For pipelines/stage2.ada, behind its own blocks.\n${made.text}${list("Fixed by the text of the programs:", made.fixed)}${list("Without a counterpart:", made.unknown)}`,
  );
  return 0;
}
