import type { NetworkUse } from "./bindings.ts";

// The layouts that published files of these networks come in, each a `keys` block of `models/`. The parts of Stable Diffusion 1.x come in
// two: `ldm`, all parts in one file under prefixes, and `diffusers`, each part in a file of its own.

export type Layout = "ldm" | "diffusers";
export type PartName = "unet" | "vae" | "text";

export interface Network extends Omit<NetworkUse, "keys"> {
  readonly keys: readonly string[];
}
/** A network with its layouts; `args` are what it is made with, `names` what `use` needs besides. */
export const network = (
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

const unet = network(
  "unet",
  "UNet",
  "m(zeros([n: 1, c: 4, h: 8, w: 8]), expand(3, [n: 1]), everywhere(zeros([n: 1, tokens: 77, cw: 768])))",
  ["ldm_unet", "diffusers_unet"],
  { names: ["everywhere"] },
);
const vae = network("vae", "Vae", "m.decode(m.encode(zeros([n: 1, c: 3, h: 16, w: 16])))", ["ldm_vae", "bare_vae", "diffusers_vae"]);
const text = network("clip", "ClipText", "m(m.embeddings.token_embedding(iota([tokens: 77])))", ["ldm_text", "hf_text"]);

/** The parts of Stable Diffusion: the `keys` block of each layout. */
export const parts: Readonly<Record<PartName, { readonly network: Network; readonly ldm: string; readonly diffusers: string }>> = {
  unet: { network: unet, ldm: "ldm_unet", diffusers: "diffusers_unet" },
  vae: { network: vae, ldm: "ldm_vae", diffusers: "diffusers_vae" },
  text: { network: text, ldm: "ldm_text", diffusers: "hf_text" },
};
