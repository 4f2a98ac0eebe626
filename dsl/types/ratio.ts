// Exact fractions: coefficients of size expressions (`h / 2` is one half of `h`). Lowest terms, positive denominator.

export interface Ratio {
  readonly n: bigint;
  readonly d: bigint;
}

function gcd(a: bigint, b: bigint): bigint {
  let x = a < 0n ? -a : a;
  let y = b < 0n ? -b : b;
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** `n / d` in lowest terms; `d` must not be 0. */
export function ratio(n: bigint, d: bigint = 1n): Ratio {
  if (d === 0n) throw new Error("internal: a fraction with denominator 0");
  const common = gcd(n, d) * (d < 0n ? -1n : 1n);
  return common === 1n ? { n, d } : { n: n / common, d: d / common };
}

export const zeroRatio: Ratio = { n: 0n, d: 1n };
export const oneRatio: Ratio = { n: 1n, d: 1n };

/** Sum of two fractions. */
export function addRatio(a: Ratio, b: Ratio): Ratio {
  return a.d === 1n && b.d === 1n ? { n: a.n + b.n, d: 1n } : ratio(a.n * b.d + b.n * a.d, a.d * b.d);
}

/** Product of two fractions. */
export function mulRatio(a: Ratio, b: Ratio): Ratio {
  return a.d === 1n && b.d === 1n ? { n: a.n * b.n, d: 1n } : ratio(a.n * b.n, a.d * b.d);
}

/** `a / b`; `b` must not be 0. */
export function divRatio(a: Ratio, b: Ratio): Ratio {
  return ratio(a.n * b.d, a.d * b.n);
}

/** The largest whole number not above `a`. */
export function floorRatio(a: Ratio): bigint {
  const quotient = a.n / a.d;
  return a.n < 0n && a.n % a.d !== 0n ? quotient - 1n : quotient;
}

/** Less than 0, 0, or more than 0, as `a` is less than, equal to, or greater than `b`. */
export function compareRatio(a: Ratio, b: Ratio): number {
  const difference = a.n * b.d - b.n * a.d;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
