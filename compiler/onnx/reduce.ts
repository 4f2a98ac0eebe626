import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import { type Context, count, NotImported, type OperatorRow, type OperatorTable, typed } from "./context.ts";

// Reductions, softmax and norms.

/** Axes of a reduction; none means all, or nothing where the node says so. */
function reduction(make: (b: Builder, x: Value, axes: readonly number[]) => Value): OperatorRow {
  return (c) => {
    const x = c.arg(0);
    const given = c.axes("axes", 1, x.shape.length);
    if ((given === null || given.length === 0) && c.scalar("noop_with_empty_axes", 0) === 1) return [x];
    const axes = given === null || given.length === 0 ? x.shape.map((_, i) => i) : [...given].sort((p, q) => p - q);
    const made = make(c.b, x, axes);
    return [
      c.scalar("keepdims", 1) === 1
        ? c.b.reshape(
            made,
            x.shape.map((size, i) => (axes.includes(i) ? 1 : size)),
          )
        : made,
    ];
  };
}
const mean = (b: Builder, x: Value, axes: readonly number[]): Value => b.mean(x, axes);
function product(b: Builder, x: Value, axes: readonly number[]): Value {
  let all = x;
  for (const axis of [...axes].reverse()) {
    const slices = Array.from({ length: all.shape[axis]! }, (_, i) =>
      b.reshape(b.sliceAxis(all, axis, i, 1), all.shape.toSpliced(axis, 1)),
    );
    all = slices.reduce((p, q) => b.mul(p, q));
  }
  return all;
}

/** Softmax over an axis; before version 13 over all axes from one on, as one. */
function overAxis(c: Context, make: (b: Builder, x: Value, axis: number) => Value): readonly Value[] {
  const x = c.arg(0);
  const rank = x.shape.length;
  const axis = c.axis(c.scalar("axis", c.opset < 13 ? 1 : -1), rank);
  if (c.opset >= 13) return [make(c.b, x, axis)];
  const flat = c.b.reshape(x, [count(x.shape.slice(0, axis)), count(x.shape.slice(axis))]);
  return [c.b.reshape(make(c.b, flat, 1), x.shape)];
}
function softmax(b: Builder, x: Value, axis: number): Value {
  const e = b.exp(b.sub(x, b.spreadBack(b.reduceMax(x, [axis]), x, [axis])));
  return b.div(e, b.spreadBack(b.sum(e, [axis]), x, [axis]));
}
function logSoftmax(b: Builder, x: Value, axis: number): Value {
  const rest = b.sub(x, b.spreadBack(b.reduceMax(x, [axis]), x, [axis]));
  return b.sub(rest, b.spreadBack(b.log(b.sum(b.exp(rest), [axis])), x, [axis]));
}

/** Mean and 1 / deviation over axes, spread back. */
function moments(
  b: Builder,
  x: Value,
  axes: readonly number[],
  eps: number,
): { readonly centred: Value; readonly mean: Value; readonly inverse: Value } {
  const mean = b.mean(x, axes);
  const centred = b.sub(x, b.spreadBack(mean, x, axes));
  const inverse = b.rsqrt(b.add(b.mean(b.mul(centred, centred), axes), eps));
  return { centred, mean, inverse };
}
/** A number per channel, along x. */
const perChannel = (c: Context, i: number, x: Value): Value => c.b.broadcastInDim(c.arg(i), x.shape, [1]);

function batchNorm(c: Context): readonly Value[] {
  if (c.scalar("training_mode", 0) === 1 || c.node.outputs.filter((name) => name !== "").length > 1) throw new NotImported("it trains");
  const { b } = c;
  const x = c.arg(0);
  const scale = b.mul(c.arg(1), b.rsqrt(b.add(c.arg(4), c.scalar("epsilon", 1e-5))));
  const shift = b.sub(c.arg(2), b.mul(c.arg(3), scale));
  const along = (v: Value): Value => b.broadcastInDim(v, x.shape, [1]);
  return [b.add(b.mul(x, along(scale)), along(shift))];
}

function layerNorm(c: Context): readonly Value[] {
  const { b } = c;
  const x = c.arg(0);
  const axis = c.axis(c.scalar("axis", -1), x.shape.length);
  const axes = x.shape.map((_, i) => i).filter((i) => i >= axis);
  const { centred, mean, inverse } = moments(b, x, axes, c.scalar("epsilon", 1e-5));
  const normal = b.mul(centred, b.spreadBack(inverse, x, axes));
  const scaled = b.mul(normal, b.broadcastTo(c.arg(1), x.shape));
  const shift = c.maybe(2);
  const kept = x.shape.map((size, i) => (i >= axis ? 1 : size));
  return [shift === null ? scaled : b.add(scaled, b.broadcastTo(shift, x.shape)), b.reshape(mean, kept), b.reshape(inverse, kept)];
}

function cumulative(c: Context): readonly Value[] {
  const { b } = c;
  let x = c.arg(0);
  const axis = c.axis(c.number(1, "axis") ?? 0, x.shape.length);
  const n = x.shape[axis]!;
  const backwards = c.scalar("reverse", 0) === 1;
  /** Moved along the axis, with noughts coming in. */
  const moved = (v: Value, by: number): Value => {
    const none = v.shape.map(() => 0);
    const cut = b.sliceAxis(v, axis, backwards ? by : 0, n - by);
    return b.pad(cut, backwards ? none : none.with(axis, by), backwards ? none.with(axis, by) : none);
  };
  if (c.scalar("exclusive", 0) === 1) {
    if (n === 1) return [b.splatLike(0, x)];
    x = moved(x, 1);
  }
  for (let by = 1; by < n; by *= 2) x = b.add(x, moved(x, by));
  return [x];
}

/** The last of equals where the node says so. */
function argmax(c: Context): readonly (Value | ReturnType<typeof typed>)[] {
  const { b } = c;
  const x = c.arg(0);
  const axis = c.axis(c.scalar("axis", 0), x.shape.length);
  const last = c.scalar("select_last_index", 0) === 1;
  const found = b.argmax(last ? b.reverse(x, [axis]) : x, axis);
  const index = last ? b.sub(x.shape[axis]! - 1, found) : found;
  return [typed("int64", c.scalar("keepdims", 1) === 1 ? b.reshape(index, x.shape.with(axis, 1)) : index)];
}

export const reductions: OperatorTable = {
  ReduceSum: reduction((b, x, axes) => b.sum(x, axes)),
  ReduceMean: reduction(mean),
  ReduceMax: reduction((b, x, axes) => b.reduceMax(x, axes)),
  ReduceMin: reduction((b, x, axes) => b.neg(b.reduceMax(b.neg(x), axes))),
  ReduceProd: reduction(product),
  ReduceL1: reduction((b, x, axes) => b.sum(b.abs(x), axes)),
  ReduceL2: reduction((b, x, axes) => b.sqrt(b.sum(b.mul(x, x), axes))),
  ReduceSumSquare: reduction((b, x, axes) => b.sum(b.mul(x, x), axes)),
  ReduceLogSumExp: reduction((b, x, axes) => {
    const most = b.reduceMax(x, axes);
    return b.add(b.log(b.sum(b.exp(b.sub(x, b.spreadBack(most, x, axes))), axes)), most);
  }),
  Softmax: (c) => overAxis(c, softmax),
  LogSoftmax: (c) => overAxis(c, logSoftmax),
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm,
  InstanceNormalization: (c) => {
    const { b } = c;
    const x = c.arg(0);
    const axes = x.shape.map((_, i) => i).slice(2);
    const { centred, inverse } = moments(b, x, axes, c.scalar("epsilon", 1e-5));
    return [b.add(b.mul(b.mul(centred, b.spreadBack(inverse, x, axes)), perChannel(c, 1, x)), perChannel(c, 2, x))];
  },
  CumSum: cumulative,
  ArgMax: argmax,
};
