import { Builder } from "../ir/builder.ts";
import type { NdArray } from "../ir/ops/row.ts";
import type { Graph } from "../ir/value.ts";

type Width = "f32" | "f16";
const wave = (shape: readonly number[], stride: number, dtype: Width): NdArray => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype, shape, data: Float64Array.from({ length: size }, (_, i) => (((i * stride) % 61) - 30) / 32) };
};

/** Rows times a matrix of that type, with inputs that 16-bit floats hold exactly. */
export function productOf(
  rows: number,
  k: number,
  columns: number,
  dtype: Width = "f32",
): { readonly graph: Graph; readonly inputs: Readonly<Record<"x" | "w", NdArray>> } {
  const b = new Builder();
  const weights = b.input("w", [k, columns], { dtype });
  const y = b.matmul(b.input("x", [rows, k]), dtype === "f16" ? b.cast(weights, "f32") : weights);
  const inputs = { x: wave([rows, k], 7, "f32"), w: wave([k, columns], 11, dtype) };
  return { graph: { name: "product", results: [{ name: "y", value: y }] }, inputs };
}
