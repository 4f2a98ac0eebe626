import type { Config, KindTable, Tensors, Written } from "../written.ts";
import { axesOf } from "../written.ts";
import { body, declare } from "./recorded.ts";
import { dimsOf, num } from "./text.ts";

// What losses are made of: orthogonal parts, masked means, cosines to a reference, reconstruction. All are functions of the library.

const homes: readonly (readonly [file: string, names: readonly string[]])[] = [
  ["directions", ["ortho_subtract", "align_coefficient", "of_equal_norm", "demean", "ref_cosine", "ref_cosine_each", "delta_alignment"]],
  ["masks", ["masked_mean", "masked_l2", "weighted_error", "recon", "resize_mask"]],
];
/** Import lines for functions of the library. */
const std = (...names: string[]): string => {
  const home = (name: string): string => homes.find(([, own]) => own.includes(name))?.[0] ?? "losses";
  const files = [...new Set(names.map(home))];
  return files.map((f) => `import { ${names.filter((n) => home(n) === f).join(", ")} } from "std/${f}.ada"\n`).join("");
};

/** Two tensors of one shape, `b` possibly with dimensions of size 1 in which it is repeated. */
function alike(tensors: Tensors, fields: (axes: readonly string[], b: string) => Readonly<Record<string, string>>, head: string): Written {
  const axes = axesOf(tensors["input.a"]);
  const [a, b] = [tensors["input.a"]!.shape, tensors["input.b"]!.shape];
  const own = axes.map((x, i) => (b[i] === a[i] ? x : `one_${x}`));
  const dropped = own.filter((x) => x.startsWith("one_"));
  const expr = dropped.length === 0 ? "b" : `expand(b[${dropped.map((d) => `${d}: 0`).join(", ")}], like: a)`;
  const made = declare(tensors, { "input.a": axes.join(" "), "input.b": own.join(" ") });
  return body(made, head, [], fields(axes, expr));
}
const last = (axes: readonly string[], n: unknown): string => `[${axes.slice(axes.length - (n as number)).join(", ")}]`;

function refCosine(config: Config, tensors: Tensors): Written {
  const rank = tensors["input.delta"]!.shape.length;
  const axes = ["n", ...Array.from({ length: rank - 2 }, (_, i) => `s${i}`), "f"];
  const mask = tensors["input.emb_mask"];
  // A mask has every dimension of the rows, of size 1 where it is shared, and one of size 1 for their elements.
  const own = mask ? axes.map((x, i) => (mask.shape[i] === tensors["input.delta"]!.shape[i] ? x : `one_${x}`)) : [];
  const dropped = own.filter((x) => x.startsWith("one_")).map((x) => `${x}: 0`);
  const made = declare(tensors, {
    "input.delta": axes.join(" "),
    "input.ref_delta": axes.join(" "),
    ...(mask ? { "input.emb_mask": own.join(" ") } : {}),
    ...(tensors["input.batch_mask"] ? { "input.batch_mask": "n" } : {}),
  });
  const demean = Array.isArray(config.do_demeans) ? (config.do_demeans as boolean[]) : [config.do_demean_first, config.do_demean_first];
  const options = [
    `power: ${num(config.exponent)}`,
    `demean_x: ${demean[0] === true}`,
    `demean_ref: ${demean[1] === true}`,
    `ref_grad: ${num(config.ref_grad_scale)}`,
    `align: ${config.aim_to_align === true}`,
  ];
  if (config.reduction === "none")
    return body(made, std("ref_cosine_each"), [], { y: `ref_cosine_each(delta, ref_delta, ${options.join(", ")})` });
  const more = [
    ...options,
    ...(mask ? [`weight: emb_mask[${dropped.join(", ")}]`] : []),
    ...(tensors["input.batch_mask"] ? ["sample: batch_mask"] : []),
    ...(config.margin === undefined ? [] : [`margin: ${num(config.margin)}`]),
  ];
  return body(made, std("ref_cosine"), [], { y: `ref_cosine(delta, ref_delta, ${more.join(", ")})` });
}

function deltaAlignment(config: Config, tensors: Tensors): Written {
  const axes = `n ${Array.from({ length: tensors["input.feat_ex"]!.shape.length - 2 }, (_, i) => `s${i}`).join(" ")} f`;
  const names = ["feat_base", "feat_ex", "ref_feat_base", "ref_feat_ex"];
  const made = declare(tensors, Object.fromEntries(names.map((n) => [`input.${n}`, axes])));
  const ref = config.ref_grad_scale as number;
  const base = config.feat_base_grad_scale === -1 ? Math.min(ref / 2, 1) : config.feat_base_grad_scale;
  const options = `ref_grad: ${num(ref)}, base_grad: ${num(base)}, power: ${num(config.cosine_exponent)}`;
  const fields = (config.delta_types as string[]).map((t) => [
    t,
    `delta_alignment(${names.join(", ")}, ${options}, ex_to_base: ${t === "ex_to_base"})`,
  ]);
  return body(made, std("delta_alignment"), [], Object.fromEntries(fields));
}

const errors: Readonly<Record<string, string>> = { mse: "squared_each", l1: "absolute_each", smooth_l1: "smooth_l1_each" };
function recon(config: Config, tensors: Tensors): Written {
  const each = errors[config.loss as string]!;
  const masks = ["fg_mask", "img_mask"].filter((m) => tensors[`input.${m}`]);
  const weighted = tensors["input.instance_weights"] !== undefined;
  const made = declare(tensors, {
    "input.noise_pred": "batch c h w",
    "input.noise_gt": "batch c h w",
    ...Object.fromEntries(masks.map((m) => [`input.${m}`, "batch one h w"])),
    ...(weighted ? { "input.instance_weights": "batch" } : {}),
  });
  const lines = masks.map((m) => `let ${m} = ${m}[one: 0]${weighted ? " * instance_weights" : ""}`);
  // With weights, missing masks are the weights themselves.
  const known = (m: string): boolean => masks.includes(m) || weighted;
  if (weighted)
    for (const m of ["fg_mask", "img_mask"]) if (!masks.includes(m)) lines.push(`let ${m} = expand(instance_weights, [batch, h, w])`);
  const inside = known("img_mask") ? " * img_mask" : "";
  lines.push(`let pixels = ${each}(noise_pred${inside}, noise_gt${inside})`);
  const options = [
    "pixels",
    ...(known("img_mask") ? ["valid: img_mask"] : []),
    ...(known("fg_mask") ? ["fg: fg_mask"] : []),
    `wf: ${num(config.fg_pixel_weight)}, wb: ${num(config.bg_pixel_weight)}, eps: ${num(config.eps)}`,
  ];
  return body(made, std(each, "weighted_error"), lines, { loss: `weighted_error(${options.join(", ")})`, pixels: "pixels" });
}

function unetDistill(config: Config, tensors: Tensors): Written {
  const steps = Array.from({ length: config.num_denoising_steps as number }, (_, i) => i);
  const made = declare(tensors, {
    ...Object.fromEntries(steps.flatMap((i) => [`noise_pred.${i}`, `teacher_noise.${i}`]).map((n) => [`input.${n}`, "batch c h w"])),
    "input.fg_mask": "batch one h w",
    "input.img_mask": "batch one h w",
  });
  const options = `valid: img_mask[one: 0], fg: fg_mask[one: 0], wf: ${num(config.fg_pixel_weight)}, wb: ${num(config.bg_pixel_weight)}, eps: ${num(config.eps)}`;
  const each = steps.map((i) => `recon(noise_pred_${i}, stop(teacher_noise_${i}), ${options})`);
  return body(made, std("recon"), [], { loss: `sum([${each.join(", ")}]) / sqrt(${steps.length})` });
}

function maskedMean(config: Config, tensors: Tensors): Written {
  const axes = ["n", "c", "h", "w"];
  const made = declare(tensors, { "input.x": axes.join(" "), "input.mask": "n one h w", "input.w": "n" });
  const outputs = config.outputs as Record<string, { dim: number[] | null; instance_weights: boolean }>;
  const fields = Object.entries(outputs).map(([name, o]) => {
    const over = o.dim === null ? "" : `, over: [${o.dim.map((d) => axes[d]!).join(", ")}]`;
    return [name, `masked_mean(x, mask[one: 0]${over}${o.instance_weights ? ", weight: w" : ""}, eps: ${num(config.eps)})`];
  });
  return body(made, std("masked_mean"), [], Object.fromEntries(fields));
}

function maskedL2(config: Config, tensors: Tensors): Written {
  const axes = axesOf(tensors["input.p"]);
  const own = axes.map((x, i) => (tensors["input.mask"]!.shape[i] === tensors["input.p"]!.shape[i] ? x : "one"));
  const made = declare(tensors, { "input.p": axes.join(" "), "input.t": axes.join(" "), "input.mask": own.join(" ") });
  const mask = own.includes("one") ? "mask[one: 0]" : "mask";
  return body(made, std("masked_l2"), [], { y: `masked_l2(p, t, ${mask}, eps: ${num(config.eps)})` });
}

function normalizedSum(config: Config, tensors: Tensors): Written {
  const names = Object.keys(tensors)
    .filter((t) => /^input\.l\d+$/.test(t))
    .sort();
  const made = declare(tensors, Object.fromEntries(names.map((n) => [n, ""])));
  const list = names.map((n) => n.slice("input.".length)).join(", ");
  return body(made, std("normalized_sum"), [], { y: `normalized_sum([${list}], power: ${num(config.norm_pow)}, eps: ${num(config.eps)})` });
}

function resizeMask(config: Config, tensors: Tensors): Written {
  const made = declare(tensors, { "input.mask": "n one h w" });
  const [to, by] = config.size as [number, number];
  const fields = Object.entries(config.outputs as Record<string, string>).map(([name, mode]) => [
    name,
    `${mode === "nearest" ? "resize_nearest" : "resize_mask"}(mask[one: 0], ${to}, ${by})`,
  ]);
  return body(made, std("resize_mask"), [], Object.fromEntries(fields));
}

export const lossHelperKinds: KindTable = {
  ortho_subtract: (config, tensors) =>
    alike(
      tensors,
      (axes, b) => {
        const options = `over: ${last(axes, config.on_last_n_dims)}`;
        return {
          result: `ortho_subtract(a, ${b}, ${options}, discount: ${num(config.b_discount)}, eps: ${num(config.eps)})`,
          align_coeffs: `align_coefficient(a, ${b}, ${options}, eps: ${num(config.eps)})`,
        };
      },
      std("ortho_subtract", "align_coefficient"),
    ),
  readme_align_coeffs: (config, tensors) =>
    alike(
      tensors,
      (axes, b) => ({ y: `align_coefficient(a, ${b}, over: ${last(axes, config.on_last_n_dims)}, eps: ${num(config.eps)})` }),
      std("align_coefficient"),
    ),
  readme_normalized_l2_loss: (config, tensors) =>
    alike(
      tensors,
      (axes, b) => {
        const each = `{ let (x, y) = of_equal_norm(a, ${b}, over: ${last(axes, 1)}, eps: ${num(config.eps)}) return (x - y) ** 2 }`;
        return { y: config.mean === true ? `mean(if true ${each} else { a })` : `if true ${each} else { a }` };
      },
      std("of_equal_norm"),
    ),
  readme_normalized_ortho_subtract: (config, tensors) =>
    alike(
      tensors,
      (axes, b) => {
        const over = `over: ${last(axes, 1)}`;
        return {
          y: `if true { let (x, y) = of_equal_norm(a, ${b}, ${over}, eps: ${num(config.norm_eps)}) return ortho_subtract(x, y, ${over}, eps: ${num(config.eps)}) } else { a }`,
        };
      },
      std("of_equal_norm", "ortho_subtract"),
    ),
  readme_ortho_l2_loss: (config, tensors) =>
    alike(
      tensors,
      (axes, b) => {
        const each = `ortho_subtract(a, ${b}, over: ${last(axes, 1)}, eps: ${num(config.eps)}) ** 2`;
        const value = config.mean === true ? `mean(${each})` : each;
        return { y: config.do_sqrt === true ? `sqrt(${value})` : value };
      },
      std("ortho_subtract"),
    ),
  readme_power_loss: (config, tensors) => {
    const made = declare(tensors, { "input.a": axesOf(tensors["input.a"]).join(" ") });
    return body(made, std("power_mean"), [], { y: `power_mean(a, ${num(config.exponent)}, rooted: ${config.rev_pow === true})` });
  },
  demean: (config, tensors) => {
    const axes = axesOf(tensors["input.x"]);
    const over = dimsOf(config.dims, axes.length).map((d) => axes[d]!);
    return body(declare(tensors, { "input.x": axes.join(" ") }), std("demean"), [], { y: `demean(x, over: [${over.join(", ")}])` });
  },
  grad_scaler: (config, tensors) => {
    const made = declare(tensors, { "input.x": axesOf(tensors["input.x"]).join(" ") });
    return body(made, "", [], { a: `grad_scale(x, ${num(config.alpha)}) * ${num(config.output_factor)}` });
  },
  masked_mean: maskedMean,
  masked_l2_loss: maskedL2,
  normalized_sum: normalizedSum,
  ref_cosine_loss: refCosine,
  readme_ref_cosine_loss: refCosine,
  delta_alignment_loss: deltaAlignment,
  readme_delta_alignment_loss: deltaAlignment,
  recon_loss: recon,
  unet_distill_loss: unetDistill,
  resize_mask: resizeMask,
  dyn_loss_scale: (config, tensors) => {
    const [low, high] = config.valid_scale_range as [number, number];
    const options = `base: ${num(config.base_loss)}, scale: ${num(config.base_scale)}, ref: ${num(config.ref_loss)}, ref_scale: ${num(config.ref_scale)}`;
    return body(declare(tensors, { "input.loss": "n" }), std("linear_scale"), [], {
      y: `linear_scale(loss, ${options}, low: ${num(low)}, high: ${num(high)})`,
    });
  },
  readme_dyn_loss_scale: (config, tensors) =>
    body(declare(tensors, { "input.loss": "n" }), std("proportional_scale"), [], {
      y: `proportional_scale(loss, base: ${num(config.loss_base)}, scale: ${num(config.loss_scale_base)}, low: ${num(config.min_scale_base_ratio)}, high: ${num(config.max_scale_base_ratio)})`,
    }),
};
