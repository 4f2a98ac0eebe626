import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Lifetime, liveBytes, SlotPool } from "./pool.ts";

const limits = { alignment: 256, slotBytes: 30000 };
const lifetimes: fc.Arbitrary<Lifetime[]> = fc.array(
  fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.nat({ max: 30 }), fc.nat({ max: 12 })).map(([size, from, length]): Lifetime => {
    const reads = length === 0 ? [] : [from + 1, from + length];
    return { bytes: 4 * size, from, to: from + length, reads, writes: [from] };
  }),
  { minLength: 1, maxLength: 40 },
);
const meet = (a: { readonly from: number; readonly to: number }, b: { readonly from: number; readonly to: number }): boolean =>
  a.from <= b.to && b.from <= a.to;

describe("slots", () => {
  it("hold what lives in ranges of its own, and no operation reads and writes one slot", () => {
    fc.assert(
      fc.property(fc.array(lifetimes, { minLength: 1, maxLength: 3 }), (legs) => {
        const pool = new SlotPool(limits);
        for (const tensors of legs) {
          const { places, peakBytes, liveBytes: least } = pool.assign(tensors);
          for (const [i, a] of tensors.entries()) {
            const p = places[i]!;
            expect(p.offset % limits.alignment).toBe(0);
            expect(pool.sizes[p.slot]!).toBeGreaterThanOrEqual(p.offset + a.bytes);
            for (const [j, b] of tensors.entries()) {
              const q = places[j]!;
              if (i === j || p.slot !== q.slot) continue;
              // An operation reads what ends at it and writes what begins at it: both are alive there.
              if (meet(a, b)) expect(p.offset < q.offset + b.bytes && q.offset < p.offset + a.bytes).toBe(false);
              expect(a.reads.some((r) => b.writes.includes(r))).toBe(false);
            }
          }
          expect(peakBytes).toBeGreaterThanOrEqual(least);
          expect(peakBytes).toBeLessThanOrEqual(pool.sizes.reduce((sum, n) => sum + n, 0));
        }
        for (const size of pool.sizes) expect(size).toBeLessThanOrEqual(limits.slotBytes);
      }),
      { seed: 3, numRuns: 300 },
    );
  });
  it("cost the most that is alive at once where all tensors have one size", () => {
    const tensors = [0, 1, 2, 3, 4].map((from) => ({ bytes: 256, from, to: from + 1, reads: [from + 1], writes: [from] }));
    expect(new SlotPool(limits).assign(tensors).peakBytes).toBe(512);
    expect(liveBytes(tensors)).toBe(512);
  });
  it("hold small tensors side by side where a large one was or will be", () => {
    const small = [0, 1, 2, 3].map((from) => ({ bytes: 1024, from, to: 9, reads: [9], writes: [from] }));
    const large = { bytes: 4096, from: 10, to: 11, reads: [11], writes: [10] };
    expect(new SlotPool(limits).assign([...small, large]).peakBytes).toBe(4096);
  });
});
