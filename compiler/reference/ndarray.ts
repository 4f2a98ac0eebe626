import { elementCount, type NdArray } from "../ir/ops/row.ts";
import type { DType } from "../ir/value.ts";
import { roundToHalf } from "../plan/half.ts";

// Dense f64 arrays and the few loops that the reference meanings share. Clear before fast, but never slower than plain loops.

/** A new array of zeros. */
export function zeros(dtype: DType, shape: readonly number[]): NdArray {
  return { dtype, shape, data: new Float64Array(elementCount(shape)) };
}

/** An array from nested or flat numbers. */
export function array(shape: readonly number[], values: ArrayLike<number>, dtype: DType = "f32"): NdArray {
  if (values.length !== elementCount(shape)) throw new Error(`internal: ${values.length} numbers for shape [${shape.join(", ")}]`);
  return { dtype, shape, data: Float64Array.from(values) };
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i]!;
  }
  return strides;
}

/** Calls `visit(element, place)` for every element of `shape` in row-major order, where place = offset + Σ index · strides. */
export function forEachPlace(
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  visit: (element: number, place: number) => void,
): void {
  const rank = shape.length;
  if (rank === 0) {
    visit(0, offset);
    return;
  }
  const count = elementCount(shape);
  const inner = shape[rank - 1]!;
  const innerStride = strides[rank - 1]!;
  const index = new Array<number>(rank).fill(0);
  let place = offset;
  for (let element = 0; element < count; element += inner) {
    for (let i = 0, at = place; i < inner; i++, at += innerStride) visit(element + i, at);
    for (let axis = rank - 2; axis >= 0; axis--) {
      place += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      place -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
}

/** Reads `source` through strides into a new dense array of `shape`. */
export function readStrided(source: NdArray, shape: readonly number[], strides: readonly number[], offset = 0): NdArray {
  const result = zeros(source.dtype, shape);
  const from = source.data;
  const to = result.data;
  forEachPlace(shape, strides, offset, (element, place) => {
    to[element] = from[place]!;
  });
  return result;
}

/** Axes in another order: result axis i is argument axis order[i]. */
export function permuted(x: NdArray, order: readonly number[]): NdArray {
  if (order.every((axis, i) => axis === i)) return x;
  const strides = stridesOf(x.shape);
  return readStrided(
    x,
    order.map((axis) => x.shape[axis]!),
    order.map((axis) => strides[axis]!),
  );
}

/** A number as the dtype holds it: f16 is rounded (f32 is not: the reference computes it in f64), integers wrap around, bool is 0 or 1. */
export function wrap(value: number, dtype: DType): number {
  switch (dtype) {
    case "f32":
      return value;
    case "f16":
      return roundToHalf(value);
    case "i32":
      return value | 0;
    case "u32":
      return value >>> 0;
    case "bool":
      return value === 0 ? 0 : 1;
    default:
      return dtype satisfies never;
  }
}
