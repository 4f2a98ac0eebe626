import type { Config, KindTable, Tensors, Unsupported, Written } from "../written.ts";
import { axesOf } from "../written.ts";
import { broadcast, namesAlign, num, typeOf } from "./text.ts";

// Elementwise operators, and the products that layers are made of.

/** A function of one tensor by an expression in `x`. */
export function ofX(tensors: Tensors, body: string, imports: readonly string[] = []): Written {
  const axes = axesOf(tensors["input.x"]);
  const from = imports.length === 0 ? "" : `import { ${imports.join(", ")} } from "std/nn.ada"\n`;
  return {
    text: `${from}fn case(x: ${typeOf(tensors["input.x"]!, axes)}) -> real[...r] { return ${body} }\n`,
    args: { "input.x": axes.join(" ") },
  };
}

interface UnaryRow {
  readonly body: (args: Config) => string;
  readonly imports?: readonly string[];
}
const plain = (body: string, ...imports: string[]): UnaryRow => ({ body: () => body, imports });
const unary: Readonly<Record<string, UnaryRow>> = {
  abs: plain("abs(x)"),
  cos: plain("cos(x)"),
  erf: plain("erf(x)"),
  exp: plain("exp(x)"),
  log: plain("ln(x)"),
  neg: plain("-x"),
  reciprocal: plain("1 / x"),
  relu: plain("max(x, 0)"),
  rsqrt: plain("rsqrt(x)"),
  sigmoid: plain("sigmoid(x)"),
  silu: plain("silu(x)", "silu"),
  sin: plain("sin(x)"),
  sqrt: plain("sqrt(x)"),
  square: plain("x * x"),
  tanh: plain("tanh(x)"),
  gelu: { body: (a) => (a.approximate === "tanh" ? "gelu_tanh(x)" : "gelu(x)"), imports: ["gelu", "gelu_tanh"] },
  quick_gelu: { body: (a) => `quick_gelu(x, ${num(a.alpha ?? 1.702)})`, imports: ["quick_gelu"] },
  leaky_relu: { body: (a) => `leaky_relu(x, ${num(a.negative_slope ?? 0.01)})`, imports: ["leaky_relu"] },
  softplus: { body: (a) => `softplus(x, ${num(a.beta ?? 1)}, ${num(a.threshold ?? 20)})`, imports: ["softplus"] },
  elu: { body: (a) => `elu(x, ${num(a.alpha ?? 1)})`, imports: ["elu"] },
  clamp: {
    body: (a) => {
      const low = (a.min ?? null) === null ? "x" : `max(x, ${num(a.min)})`;
      return (a.max ?? null) === null ? low : `min(${low}, ${num(a.max)})`;
    },
  },
  pow: { body: (a) => `x ** ${num(a.exponent)}` },
};

const binary: Readonly<Record<string, (a: string, b: string) => string>> = {
  add: (a, b) => `${a} + ${b}`,
  sub: (a, b) => `${a} - ${b}`,
  mul: (a, b) => `${a} * ${b}`,
  div: (a, b) => `${a} / ${b}`,
  maximum: (a, b) => `max(${a}, ${b})`,
  minimum: (a, b) => `min(${a}, ${b})`,
  pow: (a, b) => `${a} ** ${b}`,
};

function matmul(tensors: Tensors): Written {
  const names = ["input.a", "input.b"];
  const [ra, rb] = names.map((n) => tensors[n]!.shape.length) as [number, number];
  const trailing = [ra === 1 ? ["inner"] : ["row", "inner"], rb === 1 ? ["inner"] : ["inner", "column"]];
  const { params, args, operands, axes } = broadcast(tensors, names, "names", trailing);
  // Each side keeps the batch axes that it really has; the product is put in the order of the result.
  const result = [...axes, ...(ra === 1 ? [] : ["row"]), ...(rb === 1 ? [] : ["column"])];
  return {
    text: `fn case(${params}) -> real[...r] { return dot(${operands.join(", ")}, over: inner) |> order([${result.join(", ")}]) }\n`,
    args,
  };
}

function linear(config: Config, tensors: Tensors): Written {
  const lead = axesOf(tensors["input.x"]).slice(0, -1);
  const biased = config.bias !== false && tensors["param.bias"] !== undefined;
  const out = tensors["param.weight"]!.shape[0]!;
  const axes = [...lead, "f"];
  return {
    text: `import { Linear } from "std/nn.ada"\nmodel net = Linear(${out}, biased: ${biased}) trained\nfn case(x: real[${axes.join(", ")}]) -> real[...r] { return net(x) }\n`,
    args: { "input.x": axes.join(" ") },
  };
}

function preluOf(config: Config, tensors: Tensors): Written {
  const shape = tensors["input.x"]!.shape;
  const axes = axesOf(tensors["input.x"]);
  const weight = tensors["param.weight"]!.shape[0] === 1;
  const channel = ((config.channel_dim as number) + shape.length) % shape.length;
  if (!weight && shape.length === 4 && channel === 1) {
    return {
      text: `import { PReLU } from "std/nn.ada"\nmodel net = PReLU() trained\nfn case(x: real[b, c, h, w]) -> real[...r] { return net(x) }\n`,
      args: { "input.x": "b c h w" },
    };
  }
  const own = weight ? "one" : axes[channel]!;
  const slope = weight ? "weight[one: 0]" : "weight";
  return {
    text: `fn case(x: real[${axes.join(", ")}], weight: real[${own}]) -> real[...r] { return max(x, 0) + ${slope} * min(x, 0) }\n`,
    args: { "input.x": axes.join(" "), "param.weight": own },
  };
}

function geglu(config: Config, tensors: Tensors): Written {
  const lead = axesOf(tensors["input.x"]).slice(0, -1);
  const biased = tensors["param.proj.bias"] !== undefined;
  const x = [...lead, "f"];
  const product = `dot(x, proj_weight, over: f)${biased ? " + proj_bias" : ""}`;
  return {
    text: `import { geglu, geglu_tanh } from "std/nn.ada"
fn case(x: real[${x.join(", ")}], proj_weight: real[o, f]${biased ? ", proj_bias: real[o]" : ""}) -> real[...r] {
  return ${config.approximate === "tanh" ? "geglu_tanh" : "geglu"}(${product})
}
`,
    args: { "input.x": x.join(" "), "param.proj.weight": "o f", ...(biased ? { "param.proj.bias": "o" } : {}) },
  };
}

function diamond(config: Config, tensors: Tensors): Written {
  const axes = axesOf(tensors["input.x"]);
  const rank = axes.length;
  const lead = axes.slice(0, -1);
  const over = [...lead, "n"][((config.dim as number) + rank) % rank]!;
  return {
    text: `import { silu } from "std/nn.ada"
fn case(x: real[${[...lead, "f"].join(", ")}], w: real[f, n]) -> real[...r] {
  let h = dot(x, w, over: f)
  return softmax(h, over: ${over}) * silu(h) + rename(x[f: 0..n], f: n)
}
`,
    args: { "input.x": [...lead, "f"].join(" "), "param.w": "f n" },
  };
}

export const pointwiseKinds: KindTable = {
  unary: (config, tensors): Written | Unsupported => {
    const row = unary[config.op as string];
    if (!row) return { unsupported: `unary ${String(config.op)}` };
    return ofX(tensors, row.body((config.args ?? {}) as Config), row.imports ?? []);
  },
  binary: (config, tensors): Written | Unsupported => {
    const operator = binary[config.op as string];
    if (!operator) return { unsupported: `binary ${String(config.op)}` };
    const names = ["input.a", "input.b"];
    const { params, args, operands } = broadcast(tensors, names, namesAlign(tensors, names) ? "names" : "expand");
    const plus = ((config.args ?? {}) as Config).abs_of_a_plus;
    const [a, b] = operands as [string, string];
    const first = plus === undefined || plus === null ? a : `(abs(${a}) + ${num(plus)})`;
    return { text: `fn case(${params}) -> real[...r] { return ${operator(first, b)} }\n`, args };
  },
  where: (_, tensors) => {
    const { params, args, operands } = broadcast(tensors, ["input.cond", "input.a", "input.b"]);
    return { text: `fn case(${params}) -> real[...r] { return where(${operands[0]} > 0, ${operands[1]}, ${operands[2]}) }\n`, args };
  },
  matmul: (_, tensors) => matmul(tensors),
  linear,
  prelu: preluOf,
  geglu,
  diamond_accumulate: diamond,
};
