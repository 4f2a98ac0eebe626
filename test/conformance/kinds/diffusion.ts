import type { Config, KindTable, Tensors, Unsupported, Written } from "../written.ts";
import { body, declare } from "./recorded.ts";
import { num } from "./text.ts";

// Diffusion arithmetic over the scaled-linear schedule of 1000 times, which is the one that the library has.

const from = (...names: string[]): string => `import { ${names.join(", ")} } from "std/diffusion.ada"\n`;
const known = (config: Config): Unsupported | null =>
  config.num_train_timesteps === 1000 &&
  config.beta_start === 0.00085 &&
  config.beta_end === 0.012 &&
  config.beta_schedule === "scaled_linear"
    ? null
    : { unsupported: "another table of noise levels" };

function addNoise(config: Config, tensors: Tensors): Written | Unsupported {
  const made = declare(tensors, { "input.x0": "b c h w", "input.noise": "b c h w", "input.t": "b" });
  return (
    known(config) ??
    body(made, from("noised", "velocity", "snr"), [], { x_t: "noised(x0, noise, t)", velocity: "velocity(x0, noise, t)", snr: "snr(t)" })
  );
}

/** A chain of steps with recorded predictions and noise. */
function ddim(config: Config, tensors: Tensors): Written | Unsupported {
  const other = known(config);
  if (other) return other;
  if (
    config.set_alpha_to_one !== false ||
    config.steps_offset !== 1 ||
    config.timestep_spacing !== "leading" ||
    config.thresholding === true
  )
    return { unsupported: "another plan of times" };
  const steps = config.num_inference_steps as number;
  const picture = "step b c h w";
  const made = declare(tensors, { "input.x_T": "b c h w", "input.model_output": picture, "input.variance_noise": picture });
  const v = config.prediction_type === "v_prediction";
  const estimate = v ? "sqrt(s.a) * x - sqrt(1 - s.a) * said" : "(x - sqrt(1 - s.a) * said) / sqrt(s.a)";
  const noise = v ? "sqrt(s.a) * said + sqrt(1 - s.a) * x" : "said";
  const clipped =
    config.clip_sample === true ? `clamp(guess, -${num(config.clip_sample_range)}, ${num(config.clip_sample_range)})` : "guess";
  return body(
    made,
    from("ddim_plan", "ddim_step"),
    [
      `let plan = ddim_plan(${steps}, ${num(config.eta)}, linear(1 -> 1))`,
      `let all = scan(enumerate(plan), { x: x_T, x0: x_T }, fn(before, (i, s)) {
    let (x, said) = (before.x, model_output[step: i])
    let guess = ${estimate}
    let x0 = ${clipped}
    return { x: ddim_step(x0, ${noise}, variance_noise[step: i], s), x0: x0 }
  })`,
    ],
    { prev_sample: "stack([for a in all[1..]: a.x], axis: step)", pred_original_sample: "stack([for a in all[1..]: a.x0], axis: step)" },
  );
}

export const diffusionKinds: KindTable = {
  add_noise: addNoise,
  ddim,
  classifier_free_guidance: (config, tensors) =>
    body(
      declare(tensors, { "input.uncond": "b c h w", "input.cond": "b c h w" }),
      from("guided", "rescaled"),
      [`let g = guided(cond, uncond, ${num(config.guidance_scale)})`],
      { guided: "g", rescaled: `rescaled(g, cond, ${num(config.guidance_rescale)})` },
    ),
};
