// A kernel written by hand, as plain data: text, how its operands are bound, and how many workgroups. The benchmark compares what the
// compiler makes with these; they know nothing of the compiler, and the compiler nothing of them.

/** How an operand is bound. A texture is filled from the operand's buffer before the kernel runs, and that copy is part of its time. */
export type Binding =
  | { readonly kind: "read" | "readWrite" }
  /** `width` texels of four floats in each of `rows` rows. */
  | { readonly kind: "texture"; readonly width: number; readonly rows: number };

export interface HandKernel {
  readonly name: string;
  readonly wgsl: string;
  /** In binding order; the result is the last one. */
  readonly bindings: readonly Binding[];
  readonly grid: readonly [number, number, number];
  /** The share of the result that is computed, from its start; default 1. */
  readonly share?: number;
}

/** Where operands of a product are read from. */
export type OperandStorage = "buffer" | "texture";

/** A matrix of `rows` rows of `width` vectors, as declared and read by a kernel. */
export interface Operand {
  readonly name: string;
  readonly width: number;
  readonly rows: number;
  readonly storage: OperandStorage;
}

// Copies into textures want rows of a multiple of 256 bytes, and a texture has at most 8192 texels a side where nothing else is asked for.
const texelsPerCopyUnit = 16;
const largestSide = 8192;

/** The shape of the texture that holds an operand: its own where the rules of copies allow it, else rows that are cut anew. */
function textureShape(operand: Operand): { readonly width: number; readonly rows: number; readonly natural: boolean } {
  const fits = operand.width % texelsPerCopyUnit === 0 && operand.width <= largestSide && operand.rows <= largestSide;
  if (fits) return { width: operand.width, rows: operand.rows, natural: true };
  const width = 2048;
  return { width, rows: Math.ceil((operand.width * operand.rows) / width), natural: false };
}

export function bindingOf(operand: Operand): Binding {
  if (operand.storage === "buffer") return { kind: "read" };
  const { width, rows } = textureShape(operand);
  return { kind: "texture", width, rows };
}

export function declare(operand: Operand, binding: number): string {
  const at = `@group(0) @binding(${binding})`;
  return operand.storage === "texture"
    ? `${at} var ${operand.name}: texture_storage_2d<rgba32float, read>;`
    : `${at} var<storage, read> ${operand.name}: array<vec4f>;`;
}

/** The vector at (row, column), both texts of u32 expressions. */
export function read(operand: Operand, row: string, column: string): string {
  if (operand.storage === "buffer") return `${operand.name}[(${row}) * ${operand.width}u + ${column}]`;
  const { width, natural } = textureShape(operand);
  if (natural) return `textureLoad(${operand.name}, vec2u(${column}, ${row}))`;
  const flat = `((${row}) * ${operand.width}u + ${column})`;
  return `textureLoad(${operand.name}, vec2u(${flat} & ${width - 1}u, ${flat} >> ${Math.log2(width)}u))`;
}
