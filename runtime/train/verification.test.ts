import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Draws } from "../../compiler/plan/philox.ts";
import { type Verification, verify } from "./verification.ts";

function value(embeddings: readonly (readonly number[])[], subjects: readonly number[], maxPairs?: number): Verification {
  const result = verify(Float32Array.from(embeddings.flat()), subjects, maxPairs === undefined ? {} : { maxPairs });
  if (!result.ok) throw new Error(result.message);
  return result.value;
}
/** Rows around one direction per subject, with noise. */
function rows(people: number, views: number, noise: number, width = 8) {
  const draws = new Draws(5, "rows");
  const embeddings: number[][] = [];
  const subjects: number[] = [];
  for (let subject = 0; subject < people; subject++) {
    const centre = Array.from({ length: width }, () => draws.normal());
    for (let view = 0; view < views; view++) {
      embeddings.push(centre.map((c) => c + noise * draws.normal()));
      subjects.push(subject);
    }
  }
  return { embeddings, subjects };
}

describe("verification", () => {
  it("is perfect where subjects do not overlap", () => {
    const v = value(
      [
        [1, 0],
        [2, 0.1],
        [0, 3],
        [0.1, 1],
      ],
      [4, 4, 9, 9],
    );
    expect(v).toMatchObject({
      auc: 1,
      equalErrorRate: 0,
      trueAcceptsAtOnePercent: 1,
      bestAccuracy: 1,
      samePairs: 2,
      differentPairs: 4,
      sampled: false,
    });
    expect(v.examples.falseAccepts).toEqual([]);
    expect(v.examples.hits.length).toBe(2);
  });

  it("is a half where all embeddings are equal", () => {
    const v = value(
      [
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 0],
      ],
      [1, 1, 2, 2],
    );
    expect(v.auc).toBe(0.5);
    expect(v.equalErrorRate).toBe(0.5);
    expect(v.bestAccuracy).toBe(0.5);
  });

  it("is what counting pairs of pairs gives, with ties as halves", () => {
    // Along the axes every cosine is exactly -1, 0 or 1, so there are many true ties.
    const axes = [
      [1, 0, 0],
      [0, 1, 0],
      [-1, 0, 0],
      [0, -1, 0],
      [0, 0, 1],
    ];
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom(...axes)), { minLength: 3, maxLength: 9 }), (given) => {
        const result = verify(
          Float32Array.from(given.flatMap(([, row]) => row)),
          given.map(([subject]) => subject),
        );
        const cosines = { same: [] as number[], different: [] as number[] };
        for (let a = 0; a < given.length; a++)
          for (let b = a + 1; b < given.length; b++) {
            const unit = (row: readonly number[]) => row.map((x) => x / Math.hypot(...row));
            const [p, q] = [unit(given[a]![1]), unit(given[b]![1])];
            cosines[given[a]![0] === given[b]![0] ? "same" : "different"].push(p.reduce((sum, x, k) => sum + x * q[k]!, 0));
          }
        if (cosines.same.length === 0 || cosines.different.length === 0) {
          expect(result.ok).toBe(false);
          return;
        }
        if (!result.ok) throw new Error(result.message);
        let wins = 0;
        for (const s of cosines.same) for (const d of cosines.different) wins += Math.abs(s - d) < 1e-6 ? 0.5 : s > d ? 1 : 0;
        expect(result.value.auc).toBeCloseTo(wins / cosines.same.length / cosines.different.length, 9);
      }),
      { seed: 11, numRuns: 500 },
    );
  });

  it("lists the hardest mistakes first", () => {
    const v = value(rows(12, 6, 0.9).embeddings, rows(12, 6, 0.9).subjects);
    expect(v.auc).toBeGreaterThan(0.7);
    expect(v.auc).toBeLessThan(1);
    const { falseAccepts, falseRejections, hits, rejections } = v.examples;
    expect(falseAccepts.map((p) => p.cosine)).toEqual(falseAccepts.map((p) => p.cosine).sort((a, b) => b - a));
    expect(falseRejections.map((p) => p.cosine)).toEqual(falseRejections.map((p) => p.cosine).sort((a, b) => a - b));
    expect([...falseAccepts, ...rejections].every((p) => !p.same)).toBe(true);
    expect(hits.every((p) => p.same && p.cosine >= v.bestThreshold)).toBe(true);
    expect(new Set(hits.map((p) => `${p.a} ${p.b}`)).size).toBe(6);
    const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
    expect(sum(v.histogram.same)).toBeCloseTo(1);
    expect(sum(v.histogram.different)).toBeCloseTo(1);
  });

  it("measures much the same on a sample, and the same sample each time", () => {
    const { embeddings, subjects } = rows(40, 10, 0.9);
    const whole = value(embeddings, subjects);
    const part = value(embeddings, subjects, 6000);
    expect(part).toMatchObject({ sampled: true, differentPairs: 3000 });
    expect(part.samePairs).toBe(1800);
    expect(Math.abs(part.auc - whole.auc)).toBeLessThan(0.02);
    expect(value(embeddings, subjects, 6000)).toEqual(part);
    const few = value(embeddings, subjects, 1000);
    expect([few.samePairs, few.differentPairs]).toEqual([500, 500]);
    expect(Math.abs(few.auc - whole.auc)).toBeLessThan(0.05);
  });

  it("says why nothing can be measured", () => {
    const message = (embeddings: readonly number[], subjects: readonly number[]) => {
      const result = verify(Float32Array.from(embeddings), subjects);
      return result.ok ? null : result.message;
    };
    expect(message([1, 2], [1, 2])).toMatch(/no subject has two pictures/);
    expect(message([1, 2], [1, 1])).toMatch(/only one subject/);
    expect(message([], [])).toMatch(/no rows/);
    expect(message([1, Number.NaN], [1, 2])).toMatch(/not finite/);
  });
});
