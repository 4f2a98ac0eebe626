/** The index that `u` in [0,1) falls on when each index takes room by its weight; index 0 when all weights are 0. */
export function pickIndex(weights: readonly number[], u: number): number {
  const total = weights.reduce((a, b) => a + b, 0);
  let rest = u * total;
  let last = 0;
  for (const [i, weight] of weights.entries()) {
    if (weight <= 0) continue;
    last = i;
    if (rest < weight) return i;
    rest -= weight;
  }
  return last;
}
