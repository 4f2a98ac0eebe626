// What is measured: each workload as a graph for the compiler, as kernels written by hand, as the naive kernel, and as numbers computed here,
// at single places and in double precision, which all of them must agree with. Pictures lie as [batch, height, width, channel] and weights as
// [tap row, tap column, input, output] for all sides.
import { vjp } from "../compiler/autodiff.ts";
import { Builder } from "../compiler/ir/builder.ts";
import type { Graph, Value } from "../compiler/ir/value.ts";
import type { HandKernel, OperandStorage } from "./handwritten/kernel.ts";
import { naiveChain, naiveConv, naiveDataGrad, naiveLayerNorm, naiveMatmul, naiveSoftmax, naiveWeightGrad } from "./handwritten/naive.ts";
import { type ConvShape, convKernel, dataGradKernel, matmulKernel, type Tile, tileFits, weightGradKernel } from "./handwritten/products.ts";
import { chainAt, chainKernel, layerNormKernel, type RowShape, softmaxKernel } from "./handwritten/rows.ts";
import { valueAt } from "./values.ts";

/** The first place where a result is not what it should be, as text. */
export function disagreement(workload: Workload, places: readonly number[], seen: readonly number[]): string | null {
  for (const [i, place] of places.entries()) {
    const expected = workload.expected(place);
    if (!(Math.abs(seen[i]! - expected) <= workload.tolerance)) return `wrong at ${place}: ${seen[i]}, not ${expected}`;
  }
  return null;
}

export interface WorkloadInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly stream: number; // of `valueAt`
}
/** What a workload computes, for libraries that have an operation for it. */
export type Task =
  | { readonly kind: "matmul"; readonly m: number; readonly k: number; readonly n: number }
  | { readonly kind: "conv" | "convDataGradient" | "convWeightGradient"; readonly shape: ConvShape }
  | { readonly kind: "layerNorm" | "softmax"; readonly shape: RowShape }
  | { readonly kind: "chain"; readonly length: number };

export interface Workload {
  readonly name: string;
  readonly task: Task;
  readonly flops: number;
  readonly inputs: readonly WorkloadInput[];
  readonly shape: readonly number[]; // of the result
  /** The result at one place. */
  readonly expected: (place: number) => number;
  readonly tolerance: number; // absolute
  readonly graph: Graph;
  /** Kernels in the best known style; the fastest of them counts. */
  readonly handWritten: (lanes: number, storages: readonly OperandStorage[]) => HandKernel[];
  /** The plain kernel for the first `share` of the result. */
  readonly naive: (share: number) => HandKernel;
}

/** Single precision rounds each of `terms` summands; this allows for their random walk with room to spare. */
const sumTolerance = (terms: number): number => 3e-6 * Math.sqrt(terms) + 1e-7 * terms;

function graphOf(name: string, inputs: readonly WorkloadInput[], result: (b: Builder, values: Value[]) => Value): Graph {
  const b = new Builder();
  const values = inputs.map((input) => b.input(input.name, input.shape));
  return { name, results: [{ name: "result", value: result(b, values) }] };
}

/** Tiles worth trying for a product; the sweep shows that others are not. */
function tilesFor(
  lanes: number,
  storages: readonly OperandStorage[],
  shape: { readonly m: number; readonly n: number; readonly k: number },
): Tile[] {
  const tiles: Tile[] = [];
  for (const storage of storages)
    for (const tileM of [16, 8])
      for (const vectors of lanes > 4 ? [1] : [4, 2])
        for (const chunkK of [4, 8]) tiles.push({ lanes, tileM, vectors, chunkK, hoist: true, storage });
  return tiles.filter((tile) => tileFits(tile, shape));
}

export function matmulWorkload(m: number, k: number, n: number): Workload {
  const inputs = [
    { name: "left", shape: [m, k], stream: 1 },
    { name: "right", shape: [k, n], stream: 2 },
  ];
  return {
    name: `matmul ${m}x${k}x${n}`,
    task: { kind: "matmul", m, k, n },
    flops: 2 * m * k * n,
    inputs,
    shape: [m, n],
    expected: (place) => {
      const [row, column] = [Math.floor(place / n), place % n];
      let sum = 0;
      for (let i = 0; i < k; i++) sum += valueAt(1, row * k + i) * valueAt(2, i * n + column);
      return sum;
    },
    tolerance: sumTolerance(k),
    graph: graphOf("matmul", inputs, (b, [left, right]) => b.matmul(left!, right!)),
    handWritten: (lanes, storages) => tilesFor(lanes, storages, { m, n, k }).map((tile) => matmulKernel({ m, n, k }, tile)),
    naive: (share) => naiveMatmul({ m, n, k }, share),
  };
}

const [pictureStream, weightStream, gradientStream] = [1, 2, 3];
const toChannelsFirst = (b: Builder, picture: Value): Value => b.permute(picture, [0, 3, 1, 2]);
const toChannelsLast = (b: Builder, picture: Value): Value => b.permute(picture, [0, 2, 3, 1]);

/** Pairs (pixel, tap) of pixels that meet: calls `at` with the neighbour of the pixel for each tap that stays in the picture. */
function eachTap({ height, width }: ConvShape, pixel: number, sign: 1 | -1, at: (neighbour: number, tap: number) => void): void {
  const [y, x] = [Math.floor(pixel / width) % height, pixel % width];
  for (let tap = 0; tap < 9; tap++) {
    const [down, along] = [sign * (Math.floor(tap / 3) - 1), sign * ((tap % 3) - 1)];
    if (y + down >= 0 && y + down < height && x + along >= 0 && x + along < width) at(pixel + down * width + along, tap);
  }
}

export function convWorkloads(shape: ConvShape): Workload[] {
  const { batch, height, width, inputs: ci, outputs: co } = shape;
  const pixels = batch * height * width;
  const picture = { name: "picture", shape: [batch, height, width, ci], stream: pictureStream };
  const weights = { name: "weights", shape: [3, 3, ci, co], stream: weightStream };
  const gradient = { name: "gradient", shape: [batch, height, width, co], stream: gradientStream };
  const label = `3x3 ${batch > 1 ? `${batch}x` : ""}${height}x${width} ${ci}->${co}`;
  const flops = 2 * pixels * 9 * ci * co;
  const conv = (b: Builder, x: Value, w: Value): Value =>
    toChannelsLast(b, b.conv(toChannelsFirst(b, x), b.permute(w, [3, 2, 0, 1]), { padLow: [1, 1], padHigh: [1, 1] }));
  const x = (pixel: number, c: number): number => valueAt(pictureStream, pixel * ci + c);
  const w = (tap: number, i: number, o: number): number => valueAt(weightStream, (tap * ci + i) * co + o);
  const g = (pixel: number, c: number): number => valueAt(gradientStream, pixel * co + c);
  return [
    {
      name: `conv ${label}`,
      task: { kind: "conv", shape },
      flops,
      inputs: [picture, weights],
      shape: [batch, height, width, co],
      expected: (place) => {
        let sum = 0;
        eachTap(shape, Math.floor(place / co), 1, (pixel, tap) => {
          for (let c = 0; c < ci; c++) sum += x(pixel, c) * w(tap, c, place % co);
        });
        return sum;
      },
      tolerance: sumTolerance(9 * ci),
      graph: graphOf("conv", [picture, weights], (b, [p, q]) => conv(b, p!, q!)),
      handWritten: (lanes, storages) => tilesFor(lanes, storages, { m: pixels, n: co, k: ci }).map((tile) => convKernel(shape, tile)),
      naive: (share) => naiveConv(shape, share),
    },
    {
      name: `conv data gradient ${label}`,
      task: { kind: "convDataGradient", shape },
      flops,
      inputs: [gradient, weights],
      shape: [batch, height, width, ci],
      expected: (place) => {
        let sum = 0;
        eachTap(shape, Math.floor(place / ci), -1, (pixel, tap) => {
          for (let c = 0; c < co; c++) sum += g(pixel, c) * w(tap, place % ci, c);
        });
        return sum;
      },
      tolerance: sumTolerance(9 * co),
      graph: graphOf("conv data gradient", [gradient, weights], (b, [p, q]) => {
        const primal = b.input("picture", picture.shape);
        return vjp(b, [conv(b, primal, q!)], [p!], [primal])[0]!;
      }),
      handWritten: (lanes, storages) => tilesFor(lanes, storages, { m: pixels, n: ci, k: co }).map((tile) => dataGradKernel(shape, tile)),
      naive: (share) => naiveDataGrad(shape, share),
    },
    {
      name: `conv weight gradient ${label}`,
      task: { kind: "convWeightGradient", shape },
      flops,
      inputs: [picture, gradient],
      shape: [3, 3, ci, co],
      expected: (place) => {
        const [tap, i, o] = [Math.floor(place / (ci * co)), Math.floor(place / co) % ci, place % co];
        let sum = 0;
        for (let pixel = 0; pixel < pixels; pixel++)
          eachTap(shape, pixel, 1, (neighbour, at) => {
            if (at === tap) sum += x(neighbour, i) * g(pixel, o);
          });
        return sum;
      },
      tolerance: sumTolerance(pixels),
      graph: graphOf("conv weight gradient", [picture, gradient], (b, [p, q]) => {
        const primal = b.input("weights", weights.shape);
        return vjp(b, [conv(b, p!, primal)], [q!], [primal])[0]!;
      }),
      handWritten: (lanes, storages) => tilesFor(lanes, storages, { m: ci, n: co, k: width }).map((tile) => weightGradKernel(shape, tile)),
      naive: (share) => naiveWeightGrad(shape, share),
    },
  ];
}

export function layerNormWorkload(shape: RowShape): Workload {
  const { rows, columns } = shape;
  const inputs = [
    { name: "x", shape: [rows, columns], stream: 1 },
    { name: "scale", shape: [columns], stream: 2 },
    { name: "shift", shape: [columns], stream: 3 },
  ];
  return {
    name: `layer norm ${rows}x${columns}`,
    task: { kind: "layerNorm", shape },
    flops: 8 * rows * columns,
    inputs,
    shape: [rows, columns],
    expected: (place) => {
      const row = Array.from({ length: columns }, (_, c) => valueAt(1, Math.floor(place / columns) * columns + c));
      const mean = row.reduce((sum, value) => sum + value, 0) / columns;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / columns;
      const c = place % columns;
      return ((row[c]! - mean) / Math.sqrt(variance + 1e-5)) * valueAt(2, c) + valueAt(3, c);
    },
    tolerance: 1e-4,
    graph: graphOf("layer norm", inputs, (b, [x, scale, shift]) => {
      const centred = b.sub(x!, b.spreadBack(b.mean(x!, [1]), x!, [1]));
      const rate = b.rsqrt(b.add(b.mean(b.mul(centred, centred), [1]), 1e-5));
      const unit = b.mul(centred, b.spreadBack(rate, x!, [1]));
      return b.add(b.mul(unit, b.broadcastTo(scale!, x!.shape)), b.broadcastTo(shift!, x!.shape));
    }),
    handWritten: (lanes) => [layerNormKernel(shape, lanes)],
    naive: (share) => naiveLayerNorm(shape, share),
  };
}

export function softmaxWorkload(shape: RowShape): Workload {
  const { rows, columns } = shape;
  const inputs = [{ name: "x", shape: [rows, columns], stream: 1 }];
  return {
    name: `softmax ${rows}x${columns}`,
    task: { kind: "softmax", shape },
    flops: 4 * rows * columns,
    inputs,
    shape: [rows, columns],
    expected: (place) => {
      const row = Array.from({ length: columns }, (_, c) => Math.exp(valueAt(1, Math.floor(place / columns) * columns + c)));
      return row[place % columns]! / row.reduce((sum, value) => sum + value, 0);
    },
    tolerance: 1e-6,
    graph: graphOf("softmax", inputs, (b, [x]) => {
      const powers = b.exp(b.sub(x!, b.spreadBack(b.reduceMax(x!, [1]), x!, [1])));
      return b.div(powers, b.spreadBack(b.sum(powers, [1]), x!, [1]));
    }),
    handWritten: (lanes) => [softmaxKernel(shape, lanes)],
    naive: (share) => naiveSoftmax(shape, share),
  };
}

export function chainWorkload(length: number): Workload {
  const inputs = [{ name: "input", shape: [length], stream: 1 }];
  return {
    name: `8 elementwise ops on ${length / 2 ** 20}M`,
    task: { kind: "chain", length },
    flops: 8 * length,
    inputs,
    shape: [length],
    expected: (place) => chainAt(valueAt(1, place)),
    tolerance: 1e-5,
    graph: graphOf("chain", inputs, (b, [x]) => {
      const y = b.max(b.sub(b.mul(b.add(b.mul(x!, 1.01), 0.1), x!), 0.5), 0);
      return b.mul(b.add(b.mul(y, y), x!), 0.5);
    }),
    handWritten: (lanes) => [chainKernel(length, lanes, 64), chainKernel(length, 64, 1), chainKernel(length, 64, 16)],
    naive: (share) => naiveChain(length, share),
  };
}

/** The workload of a task, as another process needs it. */
export function workloadOf(task: Task): Workload {
  switch (task.kind) {
    case "matmul":
      return matmulWorkload(task.m, task.k, task.n);
    case "conv":
    case "convDataGradient":
    case "convWeightGradient":
      return convWorkloads(task.shape).find((workload) => workload.task.kind === task.kind)!;
    case "layerNorm":
      return layerNormWorkload(task.shape);
    case "softmax":
      return softmaxWorkload(task.shape);
    case "chain":
      return chainWorkload(task.length);
    default:
      return task satisfies never;
  }
}

/** Everything that is measured; a slow adapter gets a shorter elementwise chain. */
export function allWorkloads(slow: boolean): Workload[] {
  return [
    matmulWorkload(512, 512, 512),
    matmulWorkload(1024, 1024, 1024),
    matmulWorkload(4096, 320, 1280),
    ...convWorkloads({ batch: 1, height: 64, width: 64, inputs: 320, outputs: 320 }),
    layerNormWorkload({ rows: 4096, columns: 768 }),
    softmaxWorkload({ rows: 4096, columns: 1024 }),
    chainWorkload(slow ? 2 ** 22 : 2 ** 24),
  ];
}
