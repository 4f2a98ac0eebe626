import type { Builder } from "../ir/builder.ts";
import type { OpAttrs, Value } from "../ir/value.ts";
import {
  axisGroups,
  type Box,
  boxAround,
  countOf,
  isWhole,
  joinBoxes,
  pick,
  type Range,
  sliceBox,
  stretch,
  wholeBox,
  withRange,
} from "./box.ts";

// A box of a result, computed from boxes of its arguments. In: a value whose result or arguments are too large for one binding. Out: values
// that read no more than a binding holds: movement and maps are cut along the result, reductions and contractions also along what they sum,
// with the rows that overlap for a convolution, and a gather from a large table looks in one window after the other.

/** What the arguments of a value are cut into. */
export interface Windows {
  readonly b: Builder;
  /** The part of a value in a box that one binding holds. */
  part(v: Value, box: Box): Value;
  /** If a box of a value is too large for one binding: the axis along which it lies in several windows, and their ranges. */
  cut(v: Value, box: Box): Cut | null;
}
export interface Cut {
  readonly axis: number;
  readonly ranges: readonly Range[];
}
type Of<K extends Value["op"]> = Extract<Value, { readonly op: K }>;

/** The box of a value's result; undefined for a primitive that cannot be computed in parts. */
export function restrict(w: Windows, v: Value, box: Box): Value | undefined {
  switch (v.op) {
    case "sum":
    case "reduceMax":
      return reduction(w, v, reducedBox(v, v.attrs.axes, box));
    case "argmax":
      return argmaxIn(w, v, reducedBox(v, [v.attrs.axis], box)).at;
    case "dot":
      return dotIn(w, v, ...dotBoxes(v, box));
    case "conv":
      return convIn(w, v, box, rangesOf(v.args[1]!.shape).slice(1));
    case "attend":
    case "attendGrad":
      return attendIn(w, v, box);
    case "gather":
      return gatherIn(w, v, box);
    case "scatterAdd":
      return scatterIn(w, v, box, wholeBox(indexAxes(v)));
    default:
      return moved(w, v, box);
  }
}

const rangesOf = (shape: readonly number[]): Range[] => shape.map((size) => ({ start: 0, size }));

// ---- maps and movement: the result's box says which boxes of the arguments are needed ------------------------------------------------

function moved(w: Windows, v: Value, box: Box): Value | undefined {
  const needs = needed(v, box);
  if (!needs) return undefined;
  if (needs.boxes.every((at, i) => at === null || w.cut(v.args[i]!, at) === null)) {
    return needs.make(
      w.b,
      needs.boxes.map((at, i) => (at === null ? null : w.part(v.args[i]!, at))),
    );
  }
  // Reads that are spread over more than a binding holds: one half of the result after the other.
  const longest = box.size.reduce((best, n, axis) => (n > box.size[best]! ? axis : best), 0);
  const halves = inHalves({ start: box.start[longest]!, size: box.size[longest]! });
  return joined(w, halves, longest, (range) => moved(w, v, withRange(box, longest, range)));
}

interface Needs {
  readonly boxes: readonly (Box | null)[]; // null: nothing of this argument
  readonly make: (b: Builder, parts: readonly (Value | null)[]) => Value;
}

function needed(v: Value, box: Box): Needs | undefined {
  const one = (at: Box, make: (b: Builder, part: Value) => Value): Needs => ({ boxes: [at], make: (b, parts) => make(b, parts[0]!) });
  switch (v.op) {
    case "input":
    case "table":
    case "sum":
    case "reduceMax":
    case "argmax":
    case "dot":
    case "conv":
    case "attend":
    case "attendGrad":
    case "gather":
    case "scatterAdd":
      return undefined;
    case "const":
    case "iota":
      return { boxes: [], make: (b) => b.slice(b.make(v.op, [], v.attrs, { labels: v.labels }), box.start, box.size) };
    case "random":
      // Draws are counted by element, so the whole is written down and a part of it computed.
      return {
        boxes: v.args.map(() => wholeBox([])),
        make: (b, parts) => b.slice(b.make("random", parts as Value[], v.attrs), box.start, box.size),
      };
    case "broadcast": {
      const shape = v.args[0]!.shape;
      const at = pick(box, v.attrs.axes);
      const own: Box = {
        start: at.start.map((n, i) => (shape[i] === 1 ? 0 : n)),
        size: at.size.map((n, i) => (shape[i] === 1 ? 1 : n)),
      };
      return one(own, (b, x) => b.broadcastInDim(x, box.size, v.attrs.axes));
    }
    case "permute": {
      const { order } = v.attrs;
      const back = order.map((_, axis) => order.indexOf(axis));
      return one(pick(box, back), (b, x) => b.permute(x, order));
    }
    case "reshape":
      return reshaped(v, box);
    case "slice": {
      const { start, step } = v.attrs;
      const [from, last] = [0, 1].map((end) => box.start.map((n, a) => start[a]! + step[a]! * (end === 0 ? n : n + box.size[a]! - 1))) as [
        number[],
        number[],
      ];
      const low = from.map((n, a) => Math.min(n, last[a]!));
      const at: Box = { start: low, size: low.map((n, a) => Math.max(from[a]!, last[a]!) - n + 1) };
      return one(at, (b, x) =>
        b.slice(
          x,
          from.map((n, a) => n - low[a]!),
          box.size,
          step,
        ),
      );
    }
    case "pad":
      return padded(v, box);
    case "concat": {
      const { axis } = v.attrs;
      let before = 0;
      const boxes = v.args.map((x): Box | null => {
        const start = Math.max(0, box.start[axis]! - before);
        const end = Math.min(x.shape[axis]!, box.start[axis]! + box.size[axis]! - before);
        before += x.shape[axis]!;
        return end > start ? withRange(box, axis, { start, size: end - start }) : null;
      });
      return {
        boxes,
        make: (b, parts) => {
          const there = parts.filter((x) => x !== null);
          return there.length === 1 ? there[0]! : b.concat(there, axis);
        },
      };
    }
    default:
      // Elementwise, and markers.
      return { boxes: v.args.map(() => box), make: (b, parts) => b.make(v.op, parts as Value[], v.attrs) };
  }
}

function padded(v: Of<"pad">, box: Box): Needs {
  const { low, interior, value } = v.attrs;
  const shape = v.args[0]!.shape;
  const pitch = interior.map((n) => n + 1);
  const first = box.start.map((n, a) => Math.max(0, Math.ceil((n - low[a]!) / pitch[a]!)));
  const last = box.start.map((n, a) => Math.min(shape[a]! - 1, Math.floor((n + box.size[a]! - 1 - low[a]!) / pitch[a]!)));
  if (first.some((n, a) => n > last[a]!)) return { boxes: [null], make: (b) => b.splat(value, box.size, v.dtype) };
  const before = first.map((n, a) => low[a]! + pitch[a]! * n - box.start[a]!);
  const after = last.map((n, a) => box.start[a]! + box.size[a]! - 1 - (low[a]! + pitch[a]! * n));
  const at: Box = { start: first, size: first.map((n, a) => last[a]! - n + 1) };
  return { boxes: [at], make: (b, parts) => b.pad(parts[0]!, before, after, interior, value) };
}

/** A box of a reshape: in each group of axes one stretch of memory that holds it, of which what is asked for is taken. */
function reshaped(v: Of<"reshape">, box: Box): Needs {
  const shape = v.args[0]!.shape;
  const start: number[] = [];
  const size: number[] = [];
  const flatStart: number[] = []; // by group, in the part read
  const flatSize: number[] = [];
  const readSize: number[] = [];
  const grownStart = [...box.start];
  const grownSize = [...box.size];
  for (const group of axisGroups(shape, v.shape)) {
    const to = group.to.map((a) => v.shape[a]!);
    const from = group.from.map((a) => shape[a]!);
    const wanted = stretch(pick(box, group.to), to);
    for (const [i, a] of group.to.entries()) {
      grownStart[a] = wanted.box.start[i]!;
      grownSize[a] = wanted.box.size[i]!;
    }
    const count = countOf(wanted.box.size);
    const around = boxAround(wanted.from, wanted.from + count, from);
    for (const [i, a] of group.from.entries()) {
      start[a] = around.start[i]!;
      size[a] = around.size[i]!;
    }
    flatStart.push(wanted.from - stretch(around, from).from);
    flatSize.push(count);
    readSize.push(countOf(around.size));
  }
  return {
    boxes: [{ start, size }],
    make: (b, parts) => {
      const exact = flatSize.every((n, g) => n === readSize[g]);
      const flat = exact ? parts[0]! : b.slice(b.reshape(parts[0]!, readSize), flatStart, flatSize);
      const grown = b.reshape(flat, grownSize);
      return b.slice(
        grown,
        box.start.map((n, a) => n - grownStart[a]!),
        box.size,
      );
    },
  };
}

/** The parts of several ranges of the result, one after the other. */
function joined<T extends Value | undefined>(w: Windows, ranges: readonly Range[], axis: number, make: (range: Range) => T): T {
  const parts = ranges.map(make);
  const there = parts.filter((x) => x !== undefined);
  return there.length < parts.length ? (undefined as T) : (w.b.concat(there as Value[], axis) as T);
}
function inHalves({ start, size }: Range): Range[] {
  const half = Math.ceil(size / 2);
  return [
    { start, size: half },
    { start: start + half, size: size - half },
  ];
}
const summed = (b: Builder, parts: readonly Value[]): Value => parts.reduce((sum, x) => b.add(sum, x));

// ---- reductions ------------------------------------------------------------------------------------------------------------------------

/** The box of the argument that a box of the result needs. */
function reducedBox(v: Of<"sum" | "reduceMax" | "argmax">, gone: readonly number[], box: Box): Box {
  const shape = v.args[0]!.shape;
  const kept = shape.map((_, a) => a).filter((a) => !gone.includes(a));
  const at = (list: readonly number[], otherwise: (a: number) => number): number[] =>
    shape.map((_, a) => (gone.includes(a) ? otherwise(a) : list[kept.indexOf(a)]!));
  return { start: at(box.start, () => 0), size: at(box.size, (a) => shape[a]!) };
}
const keptAxis = (axis: number, gone: readonly number[]): number => axis - gone.filter((g) => g < axis).length;

function reduction(w: Windows, v: Of<"sum" | "reduceMax">, at: Box): Value {
  const { axes } = v.attrs;
  const cut = w.cut(v.args[0]!, at);
  if (!cut) return w.b.make(v.op, [w.part(v.args[0]!, at)], v.attrs);
  const of = (range: Range): Value => reduction(w, v, withRange(at, cut.axis, range));
  if (!axes.includes(cut.axis)) return joined(w, cut.ranges, keptAxis(cut.axis, axes), of);
  const parts = cut.ranges.map(of);
  return v.op === "sum" ? summed(w.b, parts) : parts.reduce((m, x) => w.b.max(m, x));
}

/** The largest along the axis and its place (from the start of the tensor); of equals the first. */
function argmaxIn(w: Windows, v: Of<"argmax">, box: Box): { readonly at: Value; readonly most: Value } {
  const { axis } = v.attrs;
  const x = v.args[0]!;
  const cut = w.cut(x, box);
  if (!cut) {
    const part = w.part(x, box);
    const place = w.b.argmax(part, axis);
    return { at: box.start[axis] === 0 ? place : w.b.add(place, box.start[axis]!), most: w.b.reduceMax(part, [axis]) };
  }
  const parts = cut.ranges.map((range) => argmaxIn(w, v, withRange(box, cut.axis, range)));
  if (cut.axis !== axis) {
    const to = keptAxis(cut.axis, [axis]);
    const join = (list: readonly Value[]): Value => w.b.concat(list, to);
    return { at: join(parts.map((p) => p.at)), most: join(parts.map((p) => p.most)) };
  }
  return parts.reduce((best, p) => {
    const better = w.b.lt(best.most, p.most);
    return { at: w.b.where(better, p.at, best.at), most: w.b.where(better, p.most, best.most) };
  });
}

// ---- contractions ----------------------------------------------------------------------------------------------------------------------

function dotBoxes(v: Of<"dot">, box: Box): [Box, Box] {
  const { batchA, batchB, contractA, contractB } = v.attrs;
  const [a, b] = v.args as [Value, Value];
  const freeA = freeAxes(a, batchA, contractA);
  const freeB = freeAxes(b, batchB, contractB);
  const boxOf = (x: Value, batch: readonly number[], free: readonly number[], first: number): Box => {
    const at = (list: readonly number[], whole: (axis: number) => number): number[] =>
      x.shape.map((_, axis) => {
        if (batch.includes(axis)) return list[batch.indexOf(axis)]!;
        return free.includes(axis) ? list[first + free.indexOf(axis)]! : whole(axis);
      });
    return { start: at(box.start, () => 0), size: at(box.size, (axis) => x.shape[axis]!) };
  };
  return [boxOf(a, batchA, freeA, batchA.length), boxOf(b, batchB, freeB, batchA.length + freeA.length)];
}
function freeAxes(x: Value, batch: readonly number[], contract: readonly number[]): number[] {
  return x.shape.map((_, axis) => axis).filter((axis) => !batch.includes(axis) && !contract.includes(axis));
}

function dotIn(w: Windows, v: Of<"dot">, boxA: Box, boxB: Box): Value {
  const { batchA, batchB, contractA, contractB } = v.attrs;
  const [a, b] = v.args as [Value, Value];
  const sides = [
    { x: a, box: boxA, batch: batchA, contract: contractA, first: batchA.length },
    { x: b, box: boxB, batch: batchB, contract: contractB, first: batchA.length + freeAxes(a, batchA, contractA).length },
  ] as const;
  for (const [i, side] of sides.entries()) {
    const cut = w.cut(side.x, side.box);
    if (!cut) continue;
    const other = sides[1 - i]!;
    const of = (range: Range): Value => {
      const mine = withRange(side.box, cut.axis, range);
      const place = side.batch.includes(cut.axis)
        ? other.batch[side.batch.indexOf(cut.axis)]
        : other.contract[side.contract.indexOf(cut.axis)];
      const theirs = place === undefined ? other.box : withRange(other.box, place, range);
      return i === 0 ? dotIn(w, v, mine, theirs) : dotIn(w, v, theirs, mine);
    };
    if (side.contract.includes(cut.axis)) return summed(w.b, cut.ranges.map(of));
    const batch = side.batch.indexOf(cut.axis);
    const axis = batch >= 0 ? batch : side.first + freeAxes(side.x, side.batch, side.contract).indexOf(cut.axis);
    return joined(w, cut.ranges, axis, of);
  }
  return w.b.dot(w.part(a, boxA), w.part(b, boxB), v.attrs);
}

/** A box of a convolution over some input channels and taps (ranges of the kernel's axes 1 to 3). */
function convIn(w: Windows, v: Of<"conv">, box: Box, inner: readonly Range[]): Value {
  const [x, kernel] = v.args as [Value, Value];
  const { stride, padLow, dilation, inputDilation, groups } = v.attrs;
  const [channels, ...taps] = inner as [Range, Range, Range];
  const perGroup = kernel.shape[0]! / groups;
  const [outputs, ...spatial] = [1, 2, 3].map((axis): Range => ({ start: box.start[axis]!, size: box.size[axis]! })) as [
    Range,
    Range,
    Range,
  ];
  // Outputs of one group are a convolution of its channels alone; of several groups, whole ones are taken together.
  const firstGroup = Math.floor(outputs.start / perGroup);
  const lastGroup = Math.floor((outputs.start + outputs.size - 1) / perGroup);
  const alone = firstGroup === lastGroup;
  if (!alone && (outputs.start % perGroup !== 0 || outputs.size % perGroup !== 0)) {
    const ranges = Array.from({ length: lastGroup - firstGroup + 1 }, (_, g): Range => {
      const start = Math.max(outputs.start, (firstGroup + g) * perGroup);
      return { start, size: Math.min(outputs.start + outputs.size, (firstGroup + g + 1) * perGroup) - start };
    });
    return joined(w, ranges, 1, (range) => convIn(w, v, withRange(box, 1, range), inner));
  }
  const read = {
    start: firstGroup * kernel.shape[1]! + channels.start,
    size: alone ? channels.size : (lastGroup - firstGroup + 1) * kernel.shape[1]!,
  };
  // The rows and columns of the input that the taps reach, and what of their reach is padding.
  const low: number[] = [];
  const high: number[] = [];
  const rows: Range[] = [];
  for (const d of [0, 1] as const) {
    const from = spatial[d]!.start * stride[d] - padLow[d] + taps[d]!.start * dilation[d];
    const to = from + (spatial[d]!.size - 1) * stride[d] + (taps[d]!.size - 1) * dilation[d];
    const first = Math.max(0, Math.ceil(from / inputDilation[d]));
    const last = Math.min(x.shape[2 + d]! - 1, Math.floor(to / inputDilation[d]));
    if (last < first) return w.b.splat(0, box.size);
    rows.push({ start: first, size: last - first + 1 });
    low.push(first * inputDilation[d] - from);
    high.push(to - last * inputDilation[d]);
  }
  const boxX: Box = {
    start: [box.start[0]!, read.start, rows[0]!.start, rows[1]!.start],
    size: [box.size[0]!, read.size, rows[0]!.size, rows[1]!.size],
  };
  const boxK: Box = {
    start: [outputs.start, channels.start, taps[0]!.start, taps[1]!.start],
    size: [outputs.size, channels.size, taps[0]!.size, taps[1]!.size],
  };
  const halves = (axis: number): Value => {
    const ranges = inHalves({ start: box.start[axis]!, size: box.size[axis]! });
    return joined(w, ranges, axis, (range) => convIn(w, v, withRange(box, axis, range), inner));
  };
  const sums = (axis: number, ranges: readonly Range[]): Value =>
    summed(
      w.b,
      ranges.map((range) => convIn(w, v, box, inner.with(axis - 1, range))),
    );
  const cutX = w.cut(x, boxX);
  if (cutX) {
    const { axis, ranges } = cutX;
    if (axis === 0) return joined(w, ranges, 0, (range) => convIn(w, v, withRange(box, 0, range), inner));
    if (axis === 1 && alone) {
      const first = firstGroup * kernel.shape[1]!;
      return sums(
        1,
        ranges.map((range) => ({ start: range.start - first, size: range.size })),
      );
    }
    if (axis === 1) return halves(1);
    if (box.size[axis]! > 1) return halves(axis);
    // One row of the result reads more than a binding holds: the taps one after the other, or fewer channels.
    const tap = [2, 3].find((t) => inner[t - 1]!.size > 1);
    if (tap !== undefined) return sums(tap, inHalves(inner[tap - 1]!));
    if (alone && channels.size > 1) return sums(1, inHalves(channels));
    const long = [1, 2, 3, 0].find((d) => box.size[d]! > 1);
    if (long !== undefined) return halves(long);
  }
  const cutK = w.cut(kernel, boxK);
  if (cutK) {
    const { axis, ranges } = cutK;
    if (axis > 1 || (axis === 1 && alone)) return sums(axis, ranges);
    if (box.size[1]! > 1) return halves(1);
  }
  const attrs: OpAttrs["conv"] = {
    ...v.attrs,
    padLow: [low[0]!, low[1]!],
    padHigh: [high[0]!, high[1]!],
    groups: alone ? 1 : lastGroup - firstGroup + 1,
  };
  return w.b.conv(w.part(x, boxX), w.part(kernel, boxK), attrs);
}

/** What an argument of attention has after the leading axes: rows of queries or keys with numbers each, rows alone, or a pair of them. */
const attendRows = { q: "queries", k: "keys", v: "keys", sums: "rows", delta: "rows", g: "queries", mask: "pairs" } as const;
const attendArguments = {
  attend: ["q", "k", "v", "mask"],
  attendGrad: ["q", "k", "v", "sums", "delta", "g", "mask"],
} as const satisfies Record<string, readonly (keyof typeof attendRows)[]>;

/** Attention in parts: of the leading axes, and of the rows that the result has, queries or keys. */
function attendIn(w: Windows, v: Of<"attend" | "attendGrad">, box: Box): Value | undefined {
  const lead = v.args[0]!.shape.length - 2;
  const whole = v.shape.length > lead + 1 ? withRange(box, lead + 1, { start: 0, size: v.shape[lead + 1]! }) : box;
  if (!isWhole(sliceBox(box, lead + 1), v.shape.slice(lead + 1))) {
    const rows = attendIn(w, v, whole);
    return rows && w.b.sliceAxis(rows, lead + 1, box.start[lead + 1]!, box.size[lead + 1]!);
  }
  const own = sliceBox(box, lead, lead + 1);
  const overKeys = v.op === "attendGrad" && v.attrs.part !== "q";
  const queries = overKeys ? wholeBox([v.args[0]!.shape[lead]!]) : own;
  const keys = overKeys ? own : wholeBox([v.args[1]!.shape[lead]!]);
  const names = attendArguments[v.op];
  const boxes = v.args.map((x, i) => {
    const rest = wholeBox(x.shape.slice(lead + 1));
    const of = { queries: [queries, rest], keys: [keys, rest], rows: [queries], pairs: [queries, keys] }[attendRows[names[i]!]];
    return joinBoxes(sliceBox(box, 0, lead), ...of);
  });
  if (boxes.every((at, i) => w.cut(v.args[i]!, at) === null)) {
    const parts = boxes.map((at, i) => w.part(v.args[i]!, at));
    return v.op === "attend" ? w.b.make("attend", parts, v.attrs) : w.b.make("attendGrad", parts, v.attrs);
  }
  const longest = box.size.slice(0, lead + 1).reduce((best, n, axis) => (n > box.size[best]! ? axis : best), 0);
  if (box.size[longest] === 1) return undefined;
  const ranges = inHalves({ start: box.start[longest]!, size: box.size[longest]! });
  return joined(w, ranges, longest, (range) => attendIn(w, v, withRange(box, longest, range)));
}

// ---- indexing --------------------------------------------------------------------------------------------------------------------------

function gatherIn(w: Windows, v: Of<"gather">, box: Box): Value {
  const [x, positions] = v.args as [Value, Value];
  const { axis, batch } = v.attrs;
  const own = positions.shape.length - batch;
  const at = joinBoxes(sliceBox(box, 0, batch), sliceBox(box, axis, axis + own));
  const table = (range: Range): Box =>
    joinBoxes(sliceBox(box, 0, axis), { start: [range.start], size: [range.size] }, sliceBox(box, axis + own));
  const cutPositions = w.cut(positions, at);
  if (cutPositions) {
    const to = cutPositions.axis < batch ? cutPositions.axis : axis + cutPositions.axis - batch;
    return joined(w, cutPositions.ranges, to, (range) => gatherIn(w, v, withRange(box, to, range)));
  }
  const index = w.part(positions, at);
  /** What is found in a range of the table, counted from its start; what lies outside finds its nearest end. */
  const find = (range: Range): Value => {
    const cut = w.cut(x, table(range));
    if (!cut) {
      const shifted = range.start === 0 ? index : w.b.sub(index, range.start);
      return w.b.gather(w.part(x, table(range)), shifted, axis, batch);
    }
    if (cut.axis === axis) {
      return cut.ranges.slice(1).reduce((found, r) => {
        const here = w.b.le(w.b.splat(r.start, index.shape, index.dtype), index);
        const places = [...box.size.slice(0, batch).keys(), ...Array.from({ length: own }, (_, i) => axis + i)];
        return w.b.where(w.b.broadcastInDim(here, box.size, places), find(r), found);
      }, find(cut.ranges[0]!));
    }
    const to = cut.axis < axis ? cut.axis : cut.axis - 1 + own;
    return joined(w, cut.ranges, to, (r) => gatherIn(w, v, withRange(box, to, r)));
  };
  return find({ start: 0, size: x.shape[axis]! });
}

const indexAxes = (v: Of<"scatterAdd">): readonly number[] => v.args[0]!.shape.slice(v.attrs.batch);

/** A box of the result from the updates of some positions. */
function scatterIn(w: Windows, v: Of<"scatterAdd">, box: Box, inner: Box): Value {
  const [positions, updates] = v.args as [Value, Value];
  const { axis, batch } = v.attrs;
  const own = positions.shape.length - batch;
  const at = joinBoxes(sliceBox(box, 0, batch), inner);
  const given = joinBoxes(sliceBox(box, 0, axis), inner, sliceBox(box, axis + 1));
  const cutIndex = w.cut(positions, at);
  const cutUpdates = w.cut(updates, given);
  const place = cutIndex ? (cutIndex.axis < batch ? cutIndex.axis : axis + cutIndex.axis - batch) : cutUpdates?.axis; // of the updates
  const ranges = (cutIndex ?? cutUpdates)?.ranges;
  if (place !== undefined && ranges) {
    if (place >= axis && place < axis + own)
      return summed(
        w.b,
        ranges.map((range) => scatterIn(w, v, box, withRange(inner, place - axis, range))),
      );
    const to = place < axis ? place : place - own + 1;
    return joined(w, ranges, to, (range) => scatterIn(w, v, withRange(box, to, range), inner));
  }
  const index = w.part(positions, at);
  const shifted = box.start[axis] === 0 ? index : w.b.sub(index, box.start[axis]!);
  return w.b.scatterAdd(shifted, w.part(updates, given), { axis, batch, size: box.size[axis]! });
}
