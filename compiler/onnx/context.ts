import type { Builder } from "../ir/builder.ts";
import type { DType, Value } from "../ir/value.ts";
import type { OnnxArray, OnnxAttribute, OnnxNode, OnnxType } from "../plan/onnxModel.ts";

// What the rows of operators work with: a node's arguments as values, or as numbers where they are known, and its attributes with defaults.

/** A value of the graph, or numbers that are known when importing. */
export type Computed =
  | { readonly kind: "value"; readonly value: Value; readonly type: OnnxType }
  | ({ readonly kind: "known" } & OnnxArray);
/** What a row gives: a value of its own type, or of one that it says. */
export type Result = Value | Computed;
/** One row per operator. */
export type OperatorRow = (c: Context) => readonly Result[];
export type OperatorTable = Readonly<Record<string, OperatorRow>>;

/** A node that cannot be imported, with the reason. */
export class NotImported extends Error {}

const kinds: Readonly<Record<OnnxType, DType | null>> = {
  float: "f32",
  float16: "f32",
  bfloat16: "f32",
  double: "f32",
  uint8: "i32",
  int8: "i32",
  uint16: "i32",
  int16: "i32",
  int32: "i32",
  int64: "i32",
  uint32: "i32",
  uint64: "i32",
  bool: "bool",
  string: null,
};
/** What a type of ONNX is in the graph: floats of any width are f32, whole numbers i32. */
export function dtypeOf(type: OnnxType): DType {
  const found = kinds[type];
  if (found === null) throw new NotImported("there are no texts in a graph");
  return found;
}
export const isFloat = (type: OnnxType): boolean => kinds[type] === "f32";

export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
/** The shape that two shapes spread to, as in numpy. */
export function spreadShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [p, q] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (p !== q && p !== 1 && q !== 1) throw new NotImported(`[${a.join(", ")}] and [${b.join(", ")}] do not fit`);
    return p === 1 ? q : p;
  });
}

export class Context {
  readonly b: Builder;
  readonly node: OnnxNode;
  readonly opset: number;
  readonly #args: readonly (Computed | null)[];

  constructor(b: Builder, node: OnnxNode, opset: number, args: readonly (Computed | null)[]) {
    this.b = b;
    this.node = node;
    this.opset = opset;
    this.#args = args;
  }

  get count(): number {
    return this.#args.length;
  }
  has(i: number): boolean {
    return (this.#args[i] ?? null) !== null;
  }
  computed(i: number): Computed {
    const found = this.#args[i] ?? null;
    if (found === null) throw new NotImported(`its argument ${i + 1} is left out`);
    return found;
  }
  type(i: number): OnnxType {
    return this.computed(i).type;
  }
  /** An argument as a value. */
  arg(i: number): Value {
    return asValue(this.b, this.computed(i));
  }
  shape(i: number): readonly number[] {
    const found = this.computed(i);
    return found.kind === "known" ? found.shape : found.value.shape;
  }
  maybe(i: number): Value | null {
    return this.has(i) ? this.arg(i) : null;
  }
  /** Numbers of an argument that must be known; none where it is left out. */
  numbers(i: number, what: string): readonly number[] | null {
    if (!this.has(i)) return null;
    const found = this.computed(i);
    if (found.kind !== "known") throw new NotImported(`its ${what} is known only when the graph is run; give that input as numbers`);
    return [...found.data];
  }
  number(i: number, what: string): number | null {
    return this.numbers(i, what)?.[0] ?? null;
  }

  attribute(name: string): OnnxAttribute | undefined {
    return this.node.attributes.get(name);
  }
  scalar(name: string, otherwise: number): number {
    const found = this.attribute(name);
    return typeof found === "number" ? found : otherwise;
  }
  text(name: string, otherwise: string): string {
    const found = this.attribute(name);
    return typeof found === "string" ? found : otherwise;
  }
  ints(name: string): readonly number[] | null {
    const found = this.attribute(name);
    return Array.isArray(found) && found.every((one) => typeof one === "number") ? (found as readonly number[]) : null;
  }
  /** Axes from an attribute, or, from some version on, from an argument; counted from the front. */
  axes(name: string, i: number, rank: number): readonly number[] | null {
    const given = this.ints(name) ?? this.numbers(i, name);
    return given === null ? null : given.map((axis) => this.axis(axis, rank));
  }
  axis(given: number, rank: number): number {
    const axis = given < 0 ? given + rank : given;
    if (axis < 0 || axis >= Math.max(rank, 1)) throw new NotImported(`there is no axis ${given} of ${rank}`);
    return axis;
  }

  /** Two arguments spread to one shape and type. */
  pair(i = 0, k = 1): readonly [Value, Value] {
    return this.spread(this.arg(i), this.arg(k));
  }
  spread(p: Value, q: Value): readonly [Value, Value] {
    const shape = spreadShape(p.shape, q.shape);
    return [this.b.broadcastTo(p, shape), this.b.broadcastTo(q, shape)];
  }
}

/** Numbers that are known as a value of the graph. */
export function asValue(b: Builder, computed: Computed): Value {
  if (computed.kind === "value") return computed.value;
  const { data, shape, type } = computed;
  const dtype = dtypeOf(type);
  if (count(shape) === 0) throw new NotImported("it computes with a tensor without elements");
  // A number beyond 32 bits stands for «as far as there is», which the rows that mean it read as a number.
  if (dtype === "i32" && data.some((x) => x !== (x | 0))) throw new NotImported("it computes with whole numbers beyond 32 bits");
  const [first] = data;
  if (data.every((x) => Object.is(x, first))) return b.splat(dtype === "f32" ? Math.fround(first!) : first!, shape, dtype);
  return b.table(dtype === "f32" ? Array.from(data, Math.fround) : [...data], shape, dtype);
}
export const known = (type: OnnxType, shape: readonly number[], data: readonly number[]): Computed => ({
  kind: "known",
  type,
  shape,
  data: Float64Array.from(data),
});
export const typed = (type: OnnxType, value: Value): Computed => ({ kind: "value", value, type });
