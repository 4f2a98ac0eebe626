// Normalisations, softmax and elementwise chains.
import type { Builder } from "../../compiler/ir/builder.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { naiveChain, naiveLayerNorm, naiveSoftmax } from "../handwritten/naive.ts";
import { chainAt, chainKernel, layerNormKernel, type RowShape, softmaxKernel } from "../handwritten/rows.ts";
import { uniform, valueAt } from "../values.ts";
import { type GroupNormShape, graphOf, type Workload } from "./workload.ts";

export function layerNormWorkload(shape: RowShape): Workload {
  const { rows, columns } = shape;
  const inputs = [
    { name: "x", shape: [rows, columns], at: uniform(1) },
    { name: "scale", shape: [columns], at: uniform(2) },
    { name: "shift", shape: [columns], at: uniform(3) },
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
    byHand: {
      kernels: (lanes) => [layerNormKernel(shape, lanes)],
      naive: (share) => naiveLayerNorm(shape, share),
    },
  };
}

export function softmaxWorkload(shape: RowShape): Workload {
  const { rows, columns } = shape;
  const inputs = [{ name: "x", shape: [rows, columns], at: uniform(1) }];
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
    byHand: {
      kernels: (lanes) => [softmaxKernel(shape, lanes)],
      naive: (share) => naiveSoftmax(shape, share),
    },
  };
}

export function chainWorkload(length: number): Workload {
  const inputs = [{ name: "input", shape: [length], at: uniform(1) }];
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
    byHand: {
      kernels: (lanes) => [chainKernel(length, lanes, 64), chainKernel(length, 64, 1), chainKernel(length, 64, 16)],
      naive: (share) => naiveChain(length, share),
    },
  };
}

/** Tanh and a sigmoid among eight operations. */
export function costlyChainWorkload(length: number): Workload {
  const inputs = [{ name: "input", shape: [length], at: uniform(1) }];
  return {
    name: `8 ops with tanh, exp on ${length / 2 ** 20}M`,
    task: { kind: "costlyChain", length },
    flops: 8 * length,
    inputs,
    shape: [length],
    expected: (place) => {
      const z = valueAt(1, place);
      return (1 / (1 + Math.exp(-Math.max(Math.tanh(1.01 * z + 0.1) * z - 0.5, 0)))) ** 2;
    },
    tolerance: 1e-5,
    graph: graphOf("costly chain", inputs, (b, [z]) => {
      const y = sigmoid(b, b.max(b.sub(b.mul(b.tanh(b.add(b.mul(z!, 1.01), 0.1)), z!), 0.5), 0));
      return b.mul(y, y);
    }),
  };
}
export const sigmoid = (b: Builder, x: Value): Value => b.div(1, b.add(b.exp(b.neg(x)), 1));

/** Normalised over groups of channels, scaled and shifted by channel, times its sigmoid. The picture lies as [channel, height, width]. */
export function groupNormSiluWorkload(shape: GroupNormShape): Workload {
  const { channels, height, width, groups } = shape;
  const pixels = height * width;
  const size = (channels / groups) * pixels;
  const inputs = [
    { name: "x", shape: [channels, height, width], at: uniform(1) },
    { name: "scale", shape: [channels], at: uniform(2) },
    { name: "shift", shape: [channels], at: uniform(3) },
  ];
  const statistics = new Map<number, { readonly mean: number; readonly rate: number }>();
  const statisticsOf = (group: number) => {
    let known = statistics.get(group);
    if (known === undefined) {
      let [sum, squares] = [0, 0];
      for (let i = 0; i < size; i++) sum += valueAt(1, group * size + i);
      const mean = sum / size;
      for (let i = 0; i < size; i++) squares += (valueAt(1, group * size + i) - mean) ** 2;
      known = { mean, rate: 1 / Math.sqrt(squares / size + 1e-5) };
      statistics.set(group, known);
    }
    return known;
  };
  return {
    name: `group norm + SiLU ${channels}x${height}x${width}`,
    task: { kind: "groupNormSilu", shape },
    flops: 12 * channels * pixels,
    inputs,
    shape: [channels, height, width],
    expected: (place) => {
      const channel = Math.floor(place / pixels);
      const { mean, rate } = statisticsOf(Math.floor(place / size));
      const y = (valueAt(1, place) - mean) * rate * valueAt(2, channel) + valueAt(3, channel);
      return y / (1 + Math.exp(-y));
    },
    tolerance: 1e-4,
    graph: graphOf("group norm", inputs, (b, [x, scale, shift]) => {
      const grouped = b.reshape(x!, [groups, size]);
      const centred = b.sub(grouped, b.spreadBack(b.mean(grouped, [1]), grouped, [1]));
      const rate = b.rsqrt(b.add(b.mean(b.mul(centred, centred), [1]), 1e-5));
      const unit = b.reshape(b.mul(centred, b.spreadBack(rate, grouped, [1])), x!.shape);
      const y = b.add(b.mul(unit, b.broadcastInDim(scale!, x!.shape, [0])), b.broadcastInDim(shift!, x!.shape, [0]));
      return b.mul(y, sigmoid(b, y));
    }),
  };
}
