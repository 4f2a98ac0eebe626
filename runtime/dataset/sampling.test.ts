import { describe, expect, it } from "vitest";
import type { PlanOrder } from "../../compiler/plan/plan.ts";
import type { DatasetItem } from "./folder.ts";
import { Sampler } from "./sampling.ts";

/** Source 0 has two subjects of one and three pictures, source 1 one subject of six. */
const items: readonly DatasetItem[] = [1, 3, 6].flatMap((images, subjectIndex) =>
  Array.from({ length: images }, (_, i) => ({
    file: `${subjectIndex}/${i}`,
    subject: `${subjectIndex}`,
    subjectIndex,
    source: subjectIndex < 2 ? 0 : 1,
    images,
  })),
);
const drawn = (order: PlanOrder, places: number, seed = 1) => {
  const sampler = new Sampler(items, order, seed);
  return Array.from({ length: places }, (_, place) => sampler.at(place));
};
const shares = (order: PlanOrder, of: (item: DatasetItem) => number) => {
  const counts = [0, 0, 0];
  for (const item of drawn(order, 6000)) counts[of(items[item]!)]!++;
  return counts.map((n) => Math.round((n / 6000) * 20) / 20);
};

describe("which item a place shows", () => {
  it("does not depend on what was asked before", () => {
    for (const order of [
      "shuffled",
      "weighted",
      { kind: "drawn", of: "source", weights: [1, 2] },
      { kind: "alternate", run: 3 },
    ] as const) {
      const all = drawn(order, 60);
      const sampler = new Sampler(items, order, 1);
      for (const place of [59, 3, 41, 3, 0]) expect(sampler.at(place)).toBe(all[place]);
      expect(drawn(order, 60, 2)).not.toEqual(all);
    }
  });
  it("draws by pictures, by subjects, by weights of sources", () => {
    expect(shares("weighted", (item) => item.subjectIndex)).toEqual([0.1, 0.3, 0.6]);
    expect(shares({ kind: "drawn", of: "subject", weights: null }, (item) => item.subjectIndex)).toEqual(
      [0, 1, 2].map(() => expect.closeTo(1 / 3, 1)),
    );
    expect(shares({ kind: "drawn", of: "source", weights: null }, (item) => item.source)).toEqual([0.5, 0.5, 0]);
    expect(shares({ kind: "drawn", of: "source", weights: [4, 1] }, (item) => item.source)).toEqual([0.8, 0.2, 0]);
    expect(shares({ kind: "drawn", of: "source", weights: [0, 1] }, (item) => item.source)).toEqual([0, 1, 0]);
  });
  it("alternates, and shows all of each source once per round of it", () => {
    const order = drawn({ kind: "alternate", run: 2 }, 48);
    expect(order.map((item) => items[item]!.source)).toEqual(Array.from({ length: 48 }, (_, i) => Math.floor(i / 2) % 2));
    for (const [source, size] of [
      [0, 4],
      [1, 6],
    ] as const) {
      const own = order.filter((item) => items[item]!.source === source);
      for (let round = 0; (round + 1) * size <= own.length; round++)
        expect(new Set(own.slice(round * size, (round + 1) * size)).size).toBe(size);
    }
  });
  it("goes through everything once per round where it is shuffled, and in turn where it is not", () => {
    for (const round of [0, 1, 2]) expect(new Set(drawn("shuffled", 30).slice(10 * round, 10 * round + 10)).size).toBe(10);
    expect(drawn("sequential", 12)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
  });
});
