import { Builder } from "../../compiler/ir/builder.ts";
import { elementCount } from "../../compiler/ir/ops/row.ts";
import type { DType, OpName, Value } from "../../compiler/ir/value.ts";
import type { Draft } from "./programs.ts";

// The steps of random programs, one row per primitive: each makes one value out of the draft's values, with the primitive in it, or null when
// the choice does not fit. A primitive without a row does not build. Domains are kept by construction (the logarithm sees |x| + 0.5), jumps
// and kinks by looking at the values.

export type Choice = readonly [number, number, number, number, number, number];
export type ProgramStep = (draft: Draft, choice: Choice) => Value | null;

const sizes = [1, 2, 3, 4, 5, 7] as const;
const pick = <T>(list: readonly T[], n: number): T => list[n % list.length]!;

/** At least 0.5 and smooth enough: what roots, logarithms, divisors and bases see. */
function positive(d: Draft, x: Value): Value | null {
  return d.awayFromZero(x) ? d.b.add(d.b.abs(x), 0.5) : null;
}

/** A rotation of the axes of a value, by `n` with every other one reversed: orders of all kinds occur. */
function orderOf(rank: number, n: number): number[] {
  const axes = Array.from({ length: rank }, (_, i) => i);
  for (let i = rank - 1; i > 0; i--) {
    const j = (n + i * 7) % (i + 1);
    [axes[i], axes[j]] = [axes[j]!, axes[i]!];
    n = Math.floor(n / (i + 1));
  }
  return axes;
}

/** q, k, v and sometimes a mask for it, of some lengths and widths. */
function attentionOperands(d: Draft, x: number, form: number, k: number, y: number, more: number): Value[] {
  const rows = d.candidates("f32").filter((v) => v.shape.length >= 2 && v.shape.length <= 4);
  const q = rows.length > 0 ? pick(rows, x) : d.freshInput([2, 3], "f32");
  const lead = q.shape.slice(0, -2);
  const keys = pick(sizes, k);
  const of = (width: number, n: number) => d.shaped([...lead, keys, width], "f32", n);
  const mask = form % 3 === 0 ? [d.shaped([...lead, q.shape[q.shape.length - 2]!, keys], "f32", more)] : [];
  return [q, of(q.shape[q.shape.length - 1]!, y), of(pick(sizes, y >> 3), more >> 3), ...mask];
}

/** Products of an infinity in the last step of a contraction may be NaN: what fills up its last vector counts as zeros. */
const hasInfinity = (d: Draft, x: Value): boolean => d.arrayOf(x).data.some((e) => Math.abs(e) === Number.POSITIVE_INFINITY);

const someAxes = (rank: number, n: number) => Array.from({ length: rank }, (_, i) => i).filter((i) => (n >> i) & 1);

/** An f32 map that is smooth everywhere. */
const smooth =
  (op: "neg" | "exp" | "sin" | "cos" | "tanh" | "erf"): ProgramStep =>
  (d, [, x]) =>
    d.b.make(op, [d.pick("f32", x)], {});
const ofPositive =
  (op: "log" | "sqrt" | "rsqrt"): ProgramStep =>
  (d, [, x]) => {
    const base = positive(d, d.pick("f32", x));
    return base && d.b.make(op, [base], {});
  };
/** Floats, whole numbers, and either with a constant. */
const arithmetic =
  (op: "add" | "sub" | "mul"): ProgramStep =>
  (d, [, x, y, dtype, n]) => {
    const type: DType = pick(["f32", "f32", "f32", "i32", "u32"], dtype);
    const a = d.pick(type, x);
    if (n % 3 === 0) return d.b[op](a, pick(type === "f32" ? [0, 1, -1, 0.5, 2, -0.25, 3, 0.1] : [0, 1, 2, 3], y));
    return d.b[op](a, d.shaped(a.shape, type, y));
  };
const larger =
  (op: "max" | "min"): ProgramStep =>
  (d, [, x, y, dtype, n]) => {
    const type: DType = pick(["f32", "f32", "i32", "u32"], dtype);
    const a = d.pick(type, x);
    const c = n % 3 === 0 ? d.b.splatLike(0, a) : d.shaped(a.shape, type, y);
    return d.apart(a, c) ? d.b.make(op, [a, c], {}) : null;
  };
const wholeDivision =
  (op: "idiv" | "imod"): ProgramStep =>
  (d, [, x, y, n]) => {
    const a = d.pick("i32", x);
    return d.b.make(op, [a, n % 3 === 0 ? d.b.splatLike(5, a) : d.shaped(a.shape, "i32", y)], {});
  };
const bits =
  (op: "and" | "or" | "xor"): ProgramStep =>
  (d, [, x, y, dtype]) => {
    const type: DType = pick(["bool", "i32", "u32"], dtype);
    const a = d.pick(type, x);
    return d.b.make(op, [a, d.shaped(a.shape, type, y)], {});
  };
const compared =
  (op: "lt" | "eq"): ProgramStep =>
  (d, [, x, y, dtype]) => {
    const type: DType = pick(["f32", "f32", "i32", "u32", "bool"].slice(0, op === "lt" ? 4 : 5) as DType[], dtype);
    const a = d.pick(type, x);
    const c = d.shaped(a.shape, type, y);
    return d.apart(a, c) ? d.b.make(op, [a, c], {}) : null;
  };
const shifted =
  (op: "shl" | "shr"): ProgramStep =>
  (d, [, x, y, dtype]) => {
    const a = d.pick(dtype % 2 ? "i32" : "u32", x);
    return d.b.make(op, [a, d.b.splatLike(y % 7, a)], {});
  };
const marked =
  (mark: (d: Draft, x: Value, n: number) => Value): ProgramStep =>
  (d, [, x, n]) =>
    mark(d, d.pick("f32", x), n);
/** Some value of any dtype, floats more often: what movements see. */
const anything = (d: Draft, x: number, dtype: number): Value => d.pick(pick(["f32", "f32", "f32", "f32", "i32", "u32", "bool"], dtype), x);

export const programSteps: { readonly [K in OpName]: ProgramStep } = {
  input: (d, [, n, m, k, rank, dtype]) => {
    const shape = [pick(sizes, n), pick(sizes, m), pick([1, 2, 3], k), pick([1, 2, 4], k)].slice(0, rank % 5);
    return d.freshInput(shape, pick(["f32", "f32", "f32", "bool", "u32"], dtype));
  },
  const: (d, [, n, m, value]) => d.b.splat(pick([0, 1, -1, 0.5, 1e-3], value), [pick(sizes, n), pick(sizes, m)].slice(0, n % 3)),
  table: (d, [, from, dtype]) =>
    dtype % 2 ? d.b.table([from % 3, 0, 2, 1, from % 2], [5], "i32") : d.b.table([0.5, -1, (from % 8) / 4], [3, 1], "f32"),
  iota: (d, [, n]) => d.b.iota(pick(sizes, n)),
  random: (d, [, key, word, n, m]) => {
    // Uniform numbers below 1: 24 of the 32 bits, so that f32 holds them exactly.
    const drawn = d.b.random(d.b.scalar(n % 5, "u32"), { key0: key, key1: 7, word: word % 9, shape: [pick(sizes, n), pick(sizes, m)] });
    return d.b.mul(d.b.cast(d.b.shr(drawn, 8), "f32"), 2 ** -24);
  },

  neg: smooth("neg"),
  exp: smooth("exp"),
  sin: smooth("sin"),
  cos: smooth("cos"),
  tanh: smooth("tanh"),
  erf: smooth("erf"),
  log: ofPositive("log"),
  sqrt: ofPositive("sqrt"),
  rsqrt: ofPositive("rsqrt"),
  abs: (d, [, x]) => {
    const a = d.pick("f32", x);
    return d.clear(a, () => 0) ? d.b.abs(a) : null;
  },
  floor: (d, [, x]) => {
    const a = d.pick("f32", x);
    return d.clear(a, Math.round) ? d.b.floor(a) : null;
  },
  round: (d, [, x]) => {
    const a = d.pick("f32", x);
    return d.clear(a, (e) => Math.floor(e) + 0.5) ? d.b.round(a) : null;
  },
  not: (d, [, x]) => d.b.not(d.pick("bool", x)),
  cast: (d, [, x, form, to]) => {
    switch (form % 5) {
      case 0: {
        const a = d.pick("f32", x);
        return d.clear(a, Math.round) ? d.b.cast(a, "i32") : null;
      }
      case 1:
        return d.b.cast(d.pick("bool", x), to % 2 ? "f32" : "i32");
      case 2:
        return d.b.cast(d.pick("i32", x), "u32");
      case 3:
        return d.b.cast(d.b.imod(d.pick("i32", x), 5), "f32");
      default:
        return d.b.cast(d.pick("u32", x), "i32");
    }
  },

  add: arithmetic("add"),
  sub: arithmetic("sub"),
  mul: arithmetic("mul"),
  div: (d, [, x, y]) => {
    const a = d.pick("f32", x);
    const divisor = positive(d, d.shaped(a.shape, "f32", y));
    return divisor && d.b.div(a, divisor);
  },
  pow: (d, [, x, y, n]) => {
    const a = d.pick("f32", x);
    const base = positive(d, d.shaped(a.shape, "f32", y));
    return base && d.b.pow(base, n % 2 ? a : pick([0, 1, -1, 0.5, 2, -0.25, 3, 0.1], n >> 1));
  },
  idiv: wholeDivision("idiv"),
  imod: wholeDivision("imod"),
  max: larger("max"),
  min: larger("min"),
  lt: compared("lt"),
  eq: compared("eq"),
  and: bits("and"),
  or: bits("or"),
  xor: bits("xor"),
  shl: shifted("shl"),
  shr: shifted("shr"),
  where: (d, [, dtype, c, x, y]) => {
    const condition = d.pick("bool", c);
    const type: DType = dtype % 4 === 0 ? "i32" : "f32";
    return d.b.where(condition, d.shaped(condition.shape, type, x), d.shaped(condition.shape, type, y));
  },

  sum: (d, [, axes, x, dtype]) => {
    const a = d.pick(pick(["f32", "f32", "f32", "i32", "u32"], dtype), x);
    return d.b.sum(a, someAxes(a.shape.length, axes));
  },
  reduceMax: (d, [, axis, x, dtype]) => {
    const a = d.pick(pick(["f32", "f32", "f32", "i32", "u32"], dtype), x);
    if (a.shape.length === 0 || (a.dtype === "f32" && !d.oneLargest(a, axis % a.shape.length))) return null;
    return d.b.reduceMax(a, [axis % a.shape.length]);
  },
  argmax: (d, [, axis, x, dtype]) => {
    const a = d.pick(dtype % 4 ? "f32" : "i32", x);
    if (a.shape.length === 0 || (a.dtype === "f32" && !d.oneLargest(a, axis % a.shape.length))) return null;
    return d.b.argmax(a, axis % a.shape.length);
  },

  reshape: (d, [, form, x, dtype]) => {
    const a = anything(d, x, dtype);
    const count = elementCount(a.shape);
    const rows = pick(
      [1, 2, 3, 4, 5, 6, 7].filter((n) => count % n === 0),
      form,
    );
    return d.b.reshape(
      a,
      pick([[count], [rows, count / rows], [rows, 1, count / rows], [...a.shape, 1], a.shape.filter((n) => n > 1)], form >> 3),
    );
  },
  permute: (d, [, order, x, dtype]) => {
    const a = anything(d, x, dtype);
    return d.b.permute(a, orderOf(a.shape.length, order));
  },
  broadcast: (d, [, place, x, n, dtype]) => {
    const a = anything(d, x, dtype);
    const at = place % (a.shape.length + 1);
    const axes = a.shape.map((_, i) => (i < at ? i : i + 1));
    return d.b.broadcastInDim(a, a.shape.toSpliced(at, 0, pick(sizes, n)), axes);
  },
  slice: (d, [, axis, x, start, size, step]) => {
    const a = anything(d, x, step >> 3);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const length = a.shape[at]!;
    const first = start % length;
    const stride = pick([1, 2, -1, -2, 3], step);
    const room = Math.floor((stride > 0 ? length - 1 - first : first) / Math.abs(stride)) + 1;
    return d.b.sliceAxis(a, at, first, (size % room) + 1, stride);
  },
  pad: (d, [, low, x, high, interior, value]) => {
    const a = anything(d, x, value >> 2);
    const amounts = (n: number) => a.shape.map((_, i) => (n >> (2 * i)) % 3);
    return d.b.pad(
      a,
      amounts(low),
      amounts(high),
      amounts(interior).map((n) => n % 2),
      value % 3 ? 0 : a.dtype === "f32" ? 0.5 : 1,
    );
  },
  concat: (d, [, axis, x, y, dtype]) => {
    const a = anything(d, x, dtype);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const fitting = d.candidates(a.dtype, a.shape.length).filter((v) => v.shape.every((n, i) => i === at || n === a.shape[i]));
    return d.b.concat(axis % 3 ? [a, pick(fitting, y)] : [a, pick(fitting, y), a], at);
  },

  gather: (d, [, axis, x, i, batch]) => {
    const a = d.pick("f32", x);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const shared = at > 0 && batch % 2 ? 1 : 0;
    const index = shared ? d.shaped([a.shape[0]!, 2], "i32", i) : d.pick("i32", i);
    return d.b.gather(a, index, at, shared);
  },
  scatterAdd: (d, [, axis, x, i, size, batch]) => {
    const a = d.pick("f32", x);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const shared = at > 0 && batch % 2 ? 1 : 0;
    const index = d.shaped(shared ? [a.shape[0]!, a.shape[at]!] : [a.shape[at]!], "i32", i);
    return d.b.scatterAdd(index, a, { axis: at, size: pick(sizes, size), batch: shared });
  },

  dot: (d, [, axis, x, n, form, y]) => {
    const a = d.pick("f32", x);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const free = pick(sizes, n);
    if (form % 3 === 0 || a.shape.length === 1) {
      const c = d.shaped(form % 2 ? [a.shape[at]!, free] : [free, a.shape[at]!], "f32", y);
      return hasInfinity(d, a) || hasInfinity(d, c) ? null : d.b.dot(a, c, { contractA: [at], contractB: [form % 2 ? 0 : 1] });
    }
    const batch = (at + 1) % a.shape.length;
    const c = d.shaped([free, a.shape[at]!, a.shape[batch]!], "f32", y);
    if (hasInfinity(d, a) || hasInfinity(d, c)) return null;
    return d.b.dot(a, c, { batchA: [batch], batchB: [2], contractA: [at], contractB: [1] });
  },
  conv: (d, [, x, form, k, y, more]) => {
    const groups = 1 + (form % 2);
    const images = d.candidates("f32", 4).filter((v) => v.shape[1]! % groups === 0);
    const image =
      images.length > 0 && form % 3 ? pick(images, x) : d.freshInput([1 + (x % 2), groups * (1 + (k % 3)), pick([4, 5, 3], x), 4], "f32");
    const kernel = d.shaped([groups * (1 + (y % 2)), image.shape[1]! / groups, 1 + (k % 3), pick([1, 2, 3], k >> 2)], "f32", y);
    // Padding counts as zeros, which an infinite weight makes NaN where the f64 meaning leaves the tap out.
    if (!d.arrayOf(kernel).data.every(Number.isFinite)) return null;
    const two = (n: number, list: readonly number[]) => [pick(list, n), pick(list, n >> 3)] as const;
    const options = {
      stride: two(more, [1, 2, 1, 3]),
      padLow: two(more >> 2, [0, 1, 2, -1]),
      padHigh: two(more >> 4, [1, 0, 2, -1]),
      dilation: two(form >> 3, [1, 1, 2]),
      inputDilation: two(form >> 5, [1, 1, 1, 2]),
      groups,
    };
    const fits = [0, 1].every((i) => {
      const reach = (image.shape[2 + i]! - 1) * options.inputDilation[i]! + options.padLow[i]! + options.padHigh[i]!;
      return reach >= (kernel.shape[2 + i]! - 1) * options.dilation[i]!;
    });
    return fits ? d.b.conv(image, kernel, options) : null;
  },
  attend: (d, [, x, form, k, y, more]) => {
    const args = attentionOperands(d, x, form, k, y, more);
    return d.b.make("attend", args, { part: form % 4 === 1 ? "sums" : "out", scale: pick([0.5, 1, -0.25], form >> 4) });
  },
  attendGrad: (d, [, x, form, k, y, more]) => {
    const [q, key, v, ...mask] = attentionOperands(d, x, form, k, y, more) as [Value, Value, Value, ...Value[]];
    const rows = q.shape.slice(0, -1);
    const numbers = d.shaped(rows, "f32", more >> 1);
    const cotangent = d.shaped([...rows, v.shape[v.shape.length - 1]!], "f32", y >> 2);
    const args = [q, key, v, numbers, d.shaped(rows, "f32", k >> 2), cotangent, ...mask];
    return d.b.make("attendGrad", args, { part: pick(["q", "k", "v"] as const, form >> 1), scale: pick([0.5, 1, -0.25], form >> 4) });
  },
  loop: (d, [, x, count, y, part, key]) => {
    // Runs of sin(carried * item + shared) + noise / 4, whose numbers and draws differ from run to run.
    const start = d.pick("f32", x);
    const shared = d.shaped(start.shape, "f32", y);
    const runs = 1 + (count % 3);
    const b = new Builder();
    const [carry, given] = [b.input("carry0", start.shape), b.input("shared0", start.shape)];
    const [item, second] = [b.input("item0", [], { role: "uniform" }), b.input("item1", [], { role: "uniform", dtype: "u32" })];
    const bits = b.make("random", [b.scalar(1, "u32"), second], { key0: 3, key1: key, word: part % 4, shape: start.shape });
    const noise = b.mul(b.cast(b.shr(bits, 8), "f32"), 2 ** -26);
    const next = b.add(b.sin(b.add(b.mul(carry, b.broadcastInDim(item, start.shape, [])), given)), noise);
    const results = [
      { name: "carry0", value: next },
      { name: "every0", value: b.mul(next, 2) },
    ];
    const body = { name: `body ${start.shape.join("x")} ${key} ${part % 4}`, results };
    const items = [d.b.table([0.5, -1, 2].slice(0, runs), [runs]), d.b.table([5, 6, 7].slice(0, runs), [runs], "u32")];
    return d.b.make("loop", [start, ...items, shared], { body, count: runs, carried: 1, items: 2, part: part % 2 });
  },

  stop: marked((d, x) => d.b.stop(x)),
  gradScale: marked((d, x, n) => d.b.gradScale(x, pick([-1, 0.5, 2], n))),
  save: marked((d, x, n) => d.b.save(x, pick(["kept", "again"], n))),
  again: marked((d, x) => d.b.again(x)),
  tap: marked((d, x, n) => d.b.tap(x, pick(["seen", "looked"], n))),
};
