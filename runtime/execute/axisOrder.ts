import type { StoredTensor } from "../../compiler/plan/plan.ts";

// Tensors whose axes lie in another order than they are written: the compiler stores a convolution's weights with their outputs innermost.
// Files hold the order of the shape, so values are turned on the way, a whole tensor at a time.

type Laid = Pick<StoredTensor, "shape" | "order">;
type Numbers = Float32Array<ArrayBuffer> | Float64Array;

/** Whether a tensor's elements lie as its shape says. */
export function liesAsWritten(tensor: Laid): boolean {
  return tensor.order === undefined || tensor.order.every((axis, i) => axis === i);
}

/** The elements in the order in which they lie, from the order of the shape. */
export function toStoredOrder<T extends Numbers>(tensor: Laid, values: T): T {
  const result = values.slice() as T;
  eachElement(tensor, (stored, written) => {
    result[stored] = values[written]!;
  });
  return result;
}
/** The elements in the order of the shape, from the order in which they lie. */
export function toWrittenOrder<T extends Numbers>(tensor: Laid, values: T): T {
  const result = values.slice() as T;
  eachElement(tensor, (stored, written) => {
    result[written] = values[stored]!;
  });
  return result;
}

function eachElement(tensor: Laid, visit: (stored: number, written: number) => void): void {
  const { shape } = tensor;
  const order = tensor.order ?? shape.map((_, i) => i);
  const strides: number[] = [];
  let size = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = size;
    size *= shape[axis]!;
  }
  const sizes = order.map((axis) => shape[axis]!);
  const steps = order.map((axis) => strides[axis]!);
  const at = sizes.map(() => 0);
  let written = 0;
  for (let stored = 0; stored < size; stored++) {
    visit(stored, written);
    for (let i = sizes.length - 1; i >= 0; i--) {
      written += steps[i]!;
      if (++at[i]! < sizes[i]!) break;
      written -= steps[i]! * sizes[i]!;
      at[i] = 0;
    }
  }
}
