import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import { type Context, count, NotImported, type OperatorTable, type Result, typed } from "./context.ts";

// Operators with indices. Negative ones count from the end. Those that take single elements do so in the argument as one long row.

/** Indices from the front. */
function fromFront(b: Builder, index: Value, size: number): Value {
  return b.where(b.lt(index, 0), b.add(index, size), index);
}
const strides = (shape: readonly number[]): number[] => shape.map((_, i) => count(shape.slice(i + 1)));
const row = (b: Builder, x: Value): Value => b.reshape(x, [count(x.shape)]);

/** Where an index that replaces one axis points to in the long row. */
function elementPlaces(c: Context, index: Value, shape: readonly number[], axis: number): Value {
  const { b } = c;
  const step = strides(shape);
  let place = b.mul(fromFront(b, index, shape[axis]!), step[axis]!);
  for (let i = 0; i < shape.length; i++) if (i !== axis) place = b.add(place, b.mul(b.iotaAlong(index.shape, i), step[i]!));
  return place;
}
/** Where tuples of indices point to: the place of the first element of what each names, and how many elements that is. */
function tuplePlaces(c: Context, index: Value, shape: readonly number[]): { readonly first: Value; readonly each: number } {
  const { b } = c;
  const depth = index.shape.at(-1)!;
  const lead = index.shape.slice(0, -1);
  const step = strides(shape);
  let first: Value | null = null;
  for (let k = 0; k < depth; k++) {
    const one = b.reshape(b.sliceAxis(index, index.shape.length - 1, k, 1), lead);
    const part = b.mul(fromFront(b, one, shape[k]!), step[k]!);
    first = first === null ? part : b.add(first, part);
  }
  return { first: first!, each: count(shape.slice(depth)) };
}
/** All places of rows of `each` elements. */
function spread(b: Builder, first: Value, each: number): Value {
  const n = count(first.shape);
  const long = b.broadcastInDim(b.reshape(first, [n]), [n, each], [0]);
  return b.reshape(b.add(long, b.iotaAlong([n, each], 1)), [n * each]);
}
/** The argument with some elements replaced, or, if asked, added to. */
function written(c: Context, places: Value, updates: Value): Value {
  const { b } = c;
  const x = c.arg(0);
  const size = count(x.shape);
  const sums = b.scatterAdd(places, updates, { axis: 0, size });
  const how = c.text("reduction", "none");
  if (how === "add") return b.reshape(b.add(row(b, x), sums), x.shape);
  if (how !== "none") throw new NotImported(`it puts by ${how}`);
  const hits = b.scatterAdd(places, b.splat(1, places.shape), { axis: 0, size });
  return b.reshape(b.where(b.gt(hits, 0), sums, row(b, x)), x.shape);
}

function topK(c: Context): readonly Result[] {
  const { b } = c;
  const x = c.arg(0);
  const axis = c.axis(c.scalar("axis", -1), x.shape.length);
  const k = c.number(1, "number of elements") ?? c.scalar("k", 1);
  if (k > 64) throw new NotImported(`it takes the ${k} largest; up to 64 are taken one after the other`);
  let left = c.scalar("largest", 1) === 1 ? x : b.neg(x);
  const none = b.splatLike(left.dtype === "i32" ? -(2 ** 31) : -3.4028234663852886e38, left);
  const values: Value[] = [];
  const places: Value[] = [];
  const kept = x.shape.with(axis, 1);
  for (let i = 0; i < k; i++) {
    const at = b.argmax(left, axis);
    const here = b.eq(b.iotaAlong(x.shape, axis), b.broadcastTo(b.reshape(at, kept), x.shape));
    values.push(b.reshape(b.sum(b.where(here, x, b.splatLike(0, x)), [axis]), kept));
    places.push(b.reshape(at, kept));
    left = b.where(here, none, left);
  }
  return [b.concat(values, axis), typed("int64", b.concat(places, axis))];
}

export const indexing: OperatorTable = {
  Gather: (c) => {
    const x = c.arg(0);
    const axis = c.axis(c.scalar("axis", 0), x.shape.length);
    return [c.b.gather(x, fromFront(c.b, c.arg(1), x.shape[axis]!), axis)];
  },
  GatherElements: (c) => {
    const x = c.arg(0);
    const index = c.arg(1);
    const places = elementPlaces(c, index, x.shape, c.axis(c.scalar("axis", 0), x.shape.length));
    return [c.b.reshape(c.b.gather(row(c.b, x), row(c.b, places), 0), index.shape)];
  },
  GatherND: (c) => {
    if (c.scalar("batch_dims", 0) !== 0) throw new NotImported("it has batch axes");
    const x = c.arg(0);
    const index = c.arg(1);
    const { first, each } = tuplePlaces(c, index, x.shape);
    const taken = c.b.gather(row(c.b, x), spread(c.b, first, each), 0);
    return [c.b.reshape(taken, [...index.shape.slice(0, -1), ...x.shape.slice(index.shape.at(-1))])];
  },
  ScatterElements: (c) => {
    const x = c.arg(0);
    const places = elementPlaces(c, c.arg(1), x.shape, c.axis(c.scalar("axis", 0), x.shape.length));
    return [written(c, row(c.b, places), row(c.b, c.arg(2)))];
  },
  ScatterND: (c) => {
    const { first, each } = tuplePlaces(c, c.arg(1), c.arg(0).shape);
    return [written(c, spread(c.b, first, each), row(c.b, c.arg(2)))];
  },
  TopK: topK,
  Trilu: (c) => {
    const { b } = c;
    if (count(c.shape(0)) === 0) return [c.computed(0)];
    const x = c.arg(0);
    const rank = x.shape.length;
    const k = c.number(1, "diagonal") ?? 0;
    const off = b.sub(b.iotaAlong(x.shape, rank - 1), b.iotaAlong(x.shape, rank - 2));
    const stays = c.scalar("upper", 1) === 1 ? b.ge(off, k) : b.le(off, k);
    return [b.where(stays, x, b.splatLike(0, x))];
  },
};
