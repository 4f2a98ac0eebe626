// Sets of integers as an arithmetic progression between two ends: {low, low + step, ..., high}. `step` is 0 for a single value. The step
// is what proves that four neighbours from a multiple of 4 below a multiple of 4 stay inside. Every operation over-approximates; results
// that may wrap in 32 bits become the whole range of their scalar.
import type { Scalar } from "./tile.ts";

export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly step: number;
}

/** No value at all: the range of an expression where control cannot come. */
export const nothing: Interval = { low: 0, high: -1, step: 0 };
export const isNothing = (a: Interval): boolean => a.low > a.high;
export const single = (value: number): Interval => ({ low: value, high: value, step: 0 });

const limits: { readonly [s in Scalar]: readonly [number, number] } = {
  i32: [-2147483648, 2147483647],
  u32: [0, 4294967295],
  bool: [0, 1],
  f32: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
};
export const everything = (scalar: Scalar): Interval => ({ low: limits[scalar][0], high: limits[scalar][1], step: 1 });
export const fits = (a: Interval, scalar: Scalar): boolean => a.low >= limits[scalar][0] && a.high <= limits[scalar][1];

export function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
const modulo = (a: number, b: number): number => a - Math.floor(a / b) * b;

/** The progression from `low` that does not pass `high`. */
export function progression(low: number, high: number, step: number): Interval {
  if (!(low <= high)) return nothing;
  if (step === 0 || low === high) return { low, high: step === 0 ? high : low, step: low === high ? 0 : 1 };
  const top = Number.isFinite(low) && Number.isFinite(high) ? low + Math.floor((high - low) / step) * step : high;
  return { low, high: top, step: top === low ? 0 : step };
}

/** The values of `a` that lie in [low, high]. */
export function clip(a: Interval, low: number, high: number): Interval {
  if (isNothing(a)) return nothing;
  const from = low > a.low && a.step > 0 ? a.low + Math.ceil((low - a.low) / a.step) * a.step : Math.max(a.low, low);
  return progression(from, Math.min(a.high, high), a.step);
}

/** Values that are in both; keeps the coarser of the two steps. */
export const meet = (a: Interval, b: Interval): Interval =>
  b.step > a.step && !isNothing(b) ? clip(b, a.low, a.high) : isNothing(b) ? nothing : clip(a, b.low, b.high);

/** Values that are in one or the other. */
export function join(a: Interval, b: Interval): Interval {
  if (isNothing(a)) return b;
  if (isNothing(b)) return a;
  const step = gcd(gcd(a.step, b.step), a.low - b.low);
  return progression(Math.min(a.low, b.low), Math.max(a.high, b.high), step);
}

const within = (a: Interval, scalar: Scalar): Interval => (isNothing(a) || fits(a, scalar) ? a : everything(scalar));

type Combine = (a: Interval, b: Interval, scalar: Scalar) => Interval;
const strict =
  (combine: Combine): Combine =>
  (a, b, scalar) =>
    isNothing(a) || isNothing(b) ? nothing : within(combine(a, b, scalar), scalar);

export const plus = strict((a, b) => progression(a.low + b.low, a.high + b.high, gcd(a.step, b.step)));
export const minus = strict((a, b) => progression(a.low - b.high, a.high - b.low, gcd(a.step, b.step)));

export const times = strict((a, b) => {
  const corners = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high];
  const steps = [a.low * b.step, b.low * a.step, a.step * b.step];
  // Beyond 2^53 the remainders are not exact; step 1 is always true.
  const step = steps.every(Number.isSafeInteger) ? steps.reduce(gcd, 0) : 1;
  return progression(Math.min(...corners), Math.max(...corners), step);
});

/** Floor division; a divisor that may be zero or negative is not followed. */
export const floorDivided = strict((a, b, scalar) => {
  if (b.low < 1) return everything(scalar);
  const corners = [a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high].map(Math.floor);
  const exact = b.step === 0 && a.low % b.low === 0 && a.step % b.low === 0;
  return progression(Math.min(...corners), Math.max(...corners), exact ? a.step / b.low : 1);
});

/** Remainder of floor division. */
export const remainder = strict((a, b, scalar) => {
  if (b.low < 1) return everything(scalar);
  if (b.step !== 0) return a.low >= 0 ? progression(0, Math.min(a.high, b.high - 1), 1) : progression(0, b.high - 1, 1);
  const by = b.low;
  if (Math.floor(a.low / by) === Math.floor(a.high / by)) return progression(modulo(a.low, by), modulo(a.high, by), a.step);
  const step = gcd(a.step, by);
  const first = modulo(a.low, step);
  return progression(first, by - step + first, step);
});

const commonStep = (a: Interval, b: Interval): number => gcd(gcd(a.step, b.step), a.low - b.low);
export const larger = strict((a, b) => {
  if (a.low >= b.high) return a;
  if (b.low >= a.high) return b;
  return progression(Math.max(a.low, b.low), Math.max(a.high, b.high), commonStep(a, b));
});
export const smaller = strict((a, b) => {
  if (a.high <= b.low) return a;
  if (b.high <= a.low) return b;
  return progression(Math.min(a.low, b.low), Math.min(a.high, b.high), commonStep(a, b));
});

const allOnesAbove = (value: number): number => 2 ** Math.ceil(Math.log2(value + 1)) - 1;
/** Bitwise and: with a mask of low ones it is the remainder of a power of two, also for negative numbers. */
export const masked = strict((a, b, scalar) => {
  const [value, mask] = b.step === 0 ? [a, b] : [b, a];
  if (mask.step === 0 && mask.low >= 0 && mask.low === allOnesAbove(mask.low)) return remainder(value, single(mask.low + 1), scalar);
  const bounds = [a, b].filter((x) => x.low >= 0).map((x) => x.high);
  return bounds.length === 0 ? everything(scalar) : progression(0, Math.min(...bounds), 1);
});
/** Bitwise or and exclusive or of numbers that are not negative. */
export const mixed = strict((a, b, scalar) =>
  a.low < 0 || b.low < 0 ? everything(scalar) : progression(0, allOnesAbove(Math.max(a.high, b.high)), 1),
);

export const negated = (a: Interval, scalar: Scalar): Interval => minus(single(0), a, scalar);
export const absolute = (a: Interval, scalar: Scalar): Interval => {
  if (isNothing(a) || a.low >= 0) return a;
  if (a.high <= 0) return negated(a, scalar);
  return within(progression(0, Math.max(-a.low, a.high), 1), scalar);
};
