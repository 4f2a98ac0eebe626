import type { Value } from "../ir/value.ts";
import { type Context, NotImported, type OperatorTable, type Result, typed } from "./context.ts";

// Operators with windows: convolutions, pools, changes of size. What has one spatial axis is done as if it had a second of size 1.

type Pair = readonly [number, number];
interface Window {
  readonly x: Value; // [n, c, h, w]
  readonly size: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly low: Pair;
  readonly high: Pair;
  /** The result's height and width. */
  readonly out: Pair;
  /** Back to the rank that the argument has. */
  readonly back: (y: Value) => Value;
}

const two = (given: readonly number[], fill: number): Pair => (given.length === 1 ? [fill, given[0]!] : [given[0]!, given[1]!]);

function windowOf(c: Context, kernel: readonly number[]): Window {
  const { b } = c;
  const given = c.arg(0);
  const spatial = given.shape.length - 2;
  if (spatial !== 1 && spatial !== 2) throw new NotImported(`it has ${spatial} spatial axes`);
  const x = spatial === 1 ? b.reshape(given, [given.shape[0]!, given.shape[1]!, 1, given.shape[2]!]) : given;
  const each = (name: string, otherwise: number) => c.ints(name) ?? kernel.map(() => otherwise);
  const size = two(kernel, 1);
  const stride = two(each("strides", 1), 1);
  const dilation = two(each("dilations", 1), 1);
  const pads = c.ints("pads") ?? new Array<number>(2 * spatial).fill(0);
  let low = two(pads.slice(0, spatial), 0);
  let high = two(pads.slice(spatial), 0);
  const reach = [0, 1].map((i) => dilation[i]! * (size[i]! - 1) + 1) as unknown as Pair;
  const room = [x.shape[2]!, x.shape[3]!] as const;
  const auto = c.text("auto_pad", "NOTSET");
  const ceil = c.scalar("ceil_mode", 0) === 1;
  let out: Pair;
  if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    out = [0, 1].map((i) => Math.ceil(room[i]! / stride[i]!)) as unknown as Pair;
    const missing = [0, 1].map((i) => Math.max(0, (out[i]! - 1) * stride[i]! + reach[i]! - room[i]!));
    const less = missing.map((m) => Math.floor(m / 2)) as unknown as Pair;
    const more = missing.map((m) => Math.ceil(m / 2)) as unknown as Pair;
    [low, high] = auto === "SAME_UPPER" ? [less, more] : [more, less];
  } else {
    if (auto === "VALID")
      [low, high] = [
        [0, 0],
        [0, 0],
      ];
    const whole = (i: 0 | 1): number => {
      const steps = (room[i]! + low[i]! + high[i]! - reach[i]!) / stride[i]!;
      const count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
      // A window that begins in the padding behind the end is none.
      return ceil && (count - 1) * stride[i]! >= room[i]! + low[i]! ? count - 1 : count;
    };
    out = [whole(0), whole(1)];
  }
  const back = (y: Value): Value => (spatial === 1 ? b.reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]) : y);
  return { x, size, stride, dilation, low, high, out, back };
}

const kernel4 = (c: Context, w: Value): Value => (w.shape.length === 3 ? c.b.reshape(w, [w.shape[0]!, w.shape[1]!, 1, w.shape[2]!]) : w);
function withBias(c: Context, y: Value): Value {
  const bias = c.maybe(2);
  return bias === null ? y : c.b.add(y, c.b.broadcastInDim(bias, y.shape, [1]));
}

function conv(c: Context): readonly Result[] {
  const weights = c.arg(1);
  const { x, stride, dilation, low, high, back } = windowOf(c, c.ints("kernel_shape") ?? weights.shape.slice(2));
  const made = c.b.conv(x, kernel4(c, weights), { stride, dilation, padLow: low, padHigh: high, groups: c.scalar("group", 1) });
  return [back(withBias(c, made))];
}

function convTranspose(c: Context): readonly Result[] {
  const { b } = c;
  const given = c.arg(1);
  const { x, size, stride, dilation, low, high, back } = windowOf(c, c.ints("kernel_shape") ?? given.shape.slice(2));
  const w = kernel4(c, given);
  const groups = c.scalar("group", 1);
  const spatial = given.shape.length - 2;
  const extra = two(c.ints("output_padding") ?? new Array<number>(spatial).fill(0), 0);
  const wanted = c.ints("output_shape");
  const auto = c.text("auto_pad", "NOTSET");
  const axes = [0, 1] as const;
  let [first, second] = [low, high];
  if (wanted !== null || auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    const sizes = wanted === null ? axes.map((i) => x.shape[2 + i]! * stride[i]!) : two(wanted, 1);
    const total = axes.map((i) => stride[i]! * (x.shape[2 + i]! - 1) + extra[i]! + dilation[i]! * (size[i]! - 1) + 1 - sizes[i]!);
    const half = total.map((t) => Math.floor(t / 2)) as unknown as Pair;
    const rest = axes.map((i) => total[i]! - half[i]!) as unknown as Pair;
    [first, second] = auto === "SAME_UPPER" ? [half, rest] : [rest, half];
  }
  // [in, out / groups, h, w] -> [out, in / groups, h, w], turned round.
  const [inner, outer, kh, kw] = w.shape as readonly [number, number, number, number];
  const grouped = b.permute(b.reshape(w, [groups, inner / groups, outer, kh, kw]), [0, 2, 1, 3, 4]);
  const kernel = b.reverse(b.reshape(grouped, [groups * outer, inner / groups, kh, kw]), [2, 3]);
  const made = b.conv(x, kernel, {
    inputDilation: stride,
    dilation,
    groups,
    padLow: axes.map((i) => dilation[i]! * (size[i]! - 1) - first[i]!) as unknown as Pair,
    padHigh: axes.map((i) => dilation[i]! * (size[i]! - 1) - second[i]! + extra[i]!) as unknown as Pair,
  });
  return [back(withBias(c, made))];
}

/** The elements at each place of the window, in order, over the padded argument. */
function taps(
  c: Context,
  { x, size, stride, dilation, low, high, out }: Window,
  fill: number,
): { readonly tap: Value; readonly padded: Value }[] {
  const { b } = c;
  const [n, channels, h, w] = x.shape as readonly [number, number, number, number];
  // As much behind as the last window needs.
  const need = ([0, 1] as const).map((i) => (out[i] - 1) * stride[i] + dilation[i] * (size[i] - 1) + 1);
  const more = [Math.max(high[0], need[0]! - h - low[0]), Math.max(high[1], need[1]! - w - low[1])];
  const padded = b.pad(x, [0, 0, ...low], [0, 0, ...more], undefined, fill);
  return Array.from({ length: size[0] * size[1] }, (_, k) => {
    const at = [Math.floor(k / size[1]) * dilation[0], (k % size[1]) * dilation[1]];
    return { tap: b.slice(padded, [0, 0, ...at], [n, channels, ...out], [1, 1, ...stride]), padded };
  });
}

const lowest = -3.4028234663852886e38;

function maxPool(c: Context): readonly Result[] {
  const { b } = c;
  const window = windowOf(c, c.ints("kernel_shape") ?? []);
  const all = taps(c, window, window.x.dtype === "i32" ? -(2 ** 31) : lowest);
  const best = all.map(({ tap }) => tap).reduce((p, q) => b.max(p, q));
  if ((c.node.outputs[1] ?? "") === "") return [window.back(best)];
  // Where the first of the largest stands in the whole argument.
  const { shape } = window.x;
  const plane = shape[2]! * shape[3]!;
  const place = (axis: number): Value => b.iotaAlong(shape, axis);
  const [y, x] = c.scalar("storage_order", 0) === 0 ? ([shape[3]!, 1] as const) : ([1, shape[2]!] as const);
  const rows = b.add(b.mul(place(2), y), b.mul(place(3), x));
  const planes = b.add(b.mul(place(0), shape[1]!), place(1));
  const places = taps(c, { ...window, x: b.add(b.mul(planes, plane), rows) }, -1);
  let found = places[0]!.tap;
  for (let i = all.length - 1; i >= 0; i--) found = b.where(b.eq(all[i]!.tap, best), places[i]!.tap, found);
  return [window.back(best), typed("int64", window.back(found))];
}

function averagePool(c: Context): readonly Result[] {
  const { b } = c;
  const window = windowOf(c, c.ints("kernel_shape") ?? []);
  const { x, size, stride, low, high, out } = window;
  const sum = taps(c, window, 0)
    .map(({ tap }) => tap)
    .reduce((p, q) => b.add(p, q));
  const padding = c.scalar("count_include_pad", 0) === 1;
  // How many elements count, per row and column of the result.
  const counts = ([0, 1] as const).map((i) =>
    Array.from({ length: out[i] }, (_, o) => {
      const from = o * stride[i] - low[i];
      const room = x.shape[2 + i]!;
      const [first, last] = padding ? [-low[i], room + high[i]] : [0, room];
      return Math.min(from + size[i], last) - Math.max(from, first);
    }),
  );
  const table = counts[0]!.flatMap((rows) => counts[1]!.map((columns) => Math.fround(1 / (rows * columns))));
  return [window.back(b.mul(sum, b.broadcastInDim(b.table(table, out), sum.shape, [2, 3])))];
}

// ---- changes of size

interface Tap {
  readonly index: readonly number[];
  readonly weight: readonly number[];
}

/** Where an axis of the result looks in the argument: places and weights, one entry of each list per element of the result. */
function tapsOf(c: Context, n: number, m: number, scale: number, mode: string, transform: string): readonly Tap[] {
  const place = (i: number): number => {
    switch (transform) {
      case "half_pixel":
        return (i + 0.5) / scale - 0.5;
      case "pytorch_half_pixel":
        return m > 1 ? (i + 0.5) / scale - 0.5 : 0;
      case "align_corners":
        // The size that scales give is not rounded here, as the operator is defined.
        return n * scale !== 1 ? (i * (n - 1)) / (n * scale - 1) : 0;
      case "asymmetric":
        return i / scale;
      default:
        throw new NotImported(`it changes coordinates by ${transform}`);
    }
  };
  const places = Array.from({ length: m }, (_, i) => place(i));
  const inside = (at: number): number => Math.min(Math.max(at, 0), n - 1);
  if (mode === "nearest") {
    const rounds: Readonly<Record<string, (x: number) => number>> = {
      round_prefer_floor: (x) => Math.ceil(x - 0.5),
      round_prefer_ceil: (x) => Math.floor(x + 0.5),
      floor: Math.floor,
      ceil: Math.ceil,
    };
    const round = rounds[c.text("nearest_mode", "round_prefer_floor")];
    if (round === undefined) throw new NotImported("it rounds in a way that is not known");
    return [{ index: places.map((x) => inside(round(x))), weight: places.map(() => 1) }];
  }
  const a = c.scalar("cubic_coeff_a", -0.75);
  const cubic = (d: number): number => {
    const x = Math.abs(d);
    if (x <= 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1;
    return x < 2 ? a * x ** 3 - 5 * a * x ** 2 + 8 * a * x - 4 * a : 0;
  };
  const [around, weigh] = mode === "cubic" ? [[-1, 0, 1, 2], cubic] : [[0, 1], (d: number) => Math.max(0, 1 - Math.abs(d))];
  const exclude = c.scalar("exclude_outside", 0) === 1;
  const raw = around.map((k) => ({
    index: places.map((x) => inside(Math.floor(x) + k)),
    weight: places.map((x) => {
      const at = Math.floor(x) + k;
      return exclude && (at < 0 || at > n - 1) ? 0 : weigh(x - at);
    }),
  }));
  if (!exclude) return raw;
  const sums = places.map((_, i) => raw.reduce((sum, tap) => sum + tap.weight[i]!, 0));
  return raw.map(({ index, weight }) => ({ index, weight: weight.map((w, i) => w / sums[i]!) }));
}

function resized(c: Context, x: Value, sizes: readonly number[], scales: readonly number[], mode: string, transform: string): Value {
  const { b } = c;
  let y = x;
  for (const [axis, m] of sizes.entries()) {
    const n = x.shape[axis]!;
    if (n === m && scales[axis] === 1) continue;
    const parts = tapsOf(c, n, m, scales[axis]!, mode, transform).map(({ index, weight }) => {
      const taken = b.gather(y, b.table(index, [m], "i32"), axis);
      return weight.every((w) => w === 1)
        ? taken
        : b.mul(taken, b.broadcastInDim(b.table(weight.map(Math.fround), [m]), taken.shape, [axis]));
    });
    y = parts.reduce((p, q) => b.add(p, q));
  }
  return y;
}

function resize(c: Context): readonly Result[] {
  const x = c.arg(0);
  const at = c.opset < 11 ? 1 : 2;
  const given = c.numbers(at, "list of scales") ?? [];
  const wanted = c.opset < 11 ? [] : (c.numbers(3, "size") ?? []);
  const axes = c.ints("axes")?.map((axis) => c.axis(axis, x.shape.length)) ?? x.shape.map((_, i) => i);
  const sizes = [...x.shape];
  const scales = x.shape.map(() => 1);
  for (const [i, axis] of axes.entries()) {
    const n = x.shape[axis]!;
    if (wanted.length > 0) {
      sizes[axis] = wanted[i]!;
      scales[axis] = wanted[i]! / n;
    } else {
      scales[axis] = given[i]!;
      sizes[axis] = Math.floor(n * given[i]! + 1e-6);
    }
  }
  return [
    resized(
      c,
      x,
      sizes,
      scales,
      c.text("mode", "nearest"),
      c.opset < 11 ? "asymmetric" : c.text("coordinate_transformation_mode", "half_pixel"),
    ),
  ];
}

export const windows: OperatorTable = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: (c) => {
    const x = c.arg(0);
    const axes = x.shape.map((_, i) => i).slice(2);
    return [
      c.b.reshape(
        c.b.mean(x, axes),
        x.shape.map((size, i) => (i < 2 ? size : 1)),
      ),
    ];
  },
  GlobalMaxPool: (c) => {
    const x = c.arg(0);
    const axes = x.shape.map((_, i) => i).slice(2);
    return [
      c.b.reshape(
        c.b.reduceMax(x, axes),
        x.shape.map((size, i) => (i < 2 ? size : 1)),
      ),
    ];
  },
  Resize: resize,
  Upsample: (c) => {
    const x = c.arg(0);
    const scales = c.ints("scales") ?? c.numbers(1, "list of scales") ?? [];
    const sizes = x.shape.map((n, i) => Math.floor(n * scales[i]! + 1e-6));
    // As the operator that came after it with the coordinates and the rounding that this one has.
    const mode = c.text("mode", "nearest");
    if (mode !== "nearest") return [resized(c, x, sizes, scales, "linear", "asymmetric")];
    let y = x;
    for (const [axis, m] of sizes.entries()) {
      const index = Array.from({ length: m }, (_, i) => Math.min(Math.floor(i / scales[axis]!), x.shape[axis]! - 1));
      if (m !== x.shape[axis]) y = c.b.gather(y, c.b.table(index, [m], "i32"), axis);
    }
    return [y];
  },
};
