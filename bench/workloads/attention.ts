// Attention over heads: softmax(q k^T / sqrt(width)) v. All of them lie as [head, position, width].
import type { Builder } from "../../compiler/ir/builder.ts";
import type { Value } from "../../compiler/ir/value.ts";
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
  };
}

/** Attention in primitives; `mask` is added to the scores of every head. */
export function attention(b: Builder, q: Value, k: Value, v: Value, mask?: Value): Value {
  const width = q.shape[2]!;
  const products = b.mul(b.dot(q, k, { batchA: [0], batchB: [0], contractA: [2], contractB: [2] }), 1 / Math.sqrt(width));
  const scores = mask === undefined ? products : b.add(products, b.broadcastInDim(mask, products.shape, [1, 2]));
  const powers = b.exp(b.sub(scores, b.spreadBack(b.reduceMax(scores, [2]), scores, [2])));
  const weights = b.div(powers, b.spreadBack(b.sum(powers, [2]), scores, [2]));
  return b.dot(weights, v, { batchA: [0], batchB: [0], contractA: [2], contractB: [1] });
}
