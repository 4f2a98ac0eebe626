// The error function to f64 precision. Below 3: erf x = 2/√π · e^(-x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!! (all terms of one sign, so nothing cancels).
// Above: 1 - erfc x by its continued fraction (Abramowitz and Stegun 7.1.6 and 7.1.14).

export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const a = Math.abs(x);
  const value = a < 3 ? series(a) : 1 - complement(a);
  return x < 0 ? -value : value;
}

function series(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function complement(x: number): number {
  if (x > 6.5) return 0; // below half a unit in the last place of 1
  let fraction = x;
  for (let n = 60; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
