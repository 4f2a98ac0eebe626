// Boxes: a range on every axis of a tensor. How the box of a result maps to the boxes of what it is computed from.

export interface Box {
  readonly start: readonly number[];
  readonly size: readonly number[];
}
export interface Range {
  readonly start: number;
  readonly size: number;
}

export const countOf = (size: readonly number[]): number => size.reduce((a, b) => a * b, 1);

/** All of a shape. */
export function wholeBox(shape: readonly number[]): Box {
  return { start: shape.map(() => 0), size: shape };
}
export function isWhole(box: Box, shape: readonly number[]): boolean {
  return box.size.every((n, axis) => n === shape[axis]);
}
export function boxKey(box: Box): string {
  return `${box.start.join()}+${box.size.join()}`;
}
/** The box with another range on one axis. */
export function withRange(box: Box, axis: number, range: Range): Box {
  return { start: box.start.with(axis, range.start), size: box.size.with(axis, range.size) };
}
/** The axes of the box in another order: axis i is axis order[i] of the given one. */
export function pick(box: Box, order: readonly number[]): Box {
  return { start: order.map((axis) => box.start[axis]!), size: order.map((axis) => box.size[axis]!) };
}
/** Boxes of tensors whose axes follow each other. */
export function joinBoxes(...boxes: readonly Box[]): Box {
  return { start: boxes.flatMap((b) => b.start), size: boxes.flatMap((b) => b.size) };
}
export function sliceBox(box: Box, from: number, to?: number): Box {
  return { start: box.start.slice(from, to), size: box.size.slice(from, to) };
}
/** The first axis of more than one element, in this order of axes. */
export function firstLong(box: Box, order: readonly number[] = box.size.map((_, i) => i)): number | undefined {
  return order.find((axis) => box.size[axis]! > 1);
}
/** The box grown to whole inner axes, so that it is one stretch of row-major memory, and where that begins. */
export function stretch(box: Box, shape: readonly number[]): { readonly box: Box; readonly from: number } {
  const axis = firstLong(box) ?? shape.length;
  const grown: Box = {
    start: box.start.map((n, i) => (i > axis ? 0 : n)),
    size: box.size.map((n, i) => (i > axis ? shape[i]! : n)),
  };
  let from = 0;
  for (const [i, n] of shape.entries()) from = from * n + grown.start[i]!;
  return { box: grown, from };
}
/** The smallest box that is one stretch of memory and holds the elements from..to (exclusive) of a row-major tensor. */
export function boxAround(from: number, to: number, shape: readonly number[]): Box {
  const start: number[] = [];
  const size: number[] = [];
  let inner = countOf(shape);
  let [low, high] = [from, to - 1];
  let parted = false;
  for (const n of shape) {
    inner /= n;
    if (parted) {
      start.push(0);
      size.push(n);
      continue;
    }
    const [a, b] = [Math.floor(low / inner), Math.floor(high / inner)];
    start.push(a);
    size.push(b - a + 1);
    parted = a !== b;
    low -= a * inner;
    high -= b * inner;
  }
  return { start, size };
}

/** Neighbouring axes of two shapes of equal count, in the finest groups of equal size. */
export function axisGroups(
  from: readonly number[],
  to: readonly number[],
): { readonly from: readonly number[]; readonly to: readonly number[] }[] {
  const groups: { from: number[]; to: number[] }[] = [];
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    const group: { from: number[]; to: number[] } = { from: [], to: [] };
    let [p, q] = [1, 1];
    if (i < from.length) {
      p = from[i]!;
      group.from.push(i++);
    }
    if (j < to.length) {
      q = to[j]!;
      group.to.push(j++);
    }
    while (p !== q) {
      if (p < q) {
        p *= from[i]!;
        group.from.push(i++);
      } else {
        q *= to[j]!;
        group.to.push(j++);
      }
    }
    groups.push(group);
  }
  return groups;
}
