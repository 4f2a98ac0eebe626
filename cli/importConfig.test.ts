import { describe, expect, test } from "vitest";
import { hasErrors } from "../dsl/diagnostics.ts";
import { parse } from "../dsl/parse.ts";
import { importConfig } from "./importConfig.ts";

const finetune = `model:
  base_learning_rate: 8.0e-04
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    use_ema: False
    do_zero_shot: True
    composition_regs_iter_gap: 3
    arc2face_distill_iter_prob: 0.1
    mix_prompt_distill_weight: 2.0e-4
    optimizer_type: Prodigy
    grad_clip: 0.5
    manual_accumulate_grad_batches: 2
    prodigy_config:
      betas: [0.985, 0.993]
      zs_betas: [0.9, 0.999]
      d_coef: 2
      warm_up_steps: 500
      scheduler_cycles: 1
    unet_config:
      params:
        channel_mult: [1, 2, 4, 4]
    surprise: 7
data:
  params:
    batch_size: 3
lightning:
  modelcheckpoint:
    params:
      every_n_train_steps: 500
`;
function imported(text: string) {
  const made = importConfig("a.yaml", text);
  if ("problem" in made) throw new Error(made.problem);
  return made;
}

describe("a configuration of the original", () => {
  test("as a train block that can be read", () => {
    const { text } = imported(finetune);
    expect(text).toMatchInlineSnapshot(`
      "train imported like stage2 {
        batch 3
        accumulate 2 by sum
        each step: every 6 updates: compose otherwise: [0.1] distill | [0.9] reconstruct
        gradient clip_norm(0.5)
        optimizer prodigy(lr: decay(500), beta1: 0.9, beta2: 0.999, d_coef: 2, use_bias_correction: true)
        save every 500
      }
      "
    `);
    expect(hasErrors(parse("imported.ada", text).diagnostics)).toBe(false);
  });
  test("what programs fix in their text is named, and told apart where it differs", () => {
    const { fixed } = imported(finetune);
    expect(fixed).toContain(
      "a.yaml:22: model.params.unet_config.params.channel_mult = [1,2,4,4]: `UNet(mult: …)` in pipelines/adaface.ada",
    );
    expect(fixed.find((line) => line.includes("mix_prompt_distill_weight"))).toMatch(/which says 0\.0001: change it there$/);
  });
  test("what has no counterpart is listed with its line and the reason", () => {
    const { unknown } = imported(finetune);
    expect(unknown).toContain("a.yaml:6: model.params.use_ema = false: there is no moving average of parameters");
    expect(unknown).toContain("a.yaml:23: model.params.surprise = 7: no key that is known");
  });
  test("other optimisers, and mixes of steps", () => {
    const { text } = imported("model: { base_learning_rate: 0.001, optimizer_type: AdamW, betas: [0.9, 0.993], warm_up_steps: 10 }\n");
    expect(text).toContain("optimizer adamw(lr: 0.001 * decay(10), beta1: 0.9, beta2: 0.993)");
    expect(imported("composition_regs_iter_gap: 0\narc2face_distill_iter_prob: 1\n").text).toContain("each step: distill\n");
    expect(imported("composition_regs_iter_gap: 0\narc2face_distill_iter_prob: 0\n").text).toContain("each step: reconstruct\n");
  });
  test("a text that is no YAML", () =>
    expect(importConfig("a.yaml", "a: [1\nb: 2\n")).toMatchObject({ problem: expect.stringMatching(/^a\.yaml:\d/) }));
});
