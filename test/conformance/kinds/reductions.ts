import { axesOf, type Config, type KindTable, type Tensors, type Written } from "../written.ts";
import { ofX } from "./pointwise.ts";
import { dimsOf, num } from "./text.ts";

// Reductions, and what is made of them along the same axes. `keepdim` changes no element.

function over(config: Config, tensors: Tensors): string {
  const axes = axesOf(tensors["input.x"]);
  return `[${dimsOf(config.dim, axes.length)
    .map((d) => axes[d]!)
    .join(", ")}]`;
}
const named =
  (fn: string) =>
  (config: Config, tensors: Tensors): Written =>
    ofX(tensors, `${fn}(x, over: ${over(config, tensors)})`);

/** Biased or not: the correction of one degree of freedom is written where the prelude has the other. */
function spread(config: Config, tensors: Tensors): string {
  const o = over(config, tensors);
  const biased = `var(x, over: ${o})`;
  return config.unbiased === false ? biased : `${biased} * count(x, over: ${o}) / (count(x, over: ${o}) - 1)`;
}

function normText(p: unknown, o: string): string {
  const text = num(p);
  switch (text) {
    case "2":
      return `norm(x, over: ${o})`;
    case "1":
      return `sum(abs(x), over: ${o})`;
    case "0":
      return `sum(where(x == 0, 0, 1), over: ${o})`;
    case "inf":
      return `max(abs(x), over: ${o})`;
    case "(-inf)":
      return `min(abs(x), over: ${o})`;
    default:
      return `sum(abs(x) ** ${text}, over: ${o}) ** (1 / ${text})`;
  }
}

export const reductionKinds: KindTable = {
  sum: named("sum"),
  mean: named("mean"),
  amax: named("max"),
  softmax: named("softmax"),
  log_softmax: named("log_softmax"),
  logsumexp: named("logsumexp"),
  cumsum: named("cumsum"),
  argmax: (config, tensors) => {
    const axes = axesOf(tensors["input.x"]);
    const flat = (config.dim ?? null) === null && axes.length > 1;
    const x = flat ? `view(x, \`${axes.join(" ")} -> n=(${axes.join(" ")})\`)` : "x";
    const written = ofX(tensors, `argmax(${x}, over: ${flat ? "n" : over(config, tensors)})`);
    return { ...written, text: written.text.replace("-> real[...r]", "-> i32[...r]") };
  },
  var: (config, tensors) => ofX(tensors, spread(config, tensors)),
  std: (config, tensors) =>
    config.unbiased === false ? ofX(tensors, `sqrt(${spread(config, tensors)})`) : ofX(tensors, `std(x, over: ${over(config, tensors)})`),
  norm: (config, tensors) => ofX(tensors, normText(config.p, over(config, tensors))),
  normalize: (config, tensors) => {
    const o = over(config, tensors);
    return ofX(
      tensors,
      num(config.p) === "2" ? `unit(x, over: ${o}, eps: ${num(config.eps)})` : `x / max(${normText(config.p, o)}, ${num(config.eps)})`,
    );
  },
};
