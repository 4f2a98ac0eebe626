import { vjp } from "../autodiff.ts";
import { Builder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/value.ts";

/** Contractions wide enough for tiles in workgroup memory, at sizes that no tile divides, their operands lying all ways. */
export function wideContractions(): readonly Graph[] {
  const graphs: Graph[] = [];
  for (const [m, n, k] of [
    [40, 36, 20],
    [17, 21, 5],
    [70, 64, 33],
  ] as const)
    for (const turned of [0, 1, 2, 3]) {
      const b = new Builder();
      const left = b.input("left", turned & 1 ? [2, k, m] : [2, m, k]);
      const right = b.input("right", turned & 2 ? [2, n, k] : [2, k, n]);
      const attrs = { batchA: [0], batchB: [0], contractA: [turned & 1 ? 1 : 2], contractB: [turned & 2 ? 2 : 1] };
      const product = b.dot(left, right, attrs);
      const value = b.tanh(b.add(product, b.broadcastInDim(b.input("bias", [n]), product.shape, [2])));
      graphs.push({ name: `product ${m}x${n}x${k} ${turned}`, results: [{ name: "result", value }] });
    }
  for (const stride of [1, 2]) {
    const b = new Builder();
    const x = b.input("x", [2, 20, 7, 6]);
    const w = b.input("w", [24, 20, 3, 3]);
    const y = b.conv(x, w, { stride: [stride, stride], padLow: [1, 1], padHigh: [1, 1] });
    const [gx, gw] = vjp(b, [y], [b.input("g", y.shape)], [x, w]);
    graphs.push({ name: `conv ${stride}`, results: [y, gx!, gw!].map((value, i) => ({ name: `r${i}`, value })) });
  }
  return graphs;
}

/** A softmax and a norm over rows of one length, and reductions of whole numbers. */
export function wideRows(rows: number, columns: number): Graph {
  const b = new Builder();
  const x = b.input("x", [rows, columns]);
  const back = (v: Value): Value => b.broadcastInDim(v, x.shape, [0]);
  const e = b.exp(b.sub(x, back(b.reduceMax(x, [1]))));
  const centred = b.sub(x, back(b.mean(x, [1])));
  const rate = b.rsqrt(b.add(b.mean(b.mul(centred, centred), [1]), 1e-3));
  const whole = b.cast(b.mul(b.input("y", [rows, columns]), 100), "i32");
  const results = [b.div(e, back(b.sum(e, [1]))), b.mul(centred, back(rate)), b.reduceMax(whole, [1])];
  return { name: `rows ${rows}x${columns}`, results: results.map((value, i) => ({ name: `r${i}`, value })) };
}
