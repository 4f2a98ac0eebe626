// Philox4x32-10 (Salmon et al., «Parallel random numbers: as easy as 1, 2, 3», SC 2011): the one source of randomness.
// In: a key (two words: seed and stream) and a counter (four words: block, then whatever numbers the draw: step, element, item).
// Out: four independent 32-bit words. Nothing is remembered between calls, so a draw is a pure function of its numbers,
// on the host and in a kernel alike. This file has no imports: compiler and runtime both use it.

/** Four words of 32 bits, each as a number in 0 .. 2^32-1. */
export type Words = readonly [number, number, number, number];

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
/** Key increments per round: the golden ratio and the square root of three minus one, as 32-bit fractions. */
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;
const rounds = 10;

/** High word of the 64-bit product of two 32-bit words, in four 16-bit products: a double holds each sum exactly. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const cross = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) >>> 0;
}

/** One block of Philox4x32 with ten rounds: `philox4x32(seed, stream, block, step, element, 0)`. */
export function philox4x32(key0: number, key1: number, c0: number, c1: number, c2: number, c3: number): Words {
  let k0 = key0 >>> 0;
  let k1 = key1 >>> 0;
  let [x0, x1, x2, x3] = [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multiplier0, x0);
    const high1 = multiplyHigh(multiplier1, x2);
    const low0 = Math.imul(multiplier0, x0) >>> 0;
    const low1 = Math.imul(multiplier1, x2) >>> 0;
    x0 = (high1 ^ x1 ^ k0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ k1) >>> 0;
    x3 = low0;
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  return [x0, x1, x2, x3];
}

/** 32-bit FNV-1a of a name (UTF-8): the second key word of the stream with that name. */
export function streamKey(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** Uniform in [0,1) from the upper 24 bits of a word: exact in f32, so host and kernel agree to the bit. */
export function uniformFromWord(word: number): number {
  return (word >>> 8) / 0x1000000;
}

/** Draws in sequence from one (seed, stream, a, b, c): the same numbers always give the same sequence. */
export class Draws {
  readonly #seed: number;
  readonly #stream: number;
  readonly #at: readonly [number, number, number];
  #block = 0;
  #words: Words = [0, 0, 0, 0];
  #used = 4;

  constructor(seed: number, stream: number | string, a = 0, b = 0, c = 0) {
    this.#seed = seed >>> 0;
    this.#stream = typeof stream === "string" ? streamKey(stream) : stream >>> 0;
    this.#at = [a, b, c];
  }

  /** The next 32-bit word. */
  word(): number {
    if (this.#used === 4) {
      this.#words = philox4x32(this.#seed, this.#stream, this.#block++, ...this.#at);
      this.#used = 0;
    }
    return this.#words[this.#used++]!;
  }

  /** Uniform in [low, high), in steps of 2^-24 of the range. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * uniformFromWord(this.word());
  }

  /** Integer in 0 .. count-1. The multiply-shift's bias is below count / 2^32: not observable for counts in use. */
  integer(count: number): number {
    if (!Number.isInteger(count) || count < 1 || count > 0x100000000) throw new Error(`internal: integer(${count}) has no values to draw`);
    return Math.floor((this.word() / 0x100000000) * count);
  }

  /** True with probability `p`. */
  coin(p: number): boolean {
    return this.uniform() < p;
  }

  /** One element of a list, all equally likely. */
  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)]!;
  }

  /** Standard normal by Box-Muller; takes two words and gives one value, so that the count of words per draw is fixed. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}

/** A permutation of 0 .. count-1 (Fisher-Yates): a pure function of (seed, stream, epoch). */
export function permutation(count: number, seed: number, stream: number | string, epoch: number): Uint32Array {
  const draws = new Draws(seed, stream, epoch);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = draws.integer(i + 1);
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}
