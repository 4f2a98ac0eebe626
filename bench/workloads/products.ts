// Matrix products, 3x3 convolutions and their gradients. Pictures lie as [batch, height, width, channel] and weights as [tap row, tap column,
// input, output] for all sides.
import { vjp } from "../../compiler/autodiff.ts";
import type { Builder } from "../../compiler/ir/builder.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { OperandStorage } from "../handwritten/kernel.ts";
import { naiveConv, naiveDataGrad, naiveMatmul, naiveWeightGrad } from "../handwritten/naive.ts";
import {
  type ConvShape,
  convKernel,
  dataGradKernel,
  matmulKernel,
  type Tile,
  tileFits,
  weightGradKernel,
} from "../handwritten/products.ts";
import { uniform, valueAt } from "../values.ts";
import { graphOf, sumTolerance, type Workload } from "./workload.ts";

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
    { name: "left", shape: [m, k], at: uniform(1) },
    { name: "right", shape: [k, n], at: uniform(2) },
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
    byHand: {
      kernels: (lanes, storages) => tilesFor(lanes, storages, { m, n, k }).map((tile) => matmulKernel({ m, n, k }, tile)),
      naive: (share) => naiveMatmul({ m, n, k }, share),
    },
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
  const picture = { name: "picture", shape: [batch, height, width, ci], at: uniform(pictureStream) };
  const weights = { name: "weights", shape: [3, 3, ci, co], at: uniform(weightStream) };
  const gradient = { name: "gradient", shape: [batch, height, width, co], at: uniform(gradientStream) };
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
      byHand: {
        kernels: (lanes, storages) => tilesFor(lanes, storages, { m: pixels, n: co, k: ci }).map((tile) => convKernel(shape, tile)),
        naive: (share) => naiveConv(shape, share),
      },
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
      byHand: {
        kernels: (lanes, storages) => tilesFor(lanes, storages, { m: pixels, n: ci, k: co }).map((tile) => dataGradKernel(shape, tile)),
        naive: (share) => naiveDataGrad(shape, share),
      },
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
      byHand: {
        kernels: (lanes, storages) => tilesFor(lanes, storages, { m: ci, n: co, k: width }).map((tile) => weightGradKernel(shape, tile)),
        naive: (share) => naiveWeightGrad(shape, share),
      },
    },
  ];
}
