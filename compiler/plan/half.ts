// 16-bit floats (IEEE binary16) on the host: what the reference, the interpreter and the executor all mean by f16. Rounding is to the
// nearest, halves to even, from a double in one step; above 65504 by half a unit or more it is infinite; below 2^-14 numbers lie 2^-24 apart.

const words = new Uint32Array(2);
const double = new Float64Array(words.buffer);
const overflow = 65520; // halfway between the largest f16 and the next power of two, which is not there

/** The nearest f16, as a number. */
export function roundToHalf(x: number): number {
  const size = Math.abs(x);
  if (!(size < overflow)) return Number.isNaN(x) ? x : x < 0 ? -Infinity : Infinity;
  double[0] = size;
  const exponent = Math.max((words[1]! >>> 20) - 1023, -14);
  // Added to a double whose last place is worth the f16's last place, the rest is rounded off.
  const magic = 2 ** (exponent - 10 + 52);
  const rounded = size + magic - magic;
  return x < 0 || Object.is(x, -0) ? -rounded : rounded;
}

/** The 16 bits of the nearest f16. */
export function halfBits(x: number): number {
  const rounded = roundToHalf(x);
  const sign = rounded < 0 || Object.is(rounded, -0) ? 0x8000 : 0;
  const size = Math.abs(rounded);
  if (Number.isNaN(size)) return 0x7e00;
  if (size === Infinity) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  double[0] = size;
  const exponent = (words[1]! >>> 20) - 1023;
  return sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024);
}

/** The number that 16 bits mean. */
export function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size =
    exponent === 31
      ? fraction === 0
        ? Infinity
        : Number.NaN
      : exponent === 0
        ? fraction * 2 ** -24
        : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

/** Bytes of `count` numbers: whole vectors of four, so that kernels may write two to a word and four at a time. */
export const halfBytes = (count: number): number => 8 * Math.ceil(count / 4);

/** Numbers as they lie in memory, filled up to whole vectors. */
export function toHalves(values: ArrayLike<number>): Uint16Array {
  const halves = new Uint16Array(halfBytes(values.length) / 2);
  for (let i = 0; i < values.length; i++) halves[i] = halfBits(values[i]!);
  return halves;
}

/** The first `count` numbers of memory that holds halves. */
export function fromHalves(halves: Uint16Array, count: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = halfValue(halves[i]!);
  return values;
}
