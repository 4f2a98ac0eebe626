import { describe, expect, test } from "vitest";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Case } from "./case.ts";
import { lossKinds } from "./kinds/losses.ts";
import { normKinds } from "./kinds/norms.ts";
import { pointwiseKinds } from "./kinds/pointwise.ts";
import { reductionKinds } from "./kinds/reductions.ts";
import { byReference, runWritten } from "./run.ts";
import type { Config } from "./written.ts";

// How kinds are written with options that recorded cases need not have: results against plain arithmetic, by the reference meaning.

const kinds = { ...pointwiseKinds, ...reductionKinds, ...normKinds, ...lossKinds };
const count = (shape: readonly number[]): number => shape.reduce((n, s) => n * s, 1);
/** Numbers between -2 and 2 that do not repeat within a row. */
const drawn = (shape: readonly number[], seed = 1): NdArray => ({
  dtype: "f32",
  shape,
  data: Float64Array.from({ length: count(shape) }, (_, i) => ((i * 37 + seed * 53) % 101) / 25 - 2),
});
const array = (shape: readonly number[], data: readonly number[], dtype: "f32" | "i32" = "f32"): NdArray => ({
  dtype,
  shape,
  data: Float64Array.from(data),
});
const rowsOf = (x: NdArray): number[][] => {
  const width = x.shape.at(-1)!;
  return Array.from({ length: x.data.length / width }, (_, i) => [...x.data.slice(i * width, (i + 1) * width)]);
};
const total = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);
const mean = (x: readonly number[]): number => total(x) / x.length;
const variance = (x: readonly number[], correction: number): number => total(x.map((v) => (v - mean(x)) ** 2)) / (x.length - correction);
const logSoftmax = (x: readonly number[]): number[] => x.map((v) => v - Math.log(total(x.map(Math.exp))));
const power = (x: readonly number[], p: number): number => total(x.map((v) => Math.abs(v) ** p)) ** (1 / p);

interface Row {
  readonly kind: string;
  readonly config: Config;
  readonly tensors: Readonly<Record<string, NdArray>>;
  readonly y: readonly number[];
}
const x = drawn([3, 4]);
const t = drawn([3, 4], 2);
const rows = rowsOf(x);
const unary = (op: string, args: Config, f: (v: number) => number): Row => ({
  kind: "unary",
  config: { op, args },
  tensors: { "input.x": x },
  y: [...x.data].map(f),
});
const reduction = (kind: string, config: Config, y: readonly number[]): Row => ({ kind, config, tensors: { "input.x": x }, y });

/** Cross entropy with class weights, smoothing and an ignored id, as its definition says. */
function crossEntropy(
  ids: readonly number[],
  weights: readonly number[],
  smoothing: number,
  ignore: number,
): { readonly each: number[]; readonly share: number[] } {
  const each = rows.map((row, i) => {
    const p = logSoftmax(row).map((v, c) => -v * weights[c]!);
    return ids[i] === ignore ? 0 : (1 - smoothing) * p[ids[i]!]! + smoothing * mean(p);
  });
  return { each, share: ids.map((id) => (id === ignore ? 0 : weights[id]!)) };
}
const weights = [1, 0.5, 2, 0.25];
const ce = crossEntropy([1, 2, 0], weights, 0.2, 2);
const entropy = (reduction: string, y: readonly number[]): Row => ({
  kind: "cross_entropy",
  config: { reduction, label_smoothing: 0.2, ignore_index: 2, weight: weights },
  tensors: { "input.x": x, "input.target": array([3], [1, 2, 0], "i32") },
  y,
});
const divergence = rowsOf(t).map((row, i) => total(logSoftmax(row).map((p, c) => Math.exp(p) * (p - logSoftmax(rows[i]!)[c]!))));
const cosines = rows.map((row, i) => total(row.map((v, c) => v * t.data[i * 4 + c]!)) / power(row, 2) / power(rowsOf(t)[i]!, 2));

const table: readonly Row[] = [
  unary("clamp", { min: -0.5, max: null }, (v) => Math.max(v, -0.5)),
  unary("clamp", { min: null, max: 0.25 }, (v) => Math.min(v, 0.25)),
  unary("softplus", { beta: 2, threshold: 1 }, (v) => (2 * v > 1 ? v : Math.log(1 + Math.exp(2 * v)) / 2)),
  unary("elu", { alpha: 0.5 }, (v) => (v > 0 ? v : 0.5 * (Math.exp(v) - 1))),
  unary("quick_gelu", { alpha: 1.5 }, (v) => v / (1 + Math.exp(-1.5 * v))),
  unary("pow", { exponent: 2 }, (v) => v * v),
  reduction(
    "var",
    { dim: [1], keepdim: false, unbiased: false },
    rows.map((r) => variance(r, 0)),
  ),
  reduction(
    "std",
    { dim: -1, keepdim: true, unbiased: false },
    rows.map((r) => Math.sqrt(variance(r, 0))),
  ),
  reduction("sum", { dim: null, keepdim: false }, [total([...x.data])]),
  reduction("amax", { dim: [0, 1], keepdim: false }, [Math.max(...x.data)]),
  reduction("argmax", { dim: null, keepdim: false }, [x.data.indexOf(Math.max(...x.data))]),
  reduction(
    "norm",
    { p: 3, dim: [1], keepdim: false },
    rows.map((r) => power(r, 3)),
  ),
  reduction(
    "norm",
    { p: 1, dim: [1], keepdim: false },
    rows.map((r) => power(r, 1)),
  ),
  reduction(
    "norm",
    { p: "inf", dim: [1], keepdim: false },
    rows.map((r) => Math.max(...r.map(Math.abs))),
  ),
  reduction(
    "norm",
    { p: "-inf", dim: [1], keepdim: false },
    rows.map((r) => Math.min(...r.map(Math.abs))),
  ),
  reduction("norm", { p: 0, dim: null, keepdim: false }, [[...x.data].filter((v) => v !== 0).length]),
  reduction(
    "normalize",
    { p: 1, dim: 1, eps: 1e-12 },
    rows.flatMap((r) => r.map((v) => v / power(r, 1))),
  ),
  reduction(
    "normalize",
    { p: 2, dim: 1, eps: 100 },
    [...x.data].map((v) => v / 100),
  ),
  {
    kind: "matmul",
    config: {},
    tensors: { "input.a": array([2], [1, 2]), "input.b": array([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) },
    y: [9, 12, 15, 27, 30, 33],
  },
  { kind: "matmul", config: {}, tensors: { "input.a": array([3], [1, 2, 3]), "input.b": array([3], [4, 5, 6]) }, y: [32] },
  {
    kind: "binary",
    config: { op: "sub", args: {} },
    tensors: { "input.a": array([2, 1], [1, 2]), "input.b": array([1, 3], [1, 2, 3]) },
    y: [0, -1, -2, 1, 0, -1],
  },
  { kind: "binary", config: { op: "mul", args: {} }, tensors: { "input.a": array([1, 1], [3]), "input.b": array([2], [1, 2]) }, y: [3, 6] },
  {
    kind: "layer_norm",
    config: { normalized_shape: [3, 4], eps: 1e-3, elementwise_affine: true },
    tensors: { "input.x": x, "param.weight": t, "param.bias": drawn([3, 4], 3) },
    y: [...x.data].map(
      (v, i) => ((v - mean([...x.data])) / Math.sqrt(variance([...x.data], 0) + 1e-3)) * t.data[i]! + drawn([3, 4], 3).data[i]!,
    ),
  },
  {
    kind: "batch_norm",
    config: { training: false, momentum: 0.1, eps: 0 },
    tensors: {
      "input.x": x,
      "param.weight": array([4], [1, 2, 3, 4]),
      "param.bias": array([4], [0, 1, 0, 1]),
      "param.running_mean": array([4], [1, 1, 0, 0]),
      "param.running_var": array([4], [1, 4, 1, 4]),
    },
    y: [...x.data].map((v, i) => ((v - [1, 1, 0, 0][i % 4]!) / [1, 2, 1, 2][i % 4]!) * ((i % 4) + 1) + (i % 2)),
  },
  ...(["none", "sum", "mean"] as const).map((r) =>
    entropy(r, r === "none" ? ce.each : r === "sum" ? [total(ce.each)] : [total(ce.each) / total(ce.share)]),
  ),
  {
    kind: "softmax_kl_div",
    config: { dim: 1, reduction: "mean", log_target: false },
    tensors: { "input.x": x, "input.t": t },
    y: [total(divergence) / 12],
  },
  { kind: "cosine_similarity", config: { dim: 1, eps: 1e-8 }, tensors: { "input.a": x, "input.b": t }, y: cosines },
  {
    kind: "cosine_embedding_loss",
    config: { margin: -0.9, reduction: "mean", eps: 0 },
    tensors: { "input.a": x, "input.b": t, "input.target": array([3], [1, -1, -1]) },
    y: [mean([1 - cosines[0]!, Math.max(0, cosines[1]! + 0.9), Math.max(0, cosines[2]! + 0.9)])],
  },
  ...([3, 5] as const).map((rank): Row => {
    // Two groups of two channels; statistics are over a group and all spatial axes.
    const shape = rank === 3 ? [1, 4, 3] : [1, 4, 1, 3, 1];
    const halves = [[...x.data.slice(0, 6)], [...x.data.slice(6)]];
    return {
      kind: "group_norm",
      config: { num_groups: 2, eps: 1e-5 },
      tensors: { "input.x": { ...x, shape }, "param.weight": array([4], [1, 1, 1, 1]), "param.bias": array([4], [0, 0, 0, 0]) },
      y: halves.flatMap((h) => h.map((v) => (v - mean(h)) / Math.sqrt(variance(h, 0) + 1e-5))),
    };
  }),
  {
    kind: "prelu",
    config: { num_parameters: 3, channel_dim: 0 },
    tensors: { "input.x": x, "param.weight": array([3], [0.1, 0.2, 0.3]) },
    y: [...x.data].map((v, i) => (v > 0 ? v : v * [0.1, 0.2, 0.3][Math.floor(i / 4)]!)),
  },
];

describe("kinds are written with all their options", () => {
  test.each(table.map((row) => ({ ...row, title: `${row.kind} ${JSON.stringify(row.config)}` })))("$title", async (row) => {
    const tensors = { ...row.tensors, "output.y": array([row.y.length], row.y) };
    const one: Case = {
      name: row.kind,
      group: "own",
      kind: row.kind,
      config: row.config,
      tolerance: { rtol: 1e-5, atol: {} },
      tensors: async () => tensors,
    };
    const written = kinds[row.kind]!(row.config, tensors);
    if ("unsupported" in written) throw new Error(written.unsupported);
    expect(await runWritten(one, written, byReference)).toBe(null);
  });
});
