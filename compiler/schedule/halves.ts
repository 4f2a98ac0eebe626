import type { Stored } from "../fuse/region.ts";
import type { DType } from "../ir/value.ts";
import type { Scalar } from "../tile/tile.ts";

// How f16 values lie in memory. In registers they are f32 whose values are 16-bit floats, whatever the adapter; in memory they take 16 bits:
// by the device's own type where it has one, else packed two to a word. A kernel may write packed memory only in whole vectors; a tensor
// whose kernel writes single elements (an odd axis, a transposed store) is kept in 32 bits instead, which holds the same values.

export type HalfForm = "native" | "packed" | "wide";

/** The forms of a leg's tensors; kernels are made in the order in which they run, so that a writer decides before anybody reads. */
export class HalfForms {
  readonly #native: boolean;
  /** Whether contractions multiply two f16 operands as such. */
  readonly multiplied: boolean;
  readonly #wide = new Set<string>();

  /** `products`: whether f16 operands are to be multiplied as such, where the device can. */
  constructor(native: boolean, products = false) {
    this.#native = native;
    this.multiplied = native && products;
  }
  /** Null: not f16. */
  of(stored: Stored): HalfForm | null {
    if (stored.value.dtype !== "f16") return null;
    return this.#native ? "native" : this.#wide.has(stored.id) ? "wide" : "packed";
  }
  /** Keeps a tensor in 32 bits. */
  widen(id: string): void {
    this.#wide.add(id);
  }
}

/** The type in which kernels compute with a dtype. */
export function registerScalar(dtype: DType): Scalar {
  return dtype === "f16" ? "f32" : dtype;
}
