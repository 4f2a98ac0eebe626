import { describe, expect, test } from "vitest";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Case } from "./case.ts";
import { attentionKinds } from "./kinds/attention.ts";
import { indexingKinds } from "./kinds/indexing.ts";
import { spatialKinds } from "./kinds/spatial.ts";
import { byReference, runWritten } from "./run.ts";
import type { Config } from "./written.ts";

// Kinds on pictures, indices and attention with options that recorded cases need not have: results against loops that say the definition.

const kinds = { ...spatialKinds, ...indexingKinds, ...attentionKinds };
const count = (shape: readonly number[]): number => shape.reduce((n, s) => n * s, 1);
const array = (shape: readonly number[], data: readonly number[], dtype: "f32" | "i32" = "f32"): NdArray => ({
  dtype,
  shape,
  data: Float64Array.from(data),
});
const drawn = (shape: readonly number[], seed = 1): NdArray =>
  array(
    shape,
    Array.from({ length: count(shape) }, (_, i) => ((i * 37 + seed * 53) % 101) / 25 - 2),
  );
const places = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const total = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);

interface Row {
  readonly kind: string;
  readonly config: Config;
  readonly tensors: Readonly<Record<string, NdArray>>;
  readonly y: readonly number[];
}
type Pair = readonly [number, number];
const x = drawn([1, 2, 7, 6]);
const at = (p: NdArray, c: number, i: number, j: number): number | null => {
  const [h, w] = p.shape.slice(-2) as [number, number];
  return i < 0 || j < 0 || i >= h || j >= w ? null : p.data[(c * h + i) * w + j]!;
};

function convolution(kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: number, out: number): Row {
  const cin = 2 / groups;
  const weight = drawn([out, cin, ...kernel], 3);
  const size = [7, 6].map((n, d) => Math.floor((n + 2 * padding[d]! - dilation[d]! * (kernel[d]! - 1) - 1) / stride[d]!) + 1) as [
    number,
    number,
  ];
  const y = places(out).flatMap((o) =>
    places(size[0]).flatMap((i) =>
      places(size[1]).map((j) => {
        let sum = o / 10;
        for (let c = 0; c < cin; c++)
          for (let a = 0; a < kernel[0]; a++)
            for (let b = 0; b < kernel[1]; b++) {
              const channel = Math.floor(o / (out / groups)) * cin + c;
              const from = at(x, channel, i * stride[0] - padding[0] + a * dilation[0], j * stride[1] - padding[1] + b * dilation[1]) ?? 0;
              sum += from * weight.data[((o * cin + c) * kernel[0] + a) * kernel[1] + b]!;
            }
        return sum;
      }),
    ),
  );
  return {
    kind: "conv2d",
    config: { kernel_size: kernel, stride, padding, dilation, groups, bias: true },
    tensors: {
      "input.x": x,
      "param.weight": weight,
      "param.bias": array(
        [out],
        places(out).map((o) => o / 10),
      ),
    },
    y,
  };
}

/** Windows as in the peer's documentation: rounding up, the last begins inside the picture or its left border. */
function windows(n: number, k: number, s: number, p: number, d: number, up: boolean): number {
  const all = (up ? Math.ceil : Math.floor)((n + 2 * p - d * (k - 1) - 1) / s) + 1;
  return up && (all - 1) * s >= n + p ? all - 1 : all;
}
function pooled(
  size: Pair,
  stride: Pair,
  padding: Pair,
  dilation: Pair,
  up: boolean,
  value: (seen: number[], area: number) => number,
): number[] {
  const [oh, ow] = [7, 6].map((n, d) => windows(n, size[d]!, stride[d]!, padding[d]!, dilation[d]!, up)) as [number, number];
  return [0, 1].flatMap((c) =>
    places(oh).flatMap((i) =>
      places(ow).map((j) => {
        const [top, left] = [i * stride[0] - padding[0], j * stride[1] - padding[1]];
        const seen = places(size[0]).flatMap((a) =>
          places(size[1]).flatMap((b) => at(x, c, top + a * dilation[0], left + b * dilation[1]) ?? []),
        );
        const area = (Math.min(top + size[0], 7 + padding[0]) - top) * (Math.min(left + size[1], 6 + padding[1]) - left);
        return value(seen, area);
      }),
    ),
  );
}
const maxPool = (size: Pair, stride: Pair, padding: Pair, dilation: Pair, up: boolean): Row => ({
  kind: "max_pool2d",
  config: { kernel_size: size, stride, padding, dilation, ceil_mode: up },
  tensors: { "input.x": x },
  y: pooled(size, stride, padding, dilation, up, (seen) => Math.max(...seen)),
});
const avgPool = (size: Pair, stride: Pair, padding: Pair, up: boolean, included: boolean, divisor: number | null): Row => ({
  kind: "avg_pool2d",
  config: { kernel_size: size, stride, padding, ceil_mode: up, count_include_pad: included, divisor_override: divisor },
  tensors: { "input.x": x },
  y: pooled(size, stride, padding, [1, 1], up, (seen, area) => total(seen) / (divisor ?? (included ? area : seen.length))),
});

/** A separable resampling: weights of one output place along one axis. */
function resampled(size: Pair, weights: (i: number, from: number, to: number, d: number) => number[]): number[] {
  return [0, 1].flatMap((c) =>
    places(size[0]).flatMap((i) =>
      places(size[1]).map((j) => {
        const [rows, cols] = [weights(i, 7, size[0], 0), weights(j, 6, size[1], 1)];
        return total(rows.flatMap((r, a) => cols.map((q, b) => r * q * at(x, c, a, b)!)));
      }),
    ),
  );
}
const interpolated = (
  mode: string,
  size: Pair,
  more: Config,
  weights: (i: number, from: number, to: number, d: number) => number[],
): Row => ({
  kind: "interpolate",
  config: { mode, size, scale_factor: null, align_corners: null, antialias: false, ...more },
  tensors: { "input.x": x },
  y: resampled(size, weights),
});
const one = (n: number, where: number, w = 1): number[] => places(n).map((i) => (i === where ? w : 0));
const added = (rows: readonly number[][]): number[] => rows[0]!.map((_, i) => total(rows.map((r) => r[i]!)));
const linear = (p: number, n: number): number[] => {
  const q = Math.min(Math.max(p, 0), n - 1);
  const base = Math.min(Math.floor(q), n - 2);
  return added([one(n, base, base + 1 - q), one(n, base + 1, q - base)]);
};
const keys = (d: number, a: number): number =>
  d < 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
const cubic = (p: number, n: number): number[] =>
  added([-1, 0, 1, 2].map((k) => one(n, Math.min(Math.max(Math.floor(p) + k, 0), n - 1), keys(Math.abs(p - Math.floor(p) - k), -0.75))));
const half = (i: number, ratio: number): number => (i + 0.5) * ratio - 0.5;
const corner = (i: number, from: number, to: number): number => (to > 1 ? (i * (from - 1)) / (to - 1) : 0);
const smooth = (i: number, from: number, to: number, kernel: (d: number) => number, ratio = from / to): number[] => {
  const w = places(from).map((j) => kernel(Math.abs(half(i, ratio) - j) / Math.max(ratio, 1)));
  return w.map((v) => v / total(w));
};
const hat = (d: number): number => Math.max(0, 1 - d);
const area = (i: number, from: number, to: number): number[] => {
  const [a, b] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
  return places(from).map((j) => (j >= a && j < b ? 1 / (b - a) : 0));
};

function sampled(border: boolean, corners: boolean): Row {
  const grid = array([1, 2, 3, 2], [-1.3, -0.9, 0.11, 0.25, 0.93, 1.4, -0.4, 0.77, 1.2, -0.61, 0.37, -1.05]);
  const place = (g: number, n: number): number => {
    const p = corners ? ((g + 1) / 2) * (n - 1) : ((g + 1) * n - 1) / 2;
    return border ? Math.min(Math.max(p, 0), n - 1) : p;
  };
  const y = [0, 1].flatMap((c) =>
    places(6).map((k) => {
      const [px, py] = [place(grid.data[2 * k]!, 6), place(grid.data[2 * k + 1]!, 7)];
      let sum = 0;
      for (let i = -2; i < 9; i++)
        for (let j = -2; j < 9; j++) sum += hat(Math.abs(py - i)) * hat(Math.abs(px - j)) * (at(x, c, i, j) ?? 0);
      return sum;
    }),
  );
  const config = { mode: "bilinear", padding_mode: border ? "border" : "zeros", align_corners: corners };
  return { kind: "grid_sample", config, tensors: { "input.x": x, "input.grid": grid }, y };
}

function bordered(pad: readonly number[], mode: string, value: number): Row {
  const [l, r, t, b] = pad as [number, number, number, number];
  const mirror = (i: number, n: number): number => n - 1 - Math.abs(n - 1 - Math.abs(i));
  const y = [0, 1].flatMap((c) =>
    places(7 + t + b).flatMap((i) =>
      places(6 + l + r).map((j) =>
        mode === "reflect" ? at(x, c, mirror(i - t, 7), mirror(j - l, 6))! : (at(x, c, i - t, j - l) ?? value),
      ),
    ),
  );
  return { kind: "pad", config: { pad, mode, value }, tensors: { "input.x": x }, y };
}

/** Attention of two heads, each with its own mask where there is one. */
function attention(queries: number, keyCount: number, scale: number, causal: boolean, mask: NdArray | null): Row {
  const [q, k, v] = [drawn([1, 2, queries, 3]), drawn([1, 2, keyCount, 3], 2), drawn([1, 2, keyCount, 2], 3)];
  const attn: number[] = [];
  const y: number[] = [];
  for (let h = 0; h < 2; h++)
    for (let i = 0; i < queries; i++) {
      const e = places(keyCount).map((j) => {
        if (causal && j > i) return 0;
        const added = mask ? mask.data[(mask.shape[1] === 1 ? 0 : h) * queries * keyCount + i * keyCount + j]! : 0;
        return Math.exp(
          scale * total(places(3).map((d) => q.data[(h * queries + i) * 3 + d]! * k.data[(h * keyCount + j) * 3 + d]!)) + added,
        );
      });
      const p = e.map((w) => w / total(e));
      attn.push(...p);
      y.push(...[0, 1].map((d) => total(p.map((w, j) => w * v.data[(h * keyCount + j) * 2 + d]!))));
    }
  return {
    kind: "scaled_dot_product_attention",
    config: { scale, causal, additive_mask: mask !== null },
    tensors: {
      "input.q": q,
      "input.k": k,
      "input.v": v,
      "output.attn": array([attn.length], attn),
      ...(mask ? { "input.mask": mask } : {}),
    },
    y,
  };
}

const small = array([2, 3], [1, 2, 3, 4, 5, 6]);
const table: readonly Row[] = [
  convolution([3, 2], [2, 1], [1, 0], [1, 2], 1, 4),
  convolution([3, 3], [1, 1], [2, 2], [2, 2], 2, 4),
  convolution([2, 3], [2, 2], [1, 1], [1, 1], 2, 2),
  convolution([1, 3], [1, 2], [0, 1], [1, 1], 1, 3),
  convolution([2, 2], [1, 1], [1, 1], [3, 2], 2, 6),
  convolution([3, 2], [3, 2], [0, 2], [2, 1], 1, 3),
  maxPool([3, 2], [2, 1], [1, 0], [1, 2], false),
  maxPool([2, 3], [3, 2], [1, 1], [2, 1], true),
  maxPool([3, 3], [2, 2], [1, 1], [1, 1], true),
  avgPool([3, 2], [2, 3], [1, 1], true, true, null),
  avgPool([3, 2], [2, 3], [1, 1], true, false, null),
  avgPool([2, 4], [2, 1], [0, 2], false, true, 3),
  avgPool([3, 3], [4, 4], [1, 1], true, true, null),
  { kind: "adaptive_avg_pool2d", config: { output_size: [3, 4] }, tensors: { "input.x": x }, y: resampled([3, 4], area) },
  { kind: "adaptive_avg_pool2d", config: { output_size: [9, null] }, tensors: { "input.x": x }, y: resampled([9, 6], area) },
  interpolated("area", [5, 8], {}, area),
  interpolated("nearest", [10, 4], {}, (i, from, to) => one(from, Math.floor((i * from) / to))),
  interpolated("bilinear", [4, 11], { align_corners: false }, (i, from, to) => linear(half(i, from / to), from)),
  interpolated("bilinear", [1, 11], { align_corners: true }, (i, from, to) => linear(corner(i, from, to), from)),
  interpolated("bilinear", [11, 10], { align_corners: false, scale_factor: [1.6, 1.7] }, (i, from, _, d) =>
    linear(half(i, 1 / [1.6, 1.7][d]!), from),
  ),
  interpolated("bicubic", [5, 9], { align_corners: true }, (i, from, to) => cubic(corner(i, from, to), from)),
  interpolated("bicubic", [3, 13], { align_corners: false }, (i, from, to) => cubic(half(i, from / to), from)),
  interpolated("bilinear", [3, 9], { align_corners: false, antialias: true }, (i, from, to) => smooth(i, from, to, hat)),
  interpolated("bicubic", [3, 9], { align_corners: false, antialias: true }, (i, from, to) => smooth(i, from, to, (d) => keys(d, -0.5))),
  ...[hat, (d: number) => keys(d, -0.5)].map((kernel, k) =>
    interpolated(["bilinear", "bicubic"][k]!, [3, 1], { align_corners: true, antialias: true }, (i, from, to) =>
      smooth(i, from, to, kernel, to > 1 ? (from - 1) / (to - 1) : 0),
    ),
  ),
  ...[true, false].flatMap((border) => [true, false].map((corners) => sampled(border, corners))),
  bordered([1, 2, 3, 0], "constant", -1.5),
  bordered([-1, 2, 0, -2], "constant", 0.5),
  bordered([3, 2, 4, 1], "reflect", 0),
  attention(3, 5, 0.7, false, drawn([1, 1, 3, 5], 4)),
  attention(3, 5, 0.7, false, drawn([1, 2, 3, 5], 4)),
  attention(4, 6, 0.5, true, drawn([1, 1, 4, 6], 5)),
  attention(5, 3, 0.5, true, null),
  { kind: "gather", config: { dim: 1 }, tensors: { "input.x": small, "input.index": array([1, 4], [2, 2, 0, 1], "i32") }, y: [3, 3, 1, 2] },
  {
    kind: "scatter_add",
    config: { dim: -1 },
    tensors: { "input.x": small, "input.src": array([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), "input.index": array([1, 3], [0, 2, 0], "i32") },
    y: [5, 2, 5, 4, 5, 6],
  },
  {
    kind: "scatter_add",
    config: { dim: 0 },
    tensors: { "input.x": small, "input.src": array([3, 2], [1, 2, 3, 4, 5, 6]), "input.index": array([3, 2], [1, 0, 1, 1, 0, 0], "i32") },
    y: [6, 10, 3, 8, 9, 6],
  },
  ...([true, false] as const).map(
    (accumulate): Row => ({
      kind: "index_put",
      config: { accumulate },
      tensors: {
        "input.x": small,
        "input.b": array([3], [0, 1, accumulate ? 0 : -1], "i32"),
        "input.n": array([3], [2, -1, accumulate ? 2 : 0], "i32"),
        "input.v": array([3], [10, 20, 30]),
      },
      y: accumulate ? [1, 2, 43, 4, 5, 26] : [1, 2, 10, 30, 5, 20],
    }),
  ),
  {
    kind: "index_select",
    config: { dim: 0 },
    tensors: { "input.x": small, "input.index": array([3], [1, 1, 0], "i32") },
    y: [4, 5, 6, 4, 5, 6, 1, 2, 3],
  },
  {
    kind: "cat_slice_permute",
    config: { cat_dim: -1, slice_dim: 0, slice_start: -1, slice_stop: null, slice_step: 1, permute: [1, 0], reshape: [-1] },
    tensors: { "input.a": small, "input.b": array([2, 1], [7, 8]) },
    y: [4, 5, 6, 8],
  },
  {
    kind: "embedding",
    config: { padding_idx: -1 },
    tensors: {
      "input.ids": array([3], [0, 1, 0], "i32"),
      "param.weight": small,
      "input.cotangent.y": array([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
      "grad.param.weight": array([2, 3], [8, 10, 12, 0, 0, 0]),
    },
    y: [1, 2, 3, 4, 5, 6, 1, 2, 3],
  },
];

describe("kinds on pictures, indices and attention are written with all their options", () => {
  test.each(table.map((row) => ({ ...row, title: `${row.kind} ${JSON.stringify(row.config)}` })))("$title", async (row) => {
    const tensors = { ...row.tensors, "output.y": array([row.y.length], row.y) };
    const own: Case = {
      name: row.kind,
      group: "own",
      kind: row.kind,
      config: row.config,
      tolerance: { rtol: 1e-5, atol: 1e-6 },
      tensors: async () => tensors,
    };
    const written = kinds[row.kind]!(row.config, tensors);
    if ("unsupported" in written) throw new Error(written.unsupported);
    const outcome = await runWritten(own, written, byReference);
    expect(outcome).toBe(null);
  });
});
