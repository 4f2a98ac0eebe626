import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { elaborateTrain } from "../compiler/elaborate/index.ts";
import { programOf, render } from "../compiler/elaborate/testing.ts";
import { goldenFolder, goldenTitle } from "./golden.ts";

// `keys` blocks against recorded lists of the names and shapes in published checkpoints: every parameter has its tensor, none has another's.

const step = `
import { sgd } from "std/optim.ada"
dataset blank(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field who: Int = subject
}
model dummy = Dummy() trained
module Dummy() {
  param w: f32 = 1
  forward() -> real { return w }
}
train run {
  data d = blank("none")
  batch 1  micro_steps 1
  each step: fit
  optimizer sgd()
}
`;
const unet = `import { UNet, everywhere, ldm_unet, diffusers_unet } from "models/unet.ada"
step fit(d: blank) {
  let x = zeros([n: 1, c: 4, h: 8, w: 8])
  let t = expand(3, [n: 1])
  minimize dummy() * mean(stop(m(x, t, everywhere(zeros([n: 1, tokens: 77, cw: 768])))))
}`;
const vae = `import { Vae, ldm_vae } from "models/vae.ada"
step fit(d: blank) { minimize dummy() * mean(stop(m.decode(m.encode(zeros([n: 1, c: 3, h: 16, w: 16]))))) }`;
const text = `import { ClipText, hf_text } from "models/clip.ada"
prompt hello = "hello"
step fit(d: blank) { minimize dummy() * mean(stop(m(m.embed(hello)))) }`;
const vision = `import { ClipVision, hf_vision } from "models/clip.ada"
step fit(d: blank) { minimize dummy() * mean(stop(m.post_layernorm(m(zeros([n: 1, c: 3, h: 224, w: 224]))[1][tokens: 0]))) }`;
const iresnet = `import { IResNet, insightface } from "models/iresnet.ada"
step fit(d: blank) { minimize dummy() * mean(stop(m(zeros([n: 1, c: 3, h: 112, w: 112])))) }`;

const cases: readonly [file: string, program: string, model: string][] = [
  ["sd15_unet_ldm", unet, 'UNet() from "f.safetensors" keys ldm_unet frozen'],
  ["sd15_unet_diffusers", unet, 'UNet() from "f.safetensors" keys diffusers_unet frozen'],
  ["sd15_vae_ldm", vae, 'Vae() from "f.safetensors" keys ldm_vae frozen'],
  ["clip_vit_l14_text", text, 'ClipText() from "f.safetensors" keys hf_text frozen'],
  ["clip_vit_l14_vision", vision, 'ClipVision() from "f.safetensors" keys hf_vision frozen'],
  ["arcface_iresnet100", iresnet, 'IResNet() from "f.onnx" keys insightface frozen'],
];

describe(goldenTitle("keys of published checkpoints"), () => {
  test.runIf(goldenFolder !== undefined).each(cases)("%s", (file, uses, model) => {
    const recorded = JSON.parse(readFileSync(path.join(goldenFolder!, "checkpoint_keys", `${file}.json`), "utf8")) as {
      readonly shapes: Readonly<Record<string, readonly number[]>>;
    };
    const { program, resolution } = programOf(`${uses.replace(/^(import[^\n]*\n)/, "$1")}\nmodel m = ${model}\n${step}`);
    const made = elaborateTrain(program, resolution, "run");
    if (!made.ok) throw new Error(render(program, made.diagnostics));
    const keys = made.value.models.find((one) => one.name === "m")!.keys!;
    const bare = (name: string) => name.replace(/^(first_stage_model|model\.diffusion_model|cond_stage_model\.transformer)\./, "");
    const known = new Map(Object.entries(recorded.shapes).map(([name, shape]) => [bare(name), shape]));
    const missing = keys.filter((one) => !known.has(bare(one.file!))).map((one) => `${one.key} -> ${one.file}`);
    expect(missing).toEqual([]);
    for (const one of keys) expect([one.file, one.shape]).toEqual([one.file, known.get(bare(one.file!))]);
    const used = new Set(keys.map((one) => bare(one.file!)));
    expect(used.size).toBe(keys.length);
    const counters = /num_batches_tracked$|position_ids$/;
    const nobodys = [...known.keys()].filter((name) => !used.has(name) && !counters.test(name));
    // the projection behind the vision tower belongs to who scores pictures against texts
    expect(nobodys).toEqual(file === "clip_vit_l14_vision" ? ["visual_projection.weight"] : []);
  });
});
