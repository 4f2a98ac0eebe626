import { elementCount } from "../../compiler/ir/ops/row.ts";
import type { DType, OpName, Value } from "../../compiler/ir/value.ts";
import type { Draft } from "./programs.ts";

// The steps of random programs: each makes one value out of the draft's values, or null when the choice does not fit. Domains are kept by
// construction (the logarithm sees |x| + 0.5), jumps and kinks by looking at the values.

export type Choice = readonly [number, number, number, number, number, number];
export type ProgramStep = (draft: Draft, choice: Choice) => Value | null;

const sizes = [1, 2, 3, 4, 5, 7] as const;
const pick = <T>(list: readonly T[], n: number): T => list[n % list.length]!;

/** At least 0.5 and smooth enough: what roots, logarithms, divisors and bases see. */
function positive(d: Draft, x: Value): Value | null {
  return d.clear(x, () => 0) ? d.b.add(d.b.abs(x), 0.5) : null;
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

const someAxes = (rank: number, n: number) => Array.from({ length: rank }, (_, i) => i).filter((i) => (n >> i) & 1);

/** f32 maps that are smooth everywhere. */
const smooth: readonly OpName[] = ["neg", "exp", "sin", "cos", "tanh", "erf"];
const ofPositive: readonly OpName[] = ["log", "sqrt", "rsqrt"];
const arithmetic: readonly OpName[] = ["add", "sub", "mul"];

const maps: readonly ProgramStep[] = [
  (d, [, op, x]) => d.b.make(pick(smooth, op), [d.pick("f32", x)], {}),
  (d, [, op, x, y]) => {
    const a = d.pick("f32", x);
    return d.b.make(pick(arithmetic, op), [a, d.shaped(a.shape, "f32", y)], {});
  },
  (d, [, op, x]) => {
    const base = positive(d, d.pick("f32", x));
    return base && d.b.make(pick(ofPositive, op), [base], {});
  },
  (d, [, op, x, y]) => {
    const a = d.pick("f32", x);
    const divisor = positive(d, d.shaped(a.shape, "f32", y));
    return divisor && (op % 2 ? d.b.div(a, divisor) : d.b.pow(divisor, a));
  },
  (d, [, op, x]) => {
    const a = d.pick("f32", x);
    const constants = [0, 1, -1, 0.5, 2, -0.25, 3, 0.1];
    const n = pick(constants, op >> 2);
    switch (op % 4) {
      case 0:
        return d.b.add(a, n);
      case 1:
        return d.b.mul(a, n);
      case 2:
        return d.b.sub(n, a);
      default: {
        const base = positive(d, a);
        return base && d.b.pow(base, n);
      }
    }
  },
  (d, [, op, x, y]) => {
    const a = d.pick("f32", x);
    const c = op % 3 === 0 ? d.b.splatLike(0, a) : d.shaped(a.shape, "f32", y);
    return d.apart(a, c) ? d.b.make(op % 2 ? "max" : "min", [a, c], {}) : null;
  },
  (d, [, op, x]) => {
    const a = d.pick("f32", x);
    if (op % 3 === 0) return d.clear(a, () => 0) ? d.b.abs(a) : null;
    if (op % 3 === 1) return d.clear(a, Math.round) ? d.b.floor(a) : null;
    return d.clear(a, (e) => Math.floor(e) + 0.5) ? d.b.round(a) : null;
  },
];

const whole: readonly OpName[] = ["add", "sub", "mul", "max", "min", "idiv", "imod", "and", "or", "xor"];
const truth: readonly OpName[] = ["and", "or", "xor", "eq"];

const logic: readonly ProgramStep[] = [
  (d, [, op, x, y]) => {
    const a = d.pick("f32", x);
    const c = d.shaped(a.shape, "f32", y);
    return d.apart(a, c) ? d.b.make(op % 3 ? "lt" : "eq", [a, c], {}) : null;
  },
  (d, [, op, x, y]) => {
    const a = d.pick("i32", x);
    return d.b.make(op % 3 ? "lt" : "eq", [a, d.shaped(a.shape, "i32", y)], {});
  },
  (d, [, op, x, y]) => {
    const a = d.pick("bool", x);
    return op % 4 === 0 ? d.b.not(a) : d.b.make(pick(truth, op >> 2), [a, d.shaped(a.shape, "bool", y)], {});
  },
  (d, [, dtype, c, x, y]) => {
    const condition = d.pick("bool", c);
    const type: DType = dtype % 4 === 0 ? "i32" : "f32";
    return d.b.where(condition, d.shaped(condition.shape, type, x), d.shaped(condition.shape, type, y));
  },
  (d, [, op, x, y]) => {
    const a = d.pick("i32", x);
    return d.b.make(pick(whole, op), [a, d.shaped(a.shape, "i32", y)], {});
  },
  (d, [, op, x, y]) => {
    const dtype: DType = op % 2 ? "i32" : "u32";
    const a = d.pick(dtype, x);
    return d.b.make((op >> 1) % 2 ? "shl" : "shr", [a, d.b.splatLike(y % 7, a)], {});
  },
  (d, [, op, x]) => {
    switch (op % 5) {
      case 0: {
        const a = d.pick("f32", x);
        return d.clear(a, Math.round) ? d.b.cast(a, "i32") : null;
      }
      case 1:
        return d.b.cast(d.pick("bool", x), op % 2 ? "f32" : "i32");
      case 2:
        return d.b.cast(d.pick("i32", x), "u32");
      case 3:
        return d.b.cast(d.b.imod(d.pick("i32", x), 5), "f32");
      default:
        return d.b.cast(d.pick("u32", x), "i32");
    }
  },
  (d, [, key, word, n, m]) => {
    // Uniform numbers below 1: 24 of the 32 bits, so that f32 holds them exactly.
    const bits = d.b.random(d.b.scalar(n % 5, "u32"), { key0: key, key1: 7, word: word % 9, shape: [pick(sizes, n), pick(sizes, m)] });
    return d.b.mul(d.b.cast(d.b.shr(bits, 8), "f32"), 2 ** -24);
  },
  (d, [, n, from]) => (n % 2 ? d.b.iota(pick(sizes, n)) : d.b.table([from % 3, 0, 2, 1, from % 2], [5], "i32")),
];

const moves: readonly ProgramStep[] = [
  (d, [, axes, x]) => {
    const a = d.pick("f32", x);
    return d.b.sum(a, someAxes(a.shape.length, axes));
  },
  (d, [, axis, x, which]) => {
    const a = d.pick("f32", x);
    if (a.shape.length === 0 || !d.oneLargest(a, axis % a.shape.length)) return null;
    return which % 2 ? d.b.argmax(a, axis % a.shape.length) : d.b.reduceMax(a, [axis % a.shape.length]);
  },
  (d, [, form, x, dtype]) => {
    const a = d.pick(dtype % 4 ? "f32" : "i32", x);
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
  (d, [, order, x]) => {
    const a = d.pick("f32", x);
    return d.b.permute(a, orderOf(a.shape.length, order));
  },
  (d, [, place, x, n]) => {
    const a = d.pick("f32", x);
    const at = place % (a.shape.length + 1);
    const axes = a.shape.map((_, i) => (i < at ? i : i + 1));
    return d.b.broadcastInDim(a, a.shape.toSpliced(at, 0, pick(sizes, n)), axes);
  },
  (d, [, axis, x, start, size, step]) => {
    const a = d.pick("f32", x);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const length = a.shape[at]!;
    const first = start % length;
    const stride = pick([1, 2, -1, -2, 3], step);
    const room = Math.floor((stride > 0 ? length - 1 - first : first) / Math.abs(stride)) + 1;
    return d.b.sliceAxis(a, at, first, (size % room) + 1, stride);
  },
  (d, [, low, x, high, interior, value]) => {
    const a = d.pick("f32", x);
    const amounts = (n: number) => a.shape.map((_, i) => (n >> (2 * i)) % 3);
    return d.b.pad(
      a,
      amounts(low),
      amounts(high),
      amounts(interior).map((n) => n % 2),
      value % 3 ? 0 : 0.5,
    );
  },
  (d, [, axis, x, y, dtype]) => {
    const a = d.pick(dtype % 4 ? "f32" : "i32", x);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const fitting = d.candidates(a.dtype, a.shape.length).filter((v) => v.shape.every((n, i) => i === at || n === a.shape[i]));
    return d.b.concat(axis % 3 ? [a, pick(fitting, y)] : [a, pick(fitting, y), a], at);
  },
  (d, [, marker, x]) => {
    const a = d.pick("f32", x);
    return [d.b.save(a, "kept"), d.b.tap(a, "seen"), d.b.save(a, "again"), d.b.tap(a, "looked")][marker % 4]!;
  },
];

const heavy: readonly ProgramStep[] = [
  (d, [, axis, x, i, batch]) => {
    const a = d.pick("f32", x);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const shared = at > 0 && batch % 2 ? 1 : 0;
    const index = shared ? d.shaped([a.shape[0]!, 2], "i32", i) : d.pick("i32", i);
    return d.b.gather(a, index, at, shared);
  },
  (d, [, axis, x, i, size, batch]) => {
    const a = d.pick("f32", x);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const shared = at > 0 && batch % 2 ? 1 : 0;
    const index = d.shaped(shared ? [a.shape[0]!, a.shape[at]!] : [a.shape[at]!], "i32", i);
    return d.b.scatterAdd(index, a, { axis: at, size: pick(sizes, size), batch: shared });
  },
  (d, [, axis, x, n, form, y]) => {
    const a = d.pick("f32", x);
    if (a.shape.length === 0) return null;
    const at = axis % a.shape.length;
    const free = pick(sizes, n);
    if (form % 3 === 0 || a.shape.length === 1) {
      const c = d.shaped(form % 2 ? [a.shape[at]!, free] : [free, a.shape[at]!], "f32", y);
      return d.b.dot(a, c, { contractA: [at], contractB: [form % 2 ? 0 : 1] });
    }
    const batch = (at + 1) % a.shape.length;
    const c = d.shaped([free, a.shape[at]!, a.shape[batch]!], "f32", y);
    return d.b.dot(a, c, { batchA: [batch], batchB: [2], contractA: [at], contractB: [1] });
  },
  (d, [, x, form, k, y, more]) => {
    const groups = 1 + (form % 2);
    const images = d.candidates("f32", 4).filter((v) => v.shape[1]! % groups === 0);
    const image =
      images.length > 0 && form % 3 ? pick(images, x) : d.freshInput([1 + (x % 2), groups * (1 + (k % 3)), pick([4, 5, 3], x), 4], "f32");
    const kernel = d.shaped([groups * (1 + (y % 2)), image.shape[1]! / groups, 1 + (k % 3), pick([1, 2, 3], k >> 2)], "f32", y);
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
];

const fresh: ProgramStep = (d, [, n, m, k, rank, dtype]) => {
  const shape = [pick(sizes, n), pick(sizes, m), pick([1, 2, 3], k), pick([1, 2, 4], k)].slice(0, rank % 5);
  return d.freshInput(shape, dtype % 6 ? "f32" : "bool");
};

/** All steps; contractions and movement come up more often than their number. */
export const programSteps: readonly ProgramStep[] = [...maps, ...logic, ...moves, ...heavy, ...moves, ...heavy, ...maps, fresh];
