import type { NdArray } from "../../../compiler/ir/ops/row.ts";
import type { Tensors } from "../written.ts";

// Pieces of text that several kinds are written with.

/** A number as `.ada` writes it; a negative one in parentheses, so that it may stand anywhere. */
export function num(value: unknown): string {
  const x = typeof value === "string" ? Number(value.replace("inf", "Infinity")) : (value as number);
  if (typeof x !== "number" || Number.isNaN(x)) throw new Error(`internal: ${String(value)} is no number`);
  const text = Math.abs(x) === Number.POSITIVE_INFINITY ? "inf" : String(Math.abs(x)).replace("e+", "e");
  return x < 0 || Object.is(x, -0) ? `(-${text})` : text;
}

/** `real[a0, a1]`, or `i32[…]` for a tensor of whole numbers. */
export function typeOf(tensor: NdArray, axes: readonly string[]): string {
  const dtype = tensor.dtype === "f32" ? "real" : tensor.dtype;
  return axes.length === 0 ? dtype : `${dtype}[${axes.join(", ")}]`;
}

/** Dimensions of a config (one, a list, or null for all) as non-negative numbers. */
export function dimsOf(dim: unknown, rank: number): number[] {
  if (dim === null || dim === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = Array.isArray(dim) ? (dim as number[]) : [dim as number];
  if (list.length === 0) return dimsOf(null, rank);
  return list.map((d) => (d + rank) % rank);
}

export interface Broadcast {
  /** Parameter list of `case`. */
  readonly params: string;
  readonly args: Readonly<Record<string, string>>;
  /** Each operand as an expression over all axes of the result (`full`), or over the axes that it really has. */
  readonly operands: readonly string[];
  readonly axes: readonly string[];
}

/**
 * Operands that numpy broadcasts, aligned at their last dimension: a stretched dimension of size 1 gets a name of its own and is dropped by
 * indexing; an operand that then lacks axes is expanded unless `names` may align it.
 */
export function broadcast(
  tensors: Tensors,
  names: readonly string[],
  align: "expand" | "names" = "expand",
  trailing: readonly (readonly string[])[] = [],
): Broadcast {
  const leads = names.map((n, i) => tensors[n]!.shape.slice(0, tensors[n]!.shape.length - (trailing[i]?.length ?? 0)));
  const rank = Math.max(...leads.map((s) => s.length));
  const axes = Array.from({ length: rank }, (_, i) => `a${i}`);
  const sizes = axes.map((_, i) => leads.reduce((size, s) => ((s[i - rank + s.length] ?? 1) === 1 ? size : s[i - rank + s.length]!), 1));
  const args: Record<string, string> = {};
  const params: string[] = [];
  const operands = names.map((name, k) => {
    const tensor = tensors[name]!;
    const id = name.replace(/^(input|param)\./, "").replaceAll(".", "_");
    const lead = leads[k]!;
    const tail = trailing[k] ?? [];
    const dropped: string[] = [];
    const own = lead.map((size, j) => {
      const i = j + rank - lead.length;
      if (size !== 1 || sizes[i] === 1) return axes[i]!;
      dropped.push(`one_${id}${i}`);
      return `one_${id}${i}`;
    });
    args[name] = [...own, ...tail].join(" ");
    params.push(`${id}: ${typeOf(tensor, [...own, ...tail])}`);
    const kept = dropped.length === 0 ? id : `${id}[${dropped.map((d) => `${d}: 0`).join(", ")}]`;
    const lacks = own.length - dropped.length < rank;
    return lacks && align === "expand" ? `expand(${kept}, [${[...axes, ...tail].join(", ")}])` : kept;
  });
  return { params: params.join(", "), args, operands, axes };
}

/** Whether names alone align the operands: one of them has every axis of the result. */
export function namesAlign(tensors: Tensors, names: readonly string[]): boolean {
  const shapes = names.map((n) => tensors[n]!.shape);
  const rank = Math.max(...shapes.map((s) => s.length));
  const whole = (s: readonly number[]): boolean =>
    s.length === rank && s.every((size, i) => size !== 1 || shapes.every((o) => (o[i - rank + o.length] ?? 1) === 1));
  return shapes.some(whole);
}
