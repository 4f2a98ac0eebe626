import { Builder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/value.ts";
import { graphValues, rebuild } from "../ir/walk.ts";
import type { AdapterClass } from "../plan/plan.ts";
import { parallelism, profit } from "./profit.ts";

// Last rewrite before fusion: gives contractions and reductions the shape that their templates are good at. A product with a vector is a
// reduction; a long reduction to few results becomes two, so that there is work for every invocation; both in fixed order, so results are
// the same in every run.

/** The graph in the form that fusion expects. */
export function prepare(graph: Graph, adapterClass: AdapterClass): Graph {
  const b = new Builder();
  const part = smallerReductions(graph);
  return rebuild(graph, b, (v, args) => {
    switch (v.op) {
      case "dot":
        return thinDot(b, v, args);
      case "sum":
      case "reduceMax":
        if (part.has(v)) return sumOfPart(b, v, args, part.get(v)!, parallelism[adapterClass].enoughRows);
        return longReduction(b, v, args, parallelism[adapterClass].enoughRows);
      default:
        return null;
    }
  });
}

/** The graph without concatenations of more tensors than a kernel of `maxBuffers` bindings can read. */
export function shortConcats(graph: Graph, maxBuffers: number): Graph {
  const most = Math.max(2, maxBuffers - 2);
  if (!graphValues(graph).some((v) => v.op === "concat" && v.args.length > most)) return graph;
  const b = new Builder();
  return rebuild(graph, b, (v, args) => (v.op === "concat" ? longConcat(b, args, v.attrs.axis, most) : null));
}

function longConcat(b: Builder, args: readonly Value[], axis: number, most: number): Value | null {
  if (args.length <= most) return null;
  let parts = args;
  while (parts.length > 1) {
    const each = Math.max(2, Math.ceil(parts.length / Math.ceil(parts.length / most)));
    const of = parts;
    parts = Array.from({ length: Math.ceil(of.length / each) }, (_, i) => {
      const group = of.slice(i * each, (i + 1) * each);
      return group.length === 1 ? group[0]! : b.concat(group, axis);
    });
  }
  return parts[0]!;
}

/** A dot in which an operand has no axes of its own: multiply and sum. */
function thinDot(b: Builder, v: Extract<Value, { readonly op: "dot" }>, args: readonly Value[]): Value | null {
  const [x, y] = args as [Value, Value];
  const { batchA, batchB, contractA, contractB } = v.attrs;
  const freeX = x.shape.length - batchA.length - contractA.length;
  const freeY = y.shape.length - batchB.length - contractB.length;
  if (freeX > 0 && freeY > 0) return null;
  const axesOf = (value: Value, batch: readonly number[], contract: readonly number[]): number[] => {
    const free = value.shape.map((_, i) => i).filter((i) => !batch.includes(i) && !contract.includes(i));
    return [...batch, ...free, ...contract];
  };
  const px = b.permute(x, axesOf(x, batchA, contractA));
  const py = b.permute(y, axesOf(y, batchB, contractB));
  const wide = freeX > 0 ? px : py;
  const thin = freeX > 0 ? py : px;
  const rank = wide.shape.length;
  const places = [...batchA.map((_, i) => i), ...contractA.map((_, i) => rank - contractA.length + i)];
  const product = b.mul(wide, b.broadcastInDim(thin, wide.shape, places));
  return b.sum(
    product,
    contractA.map((_, i) => rank - contractA.length + i),
  );
}

type Reduction = Extract<Value, { readonly op: "sum" | "reduceMax" }>;

/** Of each reduction that goes on where another one of the same tensor ends: that other one. Its argument need not be read again. */
function smallerReductions(graph: Graph): Map<Value, Reduction> {
  const byArgument = new Map<Value, Reduction[]>();
  for (const v of graphValues(graph)) {
    if (v.op !== "sum" && v.op !== "reduceMax") continue;
    const list = byArgument.get(v.args[0]!);
    if (list) list.push(v);
    else byArgument.set(v.args[0]!, [v]);
  }
  const part = new Map<Value, Reduction>();
  for (const list of byArgument.values()) {
    for (const v of list) {
      const smaller = list.filter((w) => w.op === v.op && w.attrs.axes.length < v.attrs.axes.length);
      const inside = smaller.filter((w) => w.attrs.axes.every((a) => v.attrs.axes.includes(a)));
      // The one that leaves the fewest elements, if that saves anything worth a kernel.
      const size = (w: Reduction): number => w.shape.reduce((n, s) => n * s, 1);
      const best = inside.sort((x, y) => size(x) - size(y))[0];
      if (best && size(best) * profit.shareReduction <= v.args[0]!.shape.reduce((n, s) => n * s, 1)) part.set(v, best);
    }
  }
  return part;
}
function reduceAs(b: Builder, v: Reduction, x: Value, axes: readonly number[], enoughRows: number): Value {
  const plain = v.op === "sum" ? b.sum(x, axes) : b.reduceMax(x, axes);
  if (plain.op !== "sum" && plain.op !== "reduceMax") return plain;
  return longReduction(b, plain, plain.args, enoughRows) ?? plain;
}
function sumOfPart(b: Builder, v: Reduction, args: readonly Value[], part: Reduction, enoughRows: number): Value {
  const inner = reduceAs(b, part, args[0]!, part.attrs.axes, enoughRows);
  const rest = v.attrs.axes.filter((a) => !part.attrs.axes.includes(a)).map((a) => a - part.attrs.axes.filter((p) => p < a).length);
  return reduceAs(b, v, inner, rest, enoughRows);
}

/** A reduction of very many elements to few: first over the inner part, then over the rest. */
function longReduction(
  b: Builder,
  v: Extract<Value, { readonly op: "sum" | "reduceMax" }>,
  args: readonly Value[],
  enoughRows: number,
): Value | null {
  const [x] = args as [Value];
  const { axes } = v.attrs;
  const inner = axes.reduce((n, a) => n * x.shape[a]!, 1);
  const rows = x.shape.reduce((n, s) => n * s, 1) / inner;
  if (inner < profit.longReduction || rows >= enoughRows) return null;
  const reduce = (y: Value, over: readonly number[]): Value => (v.op === "sum" ? b.sum(y, over) : b.reduceMax(y, over));
  if (axes.length > 1) {
    // Keep the first axis for the second pass (or as many as give enough rows).
    let kept = 1;
    let outer = x.shape[axes[0]!]!;
    while (kept < axes.length - 1 && rows * outer < enoughRows / 4) outer *= x.shape[axes[kept++]!]!;
    const first = axes.slice(kept);
    const partial = reduce(x, first);
    return reduce(
      partial,
      axes.slice(0, kept).map((a) => a - first.filter((f) => f < a).length),
    );
  }
  const axis = axes[0]!;
  const size = x.shape[axis]!;
  const parts = largestDivisor(size, Math.ceil(enoughRows / rows));
  if (parts === 1 || size / parts < 16) return null;
  const split = b.reshape(x, [...x.shape.slice(0, axis), parts, size / parts, ...x.shape.slice(axis + 1)]);
  return reduce(reduce(split, [axis + 1]), [axis]);
}

/** The largest divisor of n that is at most `limit` and leaves a multiple of 4, if there is one. */
function largestDivisor(n: number, limit: number): number {
  let best = 1;
  for (let d = 1; d <= Math.min(limit, n); d++) if (n % d === 0 && (n / d) % 4 === 0) best = d;
  return best;
}
