import type { KindTable, Tensors } from "../written.ts";
import { num } from "./text.ts";

// Attention as a call, with its probabilities as a second result. Those are made of a product that is written otherwise, so that the call's own
// scores stay unread and the template computes it.

const axes = { q: ["query", "d"], k: ["key", "d"], v: ["key", "e"], mask: ["query", "key"] } as const;

/** Names of the leading axes, counted from the back: a mask may lack some, or have them with size 1. */
const leadOf = (tensors: Tensors, name: string): string[] => {
  const rank = tensors[name]!.shape.length - 2;
  return Array.from({ length: rank }, (_, i) => `b${rank - i}`);
};

/** The mask's axes; those of size 1 have names of their own and are dropped, then names align it. */
function maskOf(tensors: Tensors): { readonly type: string; readonly axes: readonly string[]; readonly expr: string } | null {
  const mask = tensors["input.mask"];
  if (!mask) return null;
  const scores = [...tensors["input.q"]!.shape.slice(0, -1), tensors["input.k"]!.shape.at(-2)!];
  const names = mask.shape.length >= 2 ? [...leadOf(tensors, "input.mask"), ...axes.mask] : axes.mask.slice(2 - mask.shape.length);
  const own = names.map((a, i) => (mask.shape[i] === 1 && scores[scores.length - names.length + i] !== 1 ? `one_${a}` : a));
  const dropped = own.filter((a) => a.startsWith("one_"));
  const expr = dropped.length === 0 ? "mask" : `mask[${dropped.map((a) => `${a}: 0`).join(", ")}]`;
  return { type: own.length === 0 ? "real" : `real[${own.join(", ")}]`, axes: own, expr };
}

export const attentionKinds: KindTable = {
  scaled_dot_product_attention: (config, tensors) => {
    const lead = leadOf(tensors, "input.q");
    const named = (which: "q" | "k" | "v"): string[] => [...lead, ...axes[which]];
    const type = (which: "q" | "k" | "v"): string => `${which}: real[${named(which).join(", ")}]`;
    const mask = config.additive_mask === true ? maskOf(tensors) : null;
    const added = [...(config.causal === true ? ["hidden"] : []), ...(mask ? [mask.expr] : [])];
    const terms = [`dot(q, k * ${num(config.scale)}, over: d)`, ...added];
    const hidden = config.causal === true ? "\n  let hidden = where(expand(iota([query]), [query, key]) >= iota([key]), 0, -inf)" : "";
    return {
      text: `fused fn attended(q: real[...b, query, d], k: real[...b, key, d], v: real[...b, key, e], added: real[...m, key]? = none) -> real[...b, query, e]
  by attend {
  let s = dot(q, k, over: d) * ${num(config.scale)}
  return dot(softmax(if has(added) { s + added } else { s }, over: key), v, over: key)
}
fn case(${type("q")}, ${type("k")}, ${type("v")}${mask ? `, mask: ${mask.type}` : ""}) -> { y: real[...r], attn: real[...s] } {${hidden}
  let attn = softmax(${terms.join(" + ")}, over: key)
  return { y: attended(q, k, v${added.length > 0 ? `, ${added.join(" + ")}` : ""}), attn }
}
`,
      args: {
        "input.q": named("q").join(" "),
        "input.k": named("k").join(" "),
        "input.v": named("v").join(" "),
        ...(mask ? { "input.mask": mask.axes.join(" ") } : {}),
      },
      outputs: { y: "y", attn: "attn" },
    };
  },
};
