import type { Value } from "../ir/value.ts";
import * as t from "../tile/build.ts";
import type { TileExpr, Width } from "../tile/tile.ts";
import type { ReduceValue } from "./reduce.ts";

// Sums of squares of differences to the mean, in the same pass as the sum. In: the reductions of a region. Out: which of them is
// sum((u - mean)^2) with mean = sum(u) / n, and the arithmetic that makes it while u is summed.
//
// Each stream (a lane's share of a row, each part of a vector by itself) subtracts its own first element and adds up d and d^2; streams are
// then put together by the rule of Chan et al. Because the subtracted number is an element of the stream, k (first - mean)^2 is at most
// (k - 1) times the stream's sum of squared differences, k being the stream's length, so at most k times what is left cancels, whatever the
// mean; a sum of k terms is off by at most k roundings. The relative error is thus at most k^2 roundings, reached where each stream's first
// element is far from all others; where not, it is a few roundings, as in two passes. Streams are kept short for the former.

/** The longest stream: 2^-24 k^2 = 2.4e-4 of the variance at worst. Longer rows keep their two passes. */
export const longestStream = 64;

/** Of each reduction that sums u: the reduction that sums (u - mean)^2, if there is one. */
export function momentsOf(anchors: readonly ReduceValue[]): ReadonlyMap<ReduceValue, ReduceValue> {
  const found = new Map<ReduceValue, ReduceValue>();
  for (const second of anchors) {
    if (second.op !== "sum" || second.dtype !== "f32") continue;
    const square = second.args[0]!;
    if (square.op !== "mul" || square.args[0] !== square.args[1]) continue;
    const difference = square.args[0]!;
    if (difference.op !== "sub") continue;
    const [u, mean] = difference.args as [Value, Value];
    const first = anchors.find((a) => a !== second && a.op === "sum" && a.args[0] === u);
    const count = u.shape.reduce((n, s) => n * s, 1) / second.shape.reduce((n, s) => n * s, 1);
    if (first && !found.has(first) && isMeanOf(mean, first, count)) found.set(first, second);
  }
  return found;
}

/** Fusion has proven that the sum is read at its own row; what is left to see is that it is only moved and divided by the count. */
function isMeanOf(value: Value, sum: Value, count: number): boolean {
  let v = value;
  let factor = 1;
  for (;;) {
    if (v === sum) return Math.abs(factor * count - 1) < 1e-6;
    if (v.op === "broadcast" || v.op === "reshape" || v.op === "permute") v = v.args[0]!;
    else if (v.op === "mul" || v.op === "div") {
      const by = constantOf(v.args[1]!);
      if (by === null) return false;
      factor *= v.op === "mul" ? by : 1 / by;
      v = v.args[0]!;
    } else return false;
  }
}
function constantOf(value: Value): number | null {
  let v = value;
  while (v.op === "broadcast" || v.op === "reshape") v = v.args[0]!;
  return v.op === "const" ? v.attrs.value : null;
}

/** The running sums of one row. */
export class Moments {
  readonly #first: TileExpr;
  readonly #sum: TileExpr & { readonly kind: "ref" };
  readonly #squares: TileExpr & { readonly kind: "ref" };

  constructor(block: t.Block, first: TileExpr, width: Width) {
    this.#first = block.let("first", t.widen(first, width));
    this.#sum = block.var("d", t.f32(0, width));
    this.#squares = block.var("dd", t.f32(0, width));
  }
  add(block: t.Block, x: TileExpr): void {
    const d = block.let("d", t.sub(x, this.#first));
    block.assign(this.#sum, t.add(this.#sum, d));
    block.assign(this.#squares, t.fma(d, d, this.#squares));
  }
  /** The stream's sum of squared differences to the mean of the row; `count`: elements of the stream. */
  finish(block: t.Block, count: TileExpr, mean: TileExpr): TileExpr {
    const own = block.let("own", t.div(this.#sum, t.max(count, t.f32(1))));
    const within = t.max(t.sub(this.#squares, t.mul(this.#sum, own)), t.f32(0));
    const apart = block.let("apart", t.sub(t.add(this.#first, own), mean));
    return t.fma(t.mul(apart, apart), count, within);
  }
}
