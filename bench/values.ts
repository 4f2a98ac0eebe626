// Numbers to compute with: a pure function of the place, so that a reference can be computed at any place without the whole tensor.

/** A number in [-1, 1) for place `i` of tensor `stream`. */
export function valueAt(stream: number, i: number): number {
  let x = (Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b) >>> 0;
  x = (x ^ (x >>> 16)) >>> 0;
  return (x >>> 8) / 2 ** 23 - 1;
}

/** The numbers of a stream as an input's; `scale` is a power of two, so they stay exact in single precision. */
export const uniform =
  (stream: number, scale = 1) =>
  (place: number): number =>
    scale * valueAt(stream, place);

export function valuesOf(stream: number, length: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = valueAt(stream, i);
  return values;
}

/** Places of a tensor to compare at: the corners, and some in between. */
export function samplePlaces(length: number, count = 24): number[] {
  const places = new Set([0, length - 1]);
  for (let i = 0; places.size < Math.min(count, length); i++) places.add(Math.floor(((valueAt(99, i) + 1) / 2) * length));
  return [...places];
}
