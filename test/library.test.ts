import { describe, expect, test } from "vitest";
import { vjp } from "../compiler/autodiff.ts";
import { elaborateFunction, type FunctionArgument } from "../compiler/elaborate/index.ts";
import { programOf, render, uniformArrays } from "../compiler/elaborate/testing.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import { evaluate } from "../compiler/reference/evaluate.ts";
import { firstDifference, type GoldenCase, goldenCases, goldenFolder, goldenTitle } from "./golden.ts";

// The standard library against recorded operators: values and gradients, by the reference meaning. A row says how a recorded call is written.

interface Written {
  readonly text: string;
  /** Axis names of each input; parameters are the leaves of `net`, or inputs of their own name. */
  readonly axes: Readonly<Record<string, string>>;
  readonly training?: boolean;
}
type Config = Readonly<Record<string, unknown>>;
const letters = "b c h w".split(" ");

const net = (module: string, forward: string, axes: string): Written => ({
  text: `import { Linear, Embedding, Conv, LayerNorm, GroupNorm, BatchNorm, PReLU } from "std/nn.ada"
module Net() { part m = ${module} forward(${forward} { return m(x) } }
model net = Net() trained
fn f(${forward} { return net(x) }`,
  axes: { x: axes },
});
const reduced = (name: string, reduction: unknown, more = ""): Written => ({
  text: `import { ${name}_each } from "std/losses.ada"
fn f(a: real[...s], b: real[...s]) -> real[...r] { return ${reduction === "none" ? "" : reduction}(${name}_each(a, b${more})) }`,
  axes: { a: "p q r", b: "p q r" },
});
const over = (fn: string, rank: number, dims: readonly number[]): Written => {
  const axes = letters.slice(0, rank);
  const named = dims.map((d) => axes[(d + rank) % rank]!);
  return {
    text: `fn f(x: real[${axes.join(", ")}]) -> real[...r] { return ${fn}(x, over: [${named.join(", ")}]) }`,
    axes: { x: axes.join(" ") },
  };
};
const square = (pair: unknown): number | null => ((pair as number[])[0] === (pair as number[])[1] ? (pair as number[])[0]! : null);

/** How each recorded kind is written; null where the library does not have that option. */
const written: Readonly<Record<string, (config: Config, shape: readonly number[]) => Written | null>> = {
  linear: (c, shape) => {
    const lead = letters.slice(0, shape.length - 1).join(" ");
    return net(`Linear(OUT, biased: ${c.bias})`, "x: real[...b, f]) -> real[...b, f: OUT]", `${lead} f`);
  },
  embedding: () => net("Embedding(11, 6)", "x: i32[...b]) -> real[...b, width: 6]", "b c"),
  conv2d: (c) => {
    const [size, stride, pad, dilation] = [c.kernel_size, c.stride, c.padding, c.dilation].map(square);
    if (dilation !== 1 || c.groups !== 1 || size === null || stride === null || pad === null) return null;
    return net(`Conv(OUT, ${size}, stride: ${stride}, pad: ${pad}, biased: ${c.bias})`, "x: real[...b, c, h, w]) -> real[...r]", "b c h w");
  },
  layer_norm: (c, shape) =>
    net(
      `LayerNorm(eps: ${c.eps}, affine: ${c.elementwise_affine})`,
      "x: real[...b, f]) -> real[...b, f]",
      `${letters.slice(0, shape.length - 1).join(" ")} f`,
    ),
  group_norm: (c, shape) =>
    shape.length === 4
      ? net(`GroupNorm(${c.num_groups}, eps: ${c.eps})`, "x: real[...b, c, h, w]) -> real[...b, c, h, w]", "b c h w")
      : null,
  batch_norm: (c) => ({
    ...net(`BatchNorm(eps: ${c.eps}, momentum: ${c.momentum})`, "x: real[...b, c, h, w]) updates -> real[...b, c, h, w]", "b c h w"),
    training: c.training as boolean,
  }),
  prelu: (c) => (c.num_parameters === 1 ? null : net("PReLU()", "x: real[...b, c, h, w]) -> real[...b, c, h, w]", "b c h w")),
  softmax: (c, shape) => over("softmax", shape.length, [c.dim as number]),
  log_softmax: (c, shape) => over("log_softmax", shape.length, [c.dim as number]),
  logsumexp: (c, shape) => over("logsumexp", shape.length, [c.dim as number]),
  normalize: (_, shape) => over("unit", shape.length, [-1]),
  std: (c, shape) => (c.keepdim ? null : over("std", shape.length, c.dim as number[])),
  mse_loss: (c) => reduced("squared", c.reduction),
  l1_loss: (c) => reduced("absolute", c.reduction),
  huber_loss: (c) => reduced("huber", c.reduction, `, ${c.delta}`),
  smooth_l1_loss: (c) => reduced("smooth_l1", c.reduction, `, ${c.beta}`),
  bce_with_logits: () => ({
    text: `import { bce_with_logits } from "std/losses.ada"\nfn f(x: real[b, c], target: real[b, c]) -> real { return bce_with_logits(x, target) }`,
    axes: { x: "b c", target: "b c" },
  }),
  cross_entropy: (c, shape) => {
    const axes = shape.length === 2 ? "b c" : "b c h w";
    const last = shape.length === 2 ? "x" : "order(x, [b, h, w, c])";
    const ids = axes.replace("c ", "").replace(" c", "");
    const call =
      c.reduction === "none"
        ? `cross_entropy_each(${last}, target)`
        : `cross_entropy(${last}, target, ${c.label_smoothing}, ignore: ${c.ignore_index})`;
    return {
      text: `import { cross_entropy, cross_entropy_each } from "std/losses.ada"\nfn f(x: real[${axes.replaceAll(" ", ", ")}], target: i32[${ids.replaceAll(" ", ", ")}]) -> real[...r] { return ${call} }`,
      axes: { x: axes, target: ids },
    };
  },
  interpolate: (c) => {
    const [h, w] = c.size as number[];
    const name = c.mode === "nearest" ? "resize_nearest" : c.mode === "bilinear" && c.align_corners === false ? "resize" : null;
    if (name === null || ((h as number) < 5 && c.mode === "bilinear")) return null;
    return {
      text: `${name === "resize" ? 'import { resize } from "std/nn.ada"\n' : ""}fn f(x: real[b, c, h, w]) -> real[...r] { return ${name}(x, ${h}, ${w}) }`,
      axes: { x: "b c h w" },
    };
  },
};

function check(one: GoldenCase, program: Written): void {
  const tensors = one.tensors();
  const text = program.text.replaceAll("OUT", String(tensors["param.weight"]?.shape[0] ?? 0));
  const { program: loaded, resolution } = programOf(text);
  const inputs: Record<string, NdArray> = {};
  const args = Object.entries(program.axes).map(([name, axes]): FunctionArgument => {
    const tensor = (tensors[`input.${name}`] ?? tensors["input.ids"])!;
    inputs[name] = tensor;
    return { name, shape: tensor.shape, axes: axes.split(" "), dtype: tensor.dtype as "f32" | "i32" };
  });
  const made = elaborateFunction(loaded, resolution, "f", args, program.training === undefined ? {} : { training: program.training });
  if (!made.ok) throw new Error(render(loaded, made.diagnostics));
  const { graph, leaves, builder, uniforms } = made.value;
  const named = (path: string) => path.slice(path.lastIndexOf(".") + 1);
  for (const leaf of leaves) inputs[leaf.path] = (tensors[`param.${named(leaf.path)}`] ?? tensors[`input.${named(leaf.path)}`])!;
  const result = graph.results.find((r) => r.name === "result")!.value;
  const cotangent = tensors["input.cotangent.y"]!;
  const wanted = [
    ...args.filter((a) => a.dtype === "f32").map((a) => ({ name: `input.${a.name}`, leaf: a.name, shape: a.shape! })),
    ...leaves.map((l) => ({ name: `param.${named(l.path)}`, leaf: l.path, shape: l.shape })),
  ].filter((g) => tensors[`grad.${g.name}`]);
  expect(wanted.length).toBeGreaterThan(0);
  const role = (leaf: string) => (leaves.some((l) => l.path === leaf) ? "param" : "data");
  const wrt = wanted.map((g) => builder.input(g.leaf, g.shape, { role: role(g.leaf) }));
  const grads = vjp(builder, [result], [builder.table([...cotangent.data], cotangent.shape)], wrt);
  const found = evaluate(
    { name: "f", results: [...graph.results, ...grads.map((value, i) => ({ name: `grad.${wanted[i]!.name}`, value }))] },
    { ...inputs, ...uniformArrays(uniforms) },
  );
  expect(firstDifference(one, "output.y", found.result!.data, tensors["output.y"]!.data)).toBeUndefined();
  for (const g of wanted)
    expect(firstDifference(one, `grad.${g.name}`, found[`grad.${g.name}`]!.data, tensors[`grad.${g.name}`]!.data)).toBeUndefined();
  for (const leaf of leaves.filter((l) => l.role === "state")) {
    const name = `output.new_${named(leaf.path)}`;
    if (tensors[name]) expect(firstDifference(one, name, found[`update.${leaf.path}`]!.data, tensors[name].data)).toBeUndefined();
  }
}

const cases = goldenCases("ops", Object.keys(written)).flatMap((one) => {
  const program = written[one.kind]!(
    one.config,
    (one.tensors()["input.x"] ?? one.tensors()["input.a"] ?? one.tensors()["input.ids"])!.shape,
  );
  return program ? [{ name: one.name, one, program }] : [];
});
describe(goldenTitle("the standard library against recorded operators"), () => {
  test.runIf(goldenFolder !== undefined)("every kind has a case", () => {
    expect([...new Set(cases.map((c) => c.one.kind))].sort()).toEqual(Object.keys(written).sort());
  });
  test.each(cases)("$name", ({ one, program }) => check(one, program));
});
