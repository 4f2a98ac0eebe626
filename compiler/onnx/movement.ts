import { type Context, count, known, NotImported, type OperatorTable, type Result, spreadShape, typed } from "./context.ts";

// Operators that move elements, and those that make tensors of sizes.

const clampInto = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

function reshape(c: Context): readonly Result[] {
  const wanted = c.ints("shape") ?? c.numbers(1, "shape") ?? [];
  const from = c.shape(0);
  const keepZero = c.scalar("allowzero", 0) === 1;
  const sizes = wanted.map((size, i) => (size === 0 && !keepZero ? from[i]! : size));
  const rest = sizes.filter((size) => size !== -1).reduce((a, b) => a * b, 1);
  return [
    reshaped(
      c,
      0,
      sizes.map((size) => (size === -1 ? count(from) / rest : size)),
    ),
  ];
}
/** An argument with the same elements in another shape. */
function reshaped(c: Context, i: number, shape: readonly number[]): Result {
  const x = c.computed(i);
  if (count(c.shape(i)) !== count(shape)) throw new NotImported(`[${c.shape(i).join(", ")}] has not the size of [${shape.join(", ")}]`);
  return x.kind === "known" ? { ...x, shape } : typed(x.type, c.b.reshape(x.value, shape));
}

function slice(c: Context): readonly Result[] {
  const x = c.arg(0);
  const rank = x.shape.length;
  const starts = c.ints("starts") ?? c.numbers(1, "start") ?? [];
  const ends = c.ints("ends") ?? c.numbers(2, "end") ?? [];
  const axes = c.axes("axes", 3, rank) ?? starts.map((_, i) => i);
  const steps = c.numbers(4, "step") ?? starts.map(() => 1);
  const start = x.shape.map(() => 0);
  const size = [...x.shape];
  const step = x.shape.map(() => 1);
  for (const [i, axis] of axes.entries()) {
    const n = x.shape[axis]!;
    const by = steps[i]!;
    const place = (at: number): number => (at < 0 ? at + n : at);
    const from = by > 0 ? clampInto(place(starts[i]!), 0, n) : clampInto(place(starts[i]!), 0, n - 1);
    const to = by > 0 ? clampInto(place(ends[i]!), 0, n) : clampInto(place(ends[i]!), -1, n - 1);
    start[axis] = from;
    size[axis] = Math.max(0, Math.ceil((to - from) / by));
    step[axis] = by;
  }
  if (size.includes(0)) return [known(c.type(0), size, [])];
  return [c.b.slice(x, start, size, step)];
}

function split(c: Context): readonly Result[] {
  const axis = c.axis(c.scalar("axis", 0), c.shape(0).length);
  const n = c.shape(0)[axis]!;
  const parts = c.node.outputs.length;
  const each = Math.ceil(n / parts);
  const sizes = c.ints("split") ?? c.numbers(1, "list of sizes") ?? Array.from({ length: parts }, (_, i) => Math.min(each, n - i * each));
  let at = 0;
  return sizes.map((size) => {
    const from = at;
    at += size;
    return size === 0 ? known(c.type(0), c.shape(0).with(axis, 0), []) : c.b.sliceAxis(c.arg(0), axis, from, size);
  });
}

function pad(c: Context): readonly Result[] {
  const { b } = c;
  let x = c.arg(0);
  const rank = x.shape.length;
  const pads = c.ints("pads") ?? c.numbers(1, "padding") ?? [];
  const mode = c.text("mode", "constant");
  const low = pads.slice(0, rank);
  const high = pads.slice(rank);
  if (mode === "constant") {
    const value = c.number(2, "value") ?? c.scalar("value", 0);
    return [b.pad(x, low, high, undefined, value)];
  }
  for (let axis = 0; axis < rank; axis++) {
    const n = x.shape[axis]!;
    if (low[axis] === 0 && high[axis] === 0) continue;
    const index = Array.from({ length: low[axis]! + n + high[axis]! }, (_, i) => {
      const at = i - low[axis]!;
      if (mode === "edge") return clampInto(at, 0, n - 1);
      const turn = Math.max(1, 2 * (n - 1));
      const place = ((at % turn) + turn) % turn;
      return place < n ? place : turn - place;
    });
    x = b.gather(x, b.table(index, [index.length], "i32"), axis);
  }
  return [x];
}

function expand(c: Context): readonly Result[] {
  const shape = spreadShape(c.shape(0), c.numbers(1, "shape") ?? []);
  return [c.b.broadcastTo(c.arg(0), shape)];
}

export const movement: OperatorTable = {
  Reshape: reshape,
  Flatten: (c) => {
    const shape = c.shape(0);
    const given = c.scalar("axis", 1);
    const axis = given < 0 ? given + shape.length : given;
    return [reshaped(c, 0, [count(shape.slice(0, axis)), count(shape.slice(axis))])];
  },
  Squeeze: (c) => {
    const shape = c.shape(0);
    const axes = c.axes("axes", 1, shape.length) ?? shape.flatMap((size, i) => (size === 1 ? [i] : []));
    return [
      reshaped(
        c,
        0,
        shape.filter((_, i) => !axes.includes(i)),
      ),
    ];
  },
  Unsqueeze: (c) => {
    const given = c.ints("axes") ?? c.numbers(1, "axes") ?? [];
    const rank = c.shape(0).length + given.length;
    const axes = given.map((axis) => c.axis(axis, rank));
    const rest = [...c.shape(0)];
    return [
      reshaped(
        c,
        0,
        Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)),
      ),
    ];
  },
  Transpose: (c) => [c.b.permute(c.arg(0), c.ints("perm") ?? c.shape(0).map((_, i) => c.shape(0).length - 1 - i))],
  Concat: (c) => {
    const axis = c.axis(c.scalar("axis", 0), c.shape(0).length);
    const all = Array.from({ length: c.count }, (_, i) => i).filter((i) => count(c.shape(i)) > 0);
    return [
      c.b.concat(
        all.map((i) => c.arg(i)),
        axis,
      ),
    ];
  },
  Slice: slice,
  Split: split,
  Pad: pad,
  Expand: expand,
  Tile: (c) => {
    const repeats = c.numbers(1, "number of repeats") ?? [];
    const { b } = c;
    const x = c.arg(0);
    const wide = x.shape.flatMap((size, i) => [repeats[i]!, size]);
    const spread = b.broadcastInDim(
      x,
      wide,
      x.shape.map((_, i) => 2 * i + 1),
    );
    return [
      b.reshape(
        spread,
        x.shape.map((size, i) => size * repeats[i]!),
      ),
    ];
  },
  Shape: (c) => {
    const shape = c.shape(0);
    const place = (at: number): number => clampInto(at < 0 ? at + shape.length : at, 0, shape.length);
    const sizes = shape.slice(place(c.scalar("start", 0)), place(c.scalar("end", shape.length)));
    return [known("int64", [sizes.length], sizes)];
  },
  Size: (c) => [known("int64", [], [count(c.shape(0))])],
  Constant: (c) => {
    const value = c.attribute("value");
    if (typeof value === "object" && "data" in value) return [{ kind: "known", ...value }];
    const number = c.attribute("value_float") ?? c.attribute("value_int");
    if (typeof number === "number") return [known(c.node.attributes.has("value_int") ? "int64" : "float", [], [number])];
    const list = c.ints("value_floats") ?? c.ints("value_ints");
    if (list === null) throw new NotImported("it has no number");
    return [known(c.node.attributes.has("value_ints") ? "int64" : "float", [list.length], list)];
  },
  ConstantOfShape: (c) => {
    const shape = c.numbers(0, "shape") ?? [];
    const value = c.attribute("value");
    const [type, number] = typeof value === "object" && "data" in value ? [value.type, value.data[0]!] : (["float", 0] as const);
    return [known(type, shape, new Array<number>(count(shape)).fill(number))];
  },
  Range: (c) => {
    const [start, limit, delta] = [0, 1, 2].map((i) => c.number(i, "range")!) as [number, number, number];
    const size = Math.max(0, Math.ceil((limit - start) / delta));
    return [
      known(
        c.type(0),
        [size],
        Array.from({ length: size }, (_, i) => start + i * delta),
      ),
    ];
  },
};
