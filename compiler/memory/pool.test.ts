import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Lifetime, liveBytes, SlotPool } from "./pool.ts";

const lifetimes: fc.Arbitrary<Lifetime[]> = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: 5000 }), fc.nat({ max: 30 }), fc.nat({ max: 12 }))
    .map(([bytes, from, length]) => ({ bytes: 4 * bytes, from, to: from + length })),
  { minLength: 1, maxLength: 40 },
);

describe("slots", () => {
  it("hold one living tensor at a time, each in a slot that is large enough", () => {
    fc.assert(
      fc.property(fc.array(lifetimes, { minLength: 1, maxLength: 3 }), (legs) => {
        const pool = new SlotPool();
        for (const tensors of legs) {
          const { slots, peakBytes, liveBytes: least } = pool.assign(tensors);
          for (const [i, a] of tensors.entries()) {
            expect(slots[i]!.bytes).toBeGreaterThanOrEqual(a.bytes);
            for (const [j, b] of tensors.entries()) {
              // An operation reads what ends at it and writes what begins at it: both are alive there.
              if (i < j && a.from <= b.to && b.from <= a.to) expect(slots[i]).not.toBe(slots[j]);
            }
          }
          expect(peakBytes).toBeGreaterThanOrEqual(least);
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });
  it("cost the most that is alive at once where all tensors have one size", () => {
    const tensors = [0, 1, 2, 3, 4].map((from) => ({ bytes: 64, from, to: from + 1 }));
    const { peakBytes } = new SlotPool().assign(tensors);
    expect(peakBytes).toBe(128);
    expect(liveBytes(tensors)).toBe(128);
  });
});
