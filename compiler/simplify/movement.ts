import { elementCount, sameShape } from "../ir/ops/row.ts";
import type { Value } from "../ir/value.ts";
import { argumentOf, is, mapOps, type Rule, rule, splatOf } from "./rule.ts";

// Movement composes: two moves of one kind are one, and moves go the way that leaves the least data. In the form that results a broadcast is outermost,
// its argument has no axes of size 1, and a permute that only moves axes of size 1 is a reshape.

const indices = (shape: readonly number[]) => shape.map((_, axis) => axis);

/** Axes of both shapes in the finest groups of equal size; axes of size 1 belong to none. */
function axisGroups(from: readonly number[], to: readonly number[]): { readonly from: number[]; readonly to: number[] }[] {
  const left = indices(from).filter((axis) => from[axis] !== 1);
  const right = indices(to).filter((axis) => to[axis] !== 1);
  const groups: { from: number[]; to: number[] }[] = [];
  let [i, j] = [0, 0];
  while (i < left.length) {
    const group = { from: [left[i++]!], to: [right[j++]!] };
    let [p, q] = [from[group.from[0]!]!, to[group.to[0]!]!];
    while (p !== q) {
      if (p < q) {
        group.from.push(left[i]!);
        p *= from[left[i++]!]!;
      } else {
        group.to.push(right[j]!);
        q *= to[right[j++]!]!;
      }
    }
    groups.push(group);
  }
  return groups;
}

/** The one axis on which a pad with zeros adds to an f32 value, with the amount before it. */
function paddedAxis(v: Value): { readonly axis: number; readonly low: number; readonly x: Value } | undefined {
  if (!is(v, "pad") || v.attrs.value !== 0 || v.attrs.interior.some((n) => n > 0)) return undefined;
  const axes = indices(v.shape).filter((axis) => v.attrs.low[axis]! + v.attrs.high[axis]! > 0);
  return axes.length === 1 ? { axis: axes[0]!, low: v.attrs.low[axes[0]!]!, x: argumentOf(v) } : undefined;
}

/** Whether slice q goes on where slice p ends on `axis`, both of one value, one by one, and alike on all other axes. */
function adjoins(p: Value, q: Value, axis: number): boolean {
  if (!is(p, "slice") || !is(q, "slice") || p.args[0] !== q.args[0]) return false;
  const [a, c] = [p.attrs, q.attrs];
  if (a.step[axis] !== 1 || c.step[axis] !== 1 || a.start[axis]! + a.size[axis]! !== c.start[axis]) return false;
  return indices(p.shape).every((i) => i === axis || (a.start[i] === c.start[i] && a.size[i] === c.size[i] && a.step[i] === c.step[i]));
}

export const movementRules: readonly Rule[] = [
  rule("reshape-reshape", "reshape", (b, v) => (is(v.args[0], "reshape") ? b.reshape(argumentOf(v.args[0]), v.shape, v.labels) : null)),
  rule("permute-permute", "permute", (b, v) => {
    const inner = v.args[0]!;
    return is(inner, "permute")
      ? b.permute(
          argumentOf(inner),
          v.attrs.order.map((axis) => inner.attrs.order[axis]!),
        )
      : null;
  }),
  rule("permute-units", "permute", (b, v) => {
    const moved = v.attrs.order.filter((_, axis) => v.shape[axis] !== 1);
    return moved.every((axis, i) => i === 0 || moved[i - 1]! < axis) ? b.reshape(v.args[0]!, v.shape, v.labels) : null;
  }),
  rule("broadcast-broadcast", "broadcast", (b, v) => {
    const inner = v.args[0]!;
    return is(inner, "broadcast")
      ? b.broadcastInDim(
          argumentOf(inner),
          v.shape,
          inner.attrs.axes.map((axis) => v.attrs.axes[axis]!),
        )
      : null;
  }),
  rule("broadcast-units-only", "broadcast", (b, v) => {
    // (A constant keeps the form of a broadcast scalar.)
    if (splatOf(v) !== undefined || elementCount(v.shape) !== elementCount(v.args[0]!.shape)) return null;
    return b.reshape(v.args[0]!, v.shape, v.labels);
  }),
  rule("broadcast-drops-units", "broadcast", (b, v) => {
    const x = v.args[0]!;
    if (!x.shape.includes(1)) return null;
    const kept = indices(x.shape).filter((axis) => x.shape[axis] !== 1);
    const squeezed = b.reshape(
      x,
      kept.map((axis) => x.shape[axis]!),
      kept.map((axis) => x.labels[axis]!),
    );
    return b.broadcastInDim(
      squeezed,
      v.shape,
      kept.map((axis) => v.attrs.axes[axis]!),
    );
  }),
  rule("permute-broadcast", "permute", (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, "broadcast")) return null;
    const places = inner.attrs.axes.map((axis) => v.attrs.order.indexOf(axis));
    const order = indices(places).sort((p, q) => places[p]! - places[q]!);
    return b.broadcastInDim(
      b.permute(argumentOf(inner), order),
      v.shape,
      order.map((axis) => places[axis]!),
    );
  }),
  rule("reshape-broadcast", "reshape", (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, "broadcast")) return null;
    const groups = axisGroups(inner.shape, v.shape);
    const places = inner.attrs.axes.map((axis) => {
      const group = groups.find((g) => g.from.includes(axis));
      return group?.from.length === 1 && group.to.length === 1 ? group.to[0] : undefined;
    });
    return places.every((place) => place !== undefined) ? b.broadcastInDim(argumentOf(inner), v.shape, places) : null;
  }),
  rule("slice-broadcast", "slice", (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, "broadcast")) return null;
    const own = (list: readonly number[]) => inner.attrs.axes.map((axis) => list[axis]!);
    return b.broadcastInDim(
      b.slice(argumentOf(inner), own(v.attrs.start), own(v.attrs.size), own(v.attrs.step)),
      v.shape,
      inner.attrs.axes,
    );
  }),
  rule("slice-step-of-one", "slice", (b, v) => {
    const { start, size, step } = v.attrs;
    if (!size.some((n, axis) => n === 1 && step[axis] !== 1)) return null;
    return b.slice(
      v.args[0]!,
      start,
      size,
      step.map((s, axis) => (size[axis] === 1 ? 1 : s)),
    );
  }),
  rule("slice-slice", "slice", (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, "slice")) return null;
    const { start, step } = inner.attrs;
    const first = v.attrs.start.map((place, axis) => start[axis]! + place * step[axis]!);
    return b.slice(
      argumentOf(inner),
      first,
      v.attrs.size,
      v.attrs.step.map((s, axis) => s * step[axis]!),
    );
  }),
  rule("slice-pad", "slice", (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, "pad") || inner.attrs.interior.some((n) => n > 0)) return null;
    const { start, size, step } = v.attrs;
    const x = argumentOf(inner);
    const ends = indices(v.shape).map((axis) => {
      const places = [start[axis]! - inner.attrs.low[axis]!, start[axis]! + (size[axis]! - 1) * step[axis]! - inner.attrs.low[axis]!];
      return { low: Math.min(...places), high: Math.max(...places), of: x.shape[axis]! };
    });
    if (ends.some(({ low, high, of }) => high < 0 || low >= of)) return b.splat(inner.attrs.value, v.shape, v.dtype);
    const inside = ends.every(({ low, high, of }) => low >= 0 && high < of);
    return inside
      ? b.slice(
          x,
          start.map((place, axis) => place - inner.attrs.low[axis]!),
          size,
          step,
        )
      : null;
  }),
  rule("slice-concat", "slice", (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, "concat")) return null;
    const { axis } = inner.attrs;
    const places = [v.attrs.start[axis]!, v.attrs.start[axis]! + (v.attrs.size[axis]! - 1) * v.attrs.step[axis]!];
    let low = 0;
    for (const part of inner.args) {
      const high = low + part.shape[axis]!;
      if (places.every((place) => place >= low && place < high)) {
        return b.slice(part, v.attrs.start.with(axis, v.attrs.start[axis]! - low), v.attrs.size, v.attrs.step);
      }
      low = high;
    }
    return null;
  }),
  rule("pad-pad", "pad", (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, "pad") || inner.attrs.value !== v.attrs.value || v.attrs.interior.some((n) => n > 0)) return null;
    const sum = (p: readonly number[], q: readonly number[]) => p.map((n, axis) => n + q[axis]!);
    const { low, high, interior, value } = inner.attrs;
    return b.pad(argumentOf(inner), sum(low, v.attrs.low), sum(high, v.attrs.high), interior, value);
  }),
  rule("concat-concat", "concat", (b, v) => {
    const { axis } = v.attrs;
    const parts = v.args.flatMap((part) => (is(part, "concat") && part.attrs.axis === axis ? part.args : [part]));
    return parts.length > v.args.length ? b.concat(parts, axis) : null;
  }),
  rule("concat-slices", "concat", (b, v) => {
    const { axis } = v.attrs;
    const parts: Value[] = [];
    for (const part of v.args) {
      const last = parts[parts.length - 1];
      if (last && is(last, "slice") && adjoins(last, part, axis)) {
        const { start, size, step } = last.attrs;
        parts[parts.length - 1] = b.slice(argumentOf(last), start, size.with(axis, size[axis]! + part.shape[axis]!), step);
      } else parts.push(part);
    }
    return parts.length < v.args.length ? b.concat(parts, axis) : null;
  }),
  rule("add-pads", "add", (b, v) => {
    // The gradients of neighbouring slices: their sum is the concatenation. Chains of sums grow one piece at a time.
    const [p, q] = [paddedAxis(v.args[0]!), paddedAxis(v.args[1]!)];
    if (!p || !q || p.axis !== q.axis || v.dtype !== "f32") return null;
    const [first, second] = p.low < q.low ? [p, q] : [q, p];
    const { axis } = first;
    if (first.low + first.x.shape[axis]! !== second.low) return null;
    const joined = b.concat([first.x, second.x], axis);
    const none = v.shape.map(() => 0);
    return b.pad(joined, none.with(axis, first.low), none.with(axis, v.shape[axis]! - first.low - joined.shape[axis]!));
  }),
  rule("map-broadcast", mapOps, (b, v) => {
    // An op on repeated values is computed once and its result repeated.
    const shapes = v.args.find((a) => is(a, "broadcast") && splatOf(a) === undefined);
    if (!is(shapes, "broadcast")) return null;
    const { shape, axes } = shapes.attrs;
    const small: Value[] = [];
    for (const a of v.args) {
      const number = splatOf(a);
      if (number !== undefined) small.push(b.splat(number, argumentOf(shapes).shape, a.dtype));
      else if (is(a, "broadcast") && sameShape(a.attrs.shape, shape) && sameShape(a.attrs.axes, axes)) small.push(argumentOf(a));
      else return null;
    }
    return b.broadcastInDim(b.make(v.op, small, v.attrs), shape, axes);
  }),
];
