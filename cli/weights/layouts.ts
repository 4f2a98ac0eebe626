import type { NetworkUse } from "./bindings.ts";

// The layouts that published files of these networks come in, each a `keys` block of `models/`. The parts of Stable Diffusion 1.x come in
// two: `ldm`, all parts in one file under prefixes, and `diffusers`, each part in a file of its own.

export type Layout = "ldm" | "diffusers";
export type PartName = "unet" | "vae" | "text";

interface Network extends Omit<NetworkUse, "keys"> {
  readonly keys: readonly string[];
}
const row = (
  file: string,
  name: string,
  use: string,
  keys: readonly string[],
  more: { readonly args?: string; readonly names?: readonly string[] } = {},
): Network => ({
  file,
  names: [name, ...(more.names ?? [])],
  network: `${name}(${more.args ?? ""})`,
  keys,
  use,
});

const unet = row(
  "unet",
  "UNet",
  "m(zeros([n: 1, c: 4, h: 8, w: 8]), expand(3, [n: 1]), everywhere(zeros([n: 1, tokens: 77, cw: 768])))",
  ["ldm_unet", "diffusers_unet"],
  { names: ["everywhere"] },
);
const vae = row("vae", "Vae", "m.decode(m.encode(zeros([n: 1, c: 3, h: 16, w: 16])))", ["ldm_vae", "bare_vae", "diffusers_vae"]);
const text = row("clip", "ClipText", "m(m.embed(hello))", ["ldm_text", "hf_text"]);

/** The parts of Stable Diffusion: the `keys` block of each layout. */
export const parts: Readonly<Record<PartName, { readonly network: Network; readonly ldm: string; readonly diffusers: string }>> = {
  unet: { network: unet, ldm: "ldm_unet", diffusers: "diffusers_unet" },
  vae: { network: vae, ldm: "ldm_vae", diffusers: "diffusers_vae" },
  text: { network: text, ldm: "ldm_text", diffusers: "hf_text" },
};

/** Every network that has `keys` blocks. */
export const networks: readonly Network[] = [
  unet,
  vae,
  text,
  row("clip", "ClipVision", "m.pooled(m(zeros([n: 1, c: 3, h: 224, w: 224]))[1])", ["hf_vision"]),
  row("iresnet", "IResNet", "m(zeros([n: 1, c: 3, h: 112, w: 112]))", ["insightface"]),
  row("iresnet", "IResNet", "m(zeros([n: 1, c: 3, h: 112, w: 112]))", ["insightface"], { args: "blocks: [3, 4, 14, 3]" }),
  row("bisenet", "BiSeNet", "[for y in [m.heads(zeros([n: 1, c: 3, h: 64, w: 64]))]: mean(y.out) + mean(y.out16) + mean(y.out32)][0]", [
    "face_parsing",
  ]),
  row("resnet_face", "ResNetFace", "m(zeros([n: 1, c: 1, h: 128, w: 128]))", ["arcface_grey"]),
];

/** What a file may hold besides a network's parameters. */
export const bookkeeping = /(^|\.)(num_batches_tracked|position_ids)$/;
