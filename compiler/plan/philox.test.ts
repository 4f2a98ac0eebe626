import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Draws, permutation, philox4x32, streamKey, uniformFromWord } from "./philox.ts";

// Known-answer vectors published with Random123 (kat_vectors, «philox 4x32 10»): counter, key, result.
const known = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
] as const;

describe("philox4x32", () => {
  it.each([...known])("gives the published words for counter $counter", ({ counter: [c0, c1, c2, c3], key, words }) => {
    expect(philox4x32(key[0], key[1], c0, c1, c2, c3)).toEqual(words);
  });

  it("multiplies exactly: equal to the same rounds in BigInt", () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(word, word, word, word, word, word, (k0, k1, c0, c1, c2, c3) => {
        expect(philox4x32(k0, k1, c0, c1, c2, c3)).toEqual(inBigInt([k0, k1], [c0, c1, c2, c3]));
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

function inBigInt(key: readonly number[], counter: readonly number[]): number[] {
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  let x = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  const low = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * x[0];
    const p1 = 0xcd9e8d57n * x[2];
    x = [(p1 >> 32n) ^ x[1] ^ k0, p1 & low, (p0 >> 32n) ^ x[3] ^ k1, p0 & low];
    k0 = (k0 + 0x9e3779b9n) & low;
    k1 = (k1 + 0xbb67ae85n) & low;
  }
  return x.map(Number);
}

describe("streamKey", () => {
  it("is 32-bit FNV-1a (published values)", () => {
    expect(streamKey("")).toBe(0x811c9dc5);
    expect(streamKey("a")).toBe(0xe40c292c);
    expect(streamKey("foobar")).toBe(0xbf9cf968);
  });
});

describe("Draws", () => {
  it("repeats itself, and differs in every one of its numbers", () => {
    const first = (...at: ConstructorParameters<typeof Draws>) => fiveWords(new Draws(...at));
    expect(first(1, "x", 2, 3, 4)).toEqual(first(1, "x", 2, 3, 4));
    const others = [first(2, "x", 2, 3, 4), first(1, "y", 2, 3, 4), first(1, "x", 3, 3, 4), first(1, "x", 2, 4, 4), first(1, "x", 2, 3, 5)];
    for (const other of others) expect(other).not.toEqual(first(1, "x", 2, 3, 4));
  });

  it("has the moments of its distributions", () => {
    const draws = new Draws(7, "moments");
    const count = 20_000;
    const mean = (f: () => number) => Array.from({ length: count }, f).reduce((a, b) => a + b, 0) / count;
    // Five standard errors: uniform .29, square of a normal 1.41, integer(6) 1.71, each over sqrt(20000) = 141.
    expect(Math.abs(mean(() => draws.uniform()) - 0.5)).toBeLessThan(0.0103);
    expect(Math.abs(mean(() => draws.normal()))).toBeLessThan(0.036);
    expect(Math.abs(mean(() => draws.normal() ** 2) - 1)).toBeLessThan(0.05);
    expect(Math.abs(mean(() => draws.integer(6)) - 2.5)).toBeLessThan(0.061);
  });

  it("is uniform in [0,1) with 24 bits: never one, exact in f32", () => {
    expect(uniformFromWord(0xffffffff)).toBeLessThan(1);
    expect(Math.fround(uniformFromWord(0xdeadbeef))).toBe(uniformFromWord(0xdeadbeef));
    expect(() => new Draws(1, "x").integer(0)).toThrow(/internal/);
  });
});

describe("permutation", () => {
  it("is a permutation, and another one in each epoch", () => {
    const order = permutation(257, 3, "order", 0);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 257 }, (_, i) => i));
    expect(permutation(257, 3, "order", 0)).toEqual(order);
    expect(permutation(257, 3, "order", 1)).not.toEqual(order);
  });
});

function fiveWords(draws: Draws): number[] {
  return Array.from({ length: 5 }, () => draws.word());
}
