import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  add,
  addConst,
  clamp,
  div,
  evaluate,
  flatten,
  type Ix,
  ixConst,
  ixVar,
  mod,
  scale,
  stridesOf,
  substitute,
  unflatten,
} from "./ix.ts";

const x = ixVar("x", 0, 23);
const y = ixVar("y", -3, 8);
const z = ixVar("z", 0, 3);

/** A random index expression as a recipe, built twice: in normal form, and evaluated directly. */
type Recipe = { build: () => Ix; value: (v: ReadonlyMap<string, number>) => number };
const recipe: fc.Memo<Recipe> = fc.memo((depth) => {
  const leaf = fc.oneof(
    fc.constantFrom<Recipe>(
      { build: () => x, value: (v) => v.get("x")! },
      { build: () => y, value: (v) => v.get("y")! },
      { build: () => z, value: (v) => v.get("z")! },
    ),
    fc.integer({ min: -9, max: 9 }).map((n): Recipe => ({ build: () => ixConst(n), value: () => n })),
  );
  if (depth <= 1) return leaf;
  const next = recipe(depth - 1);
  const by = fc.constantFrom(2, 3, 4, 6, 8, 12);
  return fc.oneof(
    leaf,
    fc.tuple(next, next).map(([a, b]): Recipe => ({ build: () => add(a.build(), b.build()), value: (v) => a.value(v) + b.value(v) })),
    fc.tuple(next, by).map(([a, n]): Recipe => ({ build: () => scale(a.build(), n), value: (v) => a.value(v) * n })),
    fc.tuple(next, by).map(([a, n]): Recipe => ({ build: () => div(a.build(), n), value: (v) => Math.floor(a.value(v) / n) })),
    fc
      .tuple(next, by)
      .map(([a, n]): Recipe => ({ build: () => mod(a.build(), n), value: (v) => a.value(v) - n * Math.floor(a.value(v) / n) })),
    next.map((a): Recipe => ({ build: () => clamp(a.build(), 0, 7), value: (v) => Math.min(Math.max(a.value(v), 0), 7) })),
  );
});

describe("index expressions", () => {
  it("mean the same in normal form, and stay in their range", () => {
    fc.assert(
      fc.property(
        recipe(5),
        fc.integer({ min: 0, max: 23 }),
        fc.integer({ min: -3, max: 8 }),
        fc.integer({ min: 0, max: 3 }),
        (r, vx, vy, vz) => {
          const variables = new Map([["x", vx], ["y", vy], ["z", vz]]); // biome-ignore format: a small table
          const ix = r.build();
          const value = r.value(variables);
          expect(evaluate(ix, variables)).toBe(value);
          expect(ix.min).toBeLessThanOrEqual(value);
          expect(ix.max).toBeGreaterThanOrEqual(value);
          expect(evaluate(substitute(ix, "x", ixConst(vx)), variables)).toBe(value);
        },
      ),
      { numRuns: 2000, seed: 7 },
    );
  });
  it("cancels flatten after unflatten", () => {
    const flat = ixVar("e", 0, 2 * 3 * 5 * 8 - 1);
    expect(flatten(unflatten(flat, [2, 3, 5, 8]), stridesOf([2, 3, 5, 8])).key).toBe("e");
    const vec = add(scale(ixVar("u", 0, 59), 4), ixVar("v", 0, 3));
    expect(flatten(unflatten(vec, [2, 3, 5, 8]), stridesOf([2, 3, 5, 8])).key).toBe(vec.key);
    expect(flatten(unflatten(flatten(unflatten(vec, [6, 40]), stridesOf([6, 40])), [3, 10, 8]), stridesOf([3, 10, 8])).key).toBe(vec.key);
  });
  it("sees that a vector of four stays in one row of a channels-last map", () => {
    const e = add(scale(ixVar("u", 0, 2 * 7 * 16 - 1), 4), ixVar("v", 0, 3)); // [2, 7, 64]
    expect(unflatten(e, [2, 7, 64])[2]!.key).toBe("4*(u)%16+v");
    expect(addConst(unflatten(e, [2, 7, 64])[0]!, 0).key).toBe("(u)/112");
  });
});
