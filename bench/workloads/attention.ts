// Attention over heads: softmax(q k^T / sqrt(width)) v. All of them lie as [head, position, width].
import type { Builder } from "../../compiler/ir/builder.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { attentionKernel } from "../handwritten/attention.ts";
import { naiveAttention } from "../handwritten/naive.ts";
import { uniform, valueAt } from "../values.ts";
import { type AttentionShape, graphOf, type Workload } from "./workload.ts";

const [queryStream, keyStream, valueStream] = [1, 2, 3];

export function attentionWorkload(shape: AttentionShape): Workload {
  const { heads, queries, keys, width } = shape;
  const inputs = [
    { name: "q", shape: [heads, queries, width], at: uniform(queryStream) },
    { name: "k", shape: [heads, keys, width], at: uniform(keyStream) },
    { name: "v", shape: [heads, keys, width], at: uniform(valueStream) },
  ];
  return {
    name: `attention ${queries}x${keys}x${width}, ${heads} heads`,
    task: { kind: "attention", shape },
    flops: 4 * heads * queries * keys * width,
    inputs,
    shape: [heads, queries, width],
    expected: (place) => {
      const [row, column] = [Math.floor(place / width), place % width];
      const first = Math.floor(row / queries) * keys; // key
      let [sum, weights] = [0, 0];
      for (let j = 0; j < keys; j++) {
        let score = 0;
        for (let i = 0; i < width; i++) score += valueAt(queryStream, row * width + i) * valueAt(keyStream, (first + j) * width + i);
        const weight = Math.exp(score / Math.sqrt(width));
        weights += weight;
        sum += weight * valueAt(valueStream, (first + j) * width + column);
      }
      return sum / weights;
    },
    tolerance: 1e-5,
    graph: graphOf("attention", inputs, (b, [q, k, v]) => attention(b, q!, k!, v!)),
    byHand: {
      kernels: (lanes, storages) => storages.flatMap((storage) => [1, 2].map((perLane) => attentionKernel(shape, lanes, perLane, storage))),
      naive: (share) => naiveAttention(shape, share),
    },
  };
}

/** Attention as one call; `mask` is added to the scores of every head. */
export function attention(b: Builder, q: Value, k: Value, v: Value, mask?: Value): Value {
  const scale = 1 / Math.sqrt(q.shape[2]!);
  const scores = [q.shape[0]!, q.shape[1]!, k.shape[1]!];
  const masks = mask === undefined ? [] : [b.broadcastInDim(mask, scores, [1, 2])];
  return b.make("attend", [q, k, v, ...masks], { part: "out", scale });
}
