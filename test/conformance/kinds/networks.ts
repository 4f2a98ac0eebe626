import type { Config, KindTable, Tensors, Written } from "../written.ts";
import { body, declare } from "./recorded.ts";

// Whole networks of `models/`, at the recorded sizes. Their parameters are found through the `keys` block of the layout.

/** A model `net` of a network in `models/`, its parameters named by a `keys` block of that file. */
export function model(file: string, network: string, keys: string, names: readonly string[] = []): string {
  const module = network.slice(0, network.indexOf("("));
  return `import { ${[module, keys, ...names].join(", ")} } from "models/${file}.ada"\nmodel net = ${network} from "weights" keys ${keys} trained\n`;
}
export const numbers = (list: unknown): string => `[${(list as readonly number[]).join(", ")}]`;

interface Diffusers {
  readonly block_out_channels: readonly number[];
  readonly down_block_types: readonly string[];
  readonly layers_per_block: number;
  readonly attention_head_dim: number; // the number of heads
  readonly norm_num_groups: number;
  readonly latent_channels: number;
  readonly scaling_factor: number;
}
const widthsOf = ({ block_out_channels: widths, layers_per_block: depth, norm_num_groups: groups }: Diffusers): string =>
  `width: ${widths[0]}, mult: ${numbers(widths.map((w) => w / widths[0]!))}, depth: ${depth}, groups: ${groups}`;

function unet(config: Diffusers, keys: string, tensors: Tensors, x: string, t: string, context: string): Written {
  const attended = config.down_block_types.filter((b) => b.startsWith("CrossAttn")).length;
  const made = declare(tensors, { [`input.${x}`]: "b c:4 h w", [`input.${t}`]: "b", [`input.${context}`]: "b tokens cw" });
  const network = `UNet(${widthsOf(config)}, heads: ${config.attention_head_dim}, attended: ${attended})`;
  const layers = (2 * config.layers_per_block + 1) * attended + 1;
  return body(made, model("unet", network, keys, ["everywhere"]), [], {
    sample: `net(${x}, ${t}, everywhere(${context}, layers: ${layers}))`,
  });
}

function autoencoder(config: Diffusers, keys: string, tensors: Tensors): Written {
  const sampled = tensors["input.noise"] !== undefined;
  const down = 2 ** (config.block_out_channels.length - 1);
  const made = declare(tensors, {
    "input.image": "b c:3 h w",
    ...(sampled ? { "input.noise": `b c:${config.latent_channels} h:h/${down} w:w/${down}` } : {}),
    "input.latent": "b z row col",
  });
  const network = `Vae(${widthsOf(config)}, z: ${config.latent_channels}, scale: ${config.scaling_factor}, down: ${down})`;
  const lines = ["let (m, logvar) = net.moments(image)"];
  const decoded = `net.decode(rename(latent, z: c, row: h, col: w) * ${config.scaling_factor})`;
  if (!sampled) return body(made, model("vae", network, keys), lines, { mean: "m", logvar: "logvar", decoded });
  return body(made, model("vae", network, keys), [...lines, "let spread = exp(0.5 * logvar)"], {
    mean: "m",
    logvar: "logvar",
    std: "spread",
    latent_sample_scaled: `${config.scaling_factor} * (m + spread * noise)`,
    kl: "0.5 * sum(m ** 2 + exp(logvar) - 1 - logvar, over: [c, h, w])",
    decoded,
  });
}

export interface Clip {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly num_hidden_layers: number;
  readonly vocab_size: number;
}
const innerOf = ({ intermediate_size: inner, hidden_size: width }: Clip): number => inner / width;
export const textSettings = (c: Clip): string =>
  `width: ${c.hidden_size}, heads: ${c.num_attention_heads}, vocab: ${c.vocab_size}, inner: ${innerOf(c)}`;
/** The text tower with one key and value per token. */
export function clipText(config: Config): string {
  const c = config as unknown as Clip;
  return model("clip", `ClipText(${textSettings(c)}, kv: ${numbers(Array(c.num_hidden_layers).fill(1))})`, "hf_text");
}
/** Its outputs, after `let last`. */
const lastAndPooled = { last_hidden_state: "last", pooler_output: "last[tokens: argmax(input_ids, over: tokens)]" };
const embedded = "let x = net.embeddings.token_embedding(input_ids)";
const hiddenStates = (tensors: Tensors): Record<string, string> =>
  Object.fromEntries(
    Object.keys(tensors).flatMap((name) => {
      const found = /^output\.(hidden_states\.(\d+))$/.exec(name);
      return found ? [[found[1]!, `states[${found[2]}]`]] : [];
    }),
  );

/** The vision tower, and the projection that its checkpoint has beside it. */
function clipVision(config: Config, tensors: Tensors): Written {
  const c = config as unknown as Clip & { readonly patch_size: number; readonly image_size: number; readonly projection_dim?: number };
  const masked = tensors["input.attn_mask"] !== undefined;
  const projected = tensors["param.visual_projection.weight"] !== undefined;
  const settings = `width: ${c.hidden_size}, heads: ${c.num_attention_heads}, depth: ${c.num_hidden_layers}, patch: ${c.patch_size}, side: ${c.image_size}, inner: ${innerOf(c)}`;
  const head = `import { ClipVision } from "models/clip.ada"
import { Linear } from "std/nn.ada"
module Tower() {
  part vision_model = ClipVision(${settings})
${projected ? `  part visual_projection = Linear(${c.projection_dim}, biased: false)\n` : ""}}
keys tower for Tower { vision_model.{patch_embedding,class_embedding,position_embedding} -> "vision_model.embeddings.{patch_embedding,class_embedding,position_embedding.weight}" }
model net = Tower() from "weights" keys tower trained
`;
  const made = declare(tensors, {
    "input.pixel_values": `b c:3 h:${c.image_size} w:${c.image_size}`,
    ...(masked ? { "input.attn_mask": "b row col" } : {}),
  });
  const side = c.image_size / c.patch_size;
  return body(
    made,
    head,
    [
      ...(masked
        ? [
            `let seen = resize_nearest(rename(attn_mask, row: h, col: w), ${side}, ${side}) |> view(\`b h w -> b tokens=(h w)\`) |> pad(tokens: 1..0, value: 1)`,
          ]
        : []),
      `let states = net.vision_model.states(pixel_values${masked ? ", focus: seen" : ""})`,
      "let pooled = net.vision_model.pooled(states[-1])",
    ],
    {
      last_hidden_state: "states[-1]",
      pooler_output: "pooled",
      ...hiddenStates(tensors),
      ...(projected ? { image_embeds: "net.visual_projection(pooled)" } : {}),
      ...(masked ? { attn_mask: "seen" } : {}),
    },
  );
}

export const networkKinds: KindTable = {
  unet_2d_condition: (config, tensors) =>
    unet(config as unknown as Diffusers, "diffusers_unet", tensors, "sample", "timestep", "encoder_hidden_states"),
  ldm_unet: (config, tensors) => unet(config.diffusers as Diffusers, "ldm_unet", tensors, "x", "timesteps", "context"),
  autoencoder_kl: (config, tensors) => autoencoder(config as unknown as Diffusers, "diffusers_vae", tensors),
  ldm_autoencoder: (config, tensors) => autoencoder(config.diffusers as Diffusers, "ldm_vae", tensors),
  iresnet: (config, tensors) => {
    const settings = `blocks: ${numbers(config.layers)}, widths: ${numbers(config.widths)}, out: ${config.num_features}, stem: ${config.stem_width}`;
    const made = declare(tensors, { "input.image": "b c:3 h w" });
    return body(made, model("iresnet", `IResNet(${settings})`, "insightface"), [], { embedding: "net(image)" }, { evaluated: "updates" });
  },
  clip_text: (config, tensors) => {
    const masked = tensors["input.attention_mask"] !== undefined;
    const made = declare(tensors, { "input.input_ids": "b tokens", ...(masked ? { "input.attention_mask": "b tokens" } : {}) });
    return body(
      made,
      clipText(config),
      [
        embedded,
        `let states = net.states(x${masked ? ", keep: rename(attention_mask, tokens: key)" : ""})`,
        "let last = net.final_layer_norm(states[-1])",
      ],
      { ...lastAndPooled, ...hiddenStates(tensors) },
    );
  },
  adaface_clip_text: (config, tensors) => {
    const made = declare(tensors, {
      "input.input_ids": "b tokens",
      "input.input_token_embs": "b tokens width",
      "input.hidden_state_layer_weights": "last one:1",
    });
    return body(
      made,
      clipText(config),
      ["let w = hidden_state_layer_weights[one: 0]", "let last = net(input_token_embs, mix: w / sum(w))"],
      lastAndPooled,
    );
  },
  readme_sd_text_encoder: (config, tensors) =>
    body(declare(tensors, { "input.input_ids": "b tokens", "input.skip_weights": "last" }), clipText(config), [embedded], {
      last_hidden_state: "net(x, mix: skip_weights)",
    }),
  bisenet: (config, tensors) =>
    body(
      declare(tensors, { "input.image": "b c:3 h w" }),
      model("bisenet", `BiSeNet(classes: ${config.n_classes}, widths: ${numbers(config.widths)})`, "face_parsing"),
      ["let maps = net.heads(image)"],
      { out: "maps.out", out16: "maps.out16", out32: "maps.out32" },
      { evaluated: "updates" },
    ),
  arcface_resnet_face: (config, tensors) => {
    const settings = `blocks: ${numbers(config.layers)}, widths: ${numbers(config.widths)}, out: ${config.num_features}`;
    const made = declare(tensors, { "input.image": "b c:1 h w" });
    const head = model("resnet_face", `ResNetFace(${settings})`, "arcface_grey");
    return body(made, head, [], { embedding: "net(image)" }, { evaluated: "updates" });
  },
  openai_clip: (config, tensors) => {
    const c = config as Readonly<Record<string, number>>;
    const settings = `out: ${c.embed_dim}, width: ${c.transformer_width}, depth: ${c.transformer_layers}, vocab: ${c.vocab_size}, length: ${c.context_length}, vision_width: ${c.vision_width}, vision_depth: ${c.vision_layers}, patch: ${c.vision_patch_size}, side: ${c.image_resolution}`;
    return body(
      declare(tensors, {
        "input.image": `m c:3 h:${c.image_resolution} w:${c.image_resolution}`,
        "input.text": `n tokens:${c.context_length}`,
      }),
      model("openai_clip", `OpenAiClip(${settings})`, "openai"),
      ["let i = net.image(image)", "let t = net.text(text)"],
      { image_features: "i", text_features: "t", logits_per_image: "net.logits(i, t)" },
    );
  },
  clip_vision: clipVision,
  adaface_clip_vision_masked: clipVision,
};
