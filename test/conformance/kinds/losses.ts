import { axesOf, type Config, type KindTable, type Tensors, type Unsupported, type Written } from "../written.ts";
import { broadcast, dimsOf, num, typeOf } from "./text.ts";

// Losses as the standard library has them; `reduction` is what is done with the elementwise ones.

function reduce(reduction: unknown, each: string): string | null {
  switch (reduction ?? "mean") {
    case "none":
      return each;
    case "mean":
      return `mean(${each})`;
    case "sum":
      return `sum(${each})`;
    default:
      return null;
  }
}
const unknown = (reduction: unknown): Unsupported => ({ unsupported: `reduction ${String(reduction)}` });

/** A loss of two tensors that has an elementwise function in the library. */
const each =
  (fn: string, names: readonly [string, string], more: (config: Config) => string = () => "") =>
  (config: Config, tensors: Tensors): Written | Unsupported => {
    const { params, args, operands } = broadcast(tensors, names);
    const body = reduce(config.reduction, `${fn}(${operands.join(", ")}${more(config)})`);
    if (body === null) return unknown(config.reduction);
    return { text: `import { ${fn} } from "std/losses.ada"\nfn case(${params}) -> real[...r] { return ${body} }\n`, args };
  };
const pair = ["input.a", "input.b"] as const;

function crossEntropy(config: Config, tensors: Tensors): Written | Unsupported {
  const axes = axesOf(tensors["input.x"]);
  const at = axes.length === 1 ? 0 : 1;
  const ids = axes.filter((_, i) => i !== at);
  const last = at === axes.length - 1 ? "x" : `order(x, [${[...ids, axes[at]!].join(", ")}])`;
  const given = tensors["input.weight"] ? "input.weight" : tensors["param.weight"] ? "param.weight" : null;
  const listed = Array.isArray(config.weight) ? (config.weight as number[]) : null;
  if (given === null && listed === null && (config.weight ?? null) !== null)
    return { unsupported: `class weights given as ${JSON.stringify(config.weight)}` };
  // Weights in the config are a table of this file, one class after the other.
  const weight =
    given !== null ? "weight" : listed ? `stack([${listed.map((w) => `expand(${num(w)}, [])`).join(", ")}], axis: ${axes[at]})` : null;
  const options = [
    (config.label_smoothing ?? 0) === 0 ? [] : [`smoothing: ${num(config.label_smoothing)}`],
    (config.ignore_index ?? null) === null ? [] : [`ignore: ${num(config.ignore_index)}`],
    weight === null ? [] : [`weight: ${weight}`],
  ].flat();
  const call = (fn: string): string => `${fn}(${[last, "target", ...options].join(", ")})`;
  const reduction = config.reduction ?? "mean";
  const body = reduction === "mean" ? call("cross_entropy") : reduce(reduction, call("cross_entropy_each"));
  if (body === null) return unknown(reduction);
  const params = [
    `x: real[${axes.join(", ")}]`,
    `target: ${typeOf(tensors["input.target"]!, ids)}`,
    ...(given === null ? [] : [`weight: real[${axes[at]}]`]),
  ];
  return {
    text: `import { cross_entropy, cross_entropy_each } from "std/losses.ada"\nfn case(${params.join(", ")}) -> real[...r] { return ${body} }\n`,
    args: { "input.x": axes.join(" "), "input.target": ids.join(" "), ...(given === null ? {} : { [given]: axes[at]! }) },
  };
}

function softmaxDivergence(config: Config, tensors: Tensors): Written | Unsupported {
  const axes = axesOf(tensors["input.x"]);
  const over = axes[dimsOf(config.dim, axes.length)[0]!]!;
  const value = `softmax_kl_each(x, t, over: ${over})`;
  const body = config.reduction === "batchmean" ? `sum(${value}) / size(x, ${axes[0]})` : reduce(config.reduction, value);
  if (body === null) return unknown(config.reduction);
  // `log_target` only says how the target is handed over; the value is the same.
  const type = `real[${axes.join(", ")}]`;
  return {
    text: `import { softmax_kl_each } from "std/losses.ada"\nfn case(x: ${type}, t: ${type}) -> real[...r] { return ${body} }\n`,
    args: { "input.x": axes.join(" "), "input.t": axes.join(" ") },
  };
}

function cosineEmbedding(config: Config, tensors: Tensors): Written | Unsupported {
  const axes = axesOf(tensors["input.a"]);
  const lead = axes.slice(0, -1);
  const body = reduce(config.reduction, `cosine_embedding_each(a, b, target, margin: ${num(config.margin)}, eps: ${num(config.eps)})`);
  if (body === null) return unknown(config.reduction);
  const type = `real[${axes.join(", ")}]`;
  return {
    text: `import { cosine_embedding_each } from "std/losses.ada"\nfn case(a: ${type}, b: ${type}, target: ${typeOf(tensors["input.target"]!, lead)}) -> real[...r] { return ${body} }\n`,
    args: { "input.a": axes.join(" "), "input.b": axes.join(" "), "input.target": lead.join(" ") },
  };
}

export const lossKinds: KindTable = {
  mse_loss: each("squared_each", pair),
  l1_loss: each("absolute_each", pair),
  huber_loss: each("huber_each", pair, (c) => `, ${num(c.delta)}`),
  smooth_l1_loss: each("smooth_l1_each", pair, (c) => `, ${num(c.beta)}`),
  bce_with_logits: each("bce_with_logits_each", ["input.x", "input.target"]),
  cross_entropy: crossEntropy,
  softmax_kl_div: softmaxDivergence,
  cosine_similarity: (config, tensors) => {
    const { params, args, operands, axes } = broadcast(tensors, pair);
    const over = axes[dimsOf(config.dim, axes.length)[0]!]!;
    return {
      text: `import { cosine_similarity } from "std/losses.ada"\nfn case(${params}) -> real[...r] { return cosine_similarity(${operands.join(", ")}, over: ${over}, eps: ${num(config.eps)}) }\n`,
      args,
    };
  },
  cosine_embedding_loss: cosineEmbedding,
};
