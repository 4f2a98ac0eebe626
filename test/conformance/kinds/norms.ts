import { axesOf, type Config, type KindTable, type Tensors, type Unsupported, type Written } from "../written.ts";
import { num } from "./text.ts";

// Normalisation layers. Those of the library have the axes b, c, h, w: other ranks get axes of size 1, or merge what they have more.

/** `x` of any rank as `b c h w`: axes of the argument and the expression. */
function asPicture(tensors: Tensors): { readonly axes: readonly string[]; readonly x: string } | null {
  switch (tensors["input.x"]!.shape.length) {
    case 2:
      return { axes: ["b", "c"], x: "expand(x, [b, c, h: 1, w: 1])" };
    case 3:
      return { axes: ["b", "c", "h"], x: "expand(x, [b, c, h, w: 1])" };
    case 4:
      return { axes: ["b", "c", "h", "w"], x: "x" };
    case 5:
      return { axes: ["b", "c", "d", "e", "w"], x: "view(x, `b c d e w -> b c h=(d e) w`)" };
    default:
      return null;
  }
}

function picture(module: string, layer: string, effects: string, tensors: Tensors): Written | Unsupported {
  const made = asPicture(tensors);
  if (!made) return { unsupported: `${module} of a tensor with ${tensors["input.x"]!.shape.length} dimensions` };
  return {
    text: `import { ${module} } from "std/nn.ada"\nmodel net = ${layer} trained\nfn case(x: real[${made.axes.join(", ")}]) ${effects}-> real[...r] { return net(${made.x}) }\n`,
    args: { "input.x": made.axes.join(" ") },
  };
}

function layerNorm(config: Config, tensors: Tensors): Written {
  const axes = axesOf(tensors["input.x"]);
  const count = (config.normalized_shape as number[]).length;
  const last = axes.slice(axes.length - count);
  const weight = tensors["param.weight"] !== undefined;
  const bias = tensors["param.bias"] !== undefined;
  const x = `x: real[${axes.join(", ")}]`;
  if (count === 1 && weight === bias) {
    return {
      text: `import { LayerNorm } from "std/nn.ada"\nmodel net = LayerNorm(eps: ${num(config.eps)}, affine: ${weight}) trained\nfn case(${x}) -> real[...r] { return net(x) }\n`,
      args: { "input.x": axes.join(" ") },
    };
  }
  const params = [...(weight ? ["weight"] : []), ...(bias ? ["bias"] : [])];
  return {
    text: `import { standardize } from "std/nn.ada"
fn case(${[x, ...params.map((p) => `${p}: real[${last.join(", ")}]`)].join(", ")}) -> real[...r] {
  return standardize(x, over: [${last.join(", ")}], ${num(config.eps)})${weight ? " * weight" : ""}${bias ? " + bias" : ""}
}
`,
    args: { "input.x": axes.join(" "), ...Object.fromEntries(params.map((p) => [`param.${p}`, last.join(" ")])) },
  };
}

export const normKinds: KindTable = {
  layer_norm: layerNorm,
  group_norm: (config, tensors) => picture("GroupNorm", `GroupNorm(${num(config.num_groups)}, eps: ${num(config.eps)})`, "", tensors),
  batch_norm: (config, tensors) => {
    if (config.momentum === null) return { unsupported: "batch_norm with the running average of all batches (no momentum)" };
    const affine = tensors["param.weight"] !== undefined;
    const written = picture(
      "BatchNorm",
      `BatchNorm(eps: ${num(config.eps)}, momentum: ${num(config.momentum)}, affine: ${affine})`,
      "updates ",
      tensors,
    );
    if ("unsupported" in written) return written;
    const training = config.training === true;
    const states = Object.fromEntries(
      ["running_mean", "running_var"].filter((s) => tensors[`output.new_${s}`]).map((s) => [`new_${s}`, s]),
    );
    return { ...written, training, states };
  },
};
