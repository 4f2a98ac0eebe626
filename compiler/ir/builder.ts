import { attributesOf, numberText } from "./attributes.ts";
import { misuse, sameShape } from "./ops/row.ts";
import { OPS } from "./ops.ts";
import type { DType, Graph, InputRole, OpAttrs, OpName, Origin, Value, ValueId } from "./value.ts";
import { graphValues } from "./walk.ts";

// Makes tensor IR. In: an op name, arguments and attributes. Out: the one value with that content, its type inferred by the op table.
// Invariant: within one builder equal content is the same object; an argument's id is smaller than its user's; labels and origins are not content.

/** A value, or a number that is spread to the other argument's shape and dtype. */
export type Operand = Value | number;

export interface MakeOptions {
  /** Names of the result's axes; inferred from the arguments when left out. */
  readonly labels?: readonly string[];
  readonly origin?: Origin;
}

export type ConvOptions = Partial<OpAttrs["conv"]>;

// A value shared by more places than this is a commonplace (a zero, a mask): further origins explain nothing and would cost a scan each.
const mostOrigins = 16;

interface Growing {
  labels: readonly string[];
  origins: Origin[];
}

export class Builder {
  private readonly byContent = new Map<string, Value>();
  private readonly origins: (readonly Origin[])[] = [];

  /** How many values exist here. */
  get size(): number {
    return this.byContent.size;
  }

  /** Everything that `fn` makes comes from `origin` (unless it says otherwise itself). */
  withOrigin<T>(origin: Origin | readonly Origin[], fn: () => T): T {
    this.origins.push("span" in origin ? [origin] : origin);
    try {
      return fn();
    } finally {
      this.origins.pop();
    }
  }

  /** The value `op(args) {attrs}`; identities (a reshape to the same shape, a cast to the same dtype, …) give their argument back. */
  make<K extends OpName>(op: K, args: readonly Value[], attrs: OpAttrs[K], options: MakeOptions = {}): Value {
    const key = contentKey(op, args, attrs);
    const origins = options.origin ? [options.origin] : (this.origins[this.origins.length - 1] ?? []);
    const known = this.byContent.get(key);
    if (known) {
      this.annotate(known, options.labels ?? known.labels, origins);
      return known;
    }
    const row = OPS[op];
    if (row.arity !== "any" && row.arity !== args.length) misuse(op, `${args.length} arguments given, ${row.arity} wanted`);
    const type = row.infer(args, attrs);
    if (isIdentity(op, args, attrs, type.shape)) return args[0]!;
    const labels = options.labels ?? type.labels;
    if (labels.length !== type.shape.length) misuse(op, `${labels.length} labels for rank ${type.shape.length}`);
    const id = this.byContent.size as ValueId;
    const value = {
      id,
      op,
      attrs,
      args,
      dtype: type.dtype,
      shape: type.shape,
      labels,
      origins: origins.slice(0, mostOrigins),
    } as unknown as Value;
    this.byContent.set(key, value);
    return value;
  }

  /** Remembers more about where a value came from and fills in names of axes that were not known. */
  annotate(value: Value, labels: readonly string[], origins: readonly Origin[]): void {
    mergeInto(value as unknown as Growing, labels, origins);
  }

  // Leaves

  input(name: string, shape: readonly number[], options: MakeOptions & { readonly role?: InputRole; readonly dtype?: DType } = {}): Value {
    return this.make("input", [], { name, role: options.role ?? "data", dtype: options.dtype ?? "f32", shape }, options);
  }
  scalar(value: number, dtype: DType = "f32"): Value {
    return this.make("const", [], { value, dtype });
  }
  /** A tensor of one number. */
  splat(value: number, shape: readonly number[], dtype: DType = "f32"): Value {
    return this.broadcastInDim(this.scalar(value, dtype), shape, []);
  }
  splatLike(value: number, like: Value): Value {
    return this.splat(value, like.shape, like.dtype);
  }
  table(data: readonly number[], shape: readonly number[], dtype: DType = "f32"): Value {
    return this.make("table", [], { data, dtype, shape });
  }
  iota(size: number): Value {
    return this.make("iota", [], { size });
  }
  /** i32[shape] that holds each element's place on one axis. */
  iotaAlong(shape: readonly number[], axis: number): Value {
    return this.broadcastInDim(this.iota(shape[axis]!), shape, [axis]);
  }
  random(microStep: Value, attrs: OpAttrs["random"]): Value {
    return this.make("random", [microStep], attrs);
  }

  // Elementwise

  neg(x: Value): Value {
    return this.make("neg", [x], {});
  }
  abs(x: Value): Value {
    return this.make("abs", [x], {});
  }
  exp(x: Value): Value {
    return this.make("exp", [x], {});
  }
  log(x: Value): Value {
    return this.make("log", [x], {});
  }
  sin(x: Value): Value {
    return this.make("sin", [x], {});
  }
  cos(x: Value): Value {
    return this.make("cos", [x], {});
  }
  tanh(x: Value): Value {
    return this.make("tanh", [x], {});
  }
  sqrt(x: Value): Value {
    return this.make("sqrt", [x], {});
  }
  rsqrt(x: Value): Value {
    return this.make("rsqrt", [x], {});
  }
  erf(x: Value): Value {
    return this.make("erf", [x], {});
  }
  floor(x: Value): Value {
    return this.make("floor", [x], {});
  }
  round(x: Value): Value {
    return this.make("round", [x], {});
  }
  not(x: Value): Value {
    return this.make("not", [x], {});
  }
  cast(x: Value, to: DType): Value {
    return this.make("cast", [x], { to });
  }
  add(a: Operand, c: Operand): Value {
    return this.binary("add", a, c);
  }
  sub(a: Operand, c: Operand): Value {
    return this.binary("sub", a, c);
  }
  mul(a: Operand, c: Operand): Value {
    return this.binary("mul", a, c);
  }
  div(a: Operand, c: Operand): Value {
    return this.binary("div", a, c);
  }
  idiv(a: Operand, c: Operand): Value {
    return this.binary("idiv", a, c);
  }
  imod(a: Operand, c: Operand): Value {
    return this.binary("imod", a, c);
  }
  max(a: Operand, c: Operand): Value {
    return this.binary("max", a, c);
  }
  min(a: Operand, c: Operand): Value {
    return this.binary("min", a, c);
  }
  pow(a: Operand, c: Operand): Value {
    return this.binary("pow", a, c);
  }
  lt(a: Operand, c: Operand): Value {
    return this.binary("lt", a, c);
  }
  gt(a: Operand, c: Operand): Value {
    return this.binary("lt", c, a);
  }
  le(a: Operand, c: Operand): Value {
    return this.not(this.gt(a, c));
  }
  ge(a: Operand, c: Operand): Value {
    return this.not(this.lt(a, c));
  }
  eq(a: Operand, c: Operand): Value {
    return this.binary("eq", a, c);
  }
  and(a: Operand, c: Operand): Value {
    return this.binary("and", a, c);
  }
  or(a: Operand, c: Operand): Value {
    return this.binary("or", a, c);
  }
  xor(a: Operand, c: Operand): Value {
    return this.binary("xor", a, c);
  }
  shl(a: Operand, c: Operand): Value {
    return this.binary("shl", a, c);
  }
  shr(a: Operand, c: Operand): Value {
    return this.binary("shr", a, c);
  }
  /** `condition ? a : c` per element; numbers and scalars are spread. */
  where(condition: Value, a: Operand, c: Operand): Value {
    const dtype = typeof a !== "number" ? a.dtype : typeof c !== "number" ? c.dtype : "f32";
    const shape = [a, c, condition].map((v) => (typeof v === "number" ? [] : v.shape)).find((s) => s.length > 0) ?? [];
    return this.make("where", [this.spread(condition, shape, "bool"), this.spread(a, shape, dtype), this.spread(c, shape, dtype)], {});
  }

  // Reductions (all axes when none are named)

  sum(x: Value, axes: readonly number[] = x.shape.map((_, i) => i)): Value {
    return this.make("sum", [x], { axes: ascending(axes) });
  }
  mean(x: Value, axes: readonly number[] = x.shape.map((_, i) => i)): Value {
    const count = axes.reduce((n, axis) => n * x.shape[axis]!, 1);
    return this.mul(this.sum(x, axes), 1 / count);
  }
  reduceMax(x: Value, axes: readonly number[] = x.shape.map((_, i) => i)): Value {
    return this.make("reduceMax", [x], { axes: ascending(axes) });
  }
  argmax(x: Value, axis: number): Value {
    return this.make("argmax", [x], { axis });
  }
  /** Puts axes that a reduction took away back, so that the result lines up with `like`. */
  spreadBack(reduced: Value, like: Value, axes: readonly number[]): Value {
    const kept = like.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    return this.make("broadcast", [reduced], { shape: like.shape, axes: kept }, { labels: like.labels });
  }

  // Movement

  reshape(x: Value, shape: readonly number[], labels?: readonly string[]): Value {
    return this.make("reshape", [x], { shape }, labels ? { labels } : {});
  }
  permute(x: Value, order: readonly number[]): Value {
    return this.make("permute", [x], { order });
  }
  /** Argument axis i becomes result axis `axes[i]` (ascending, of equal size); the other result axes repeat. */
  broadcastInDim(x: Value, shape: readonly number[], axes: readonly number[]): Value {
    return this.make("broadcast", [x], { shape, axes });
  }
  /** Right-aligned spreading: axes of size 1 and missing leading axes repeat. */
  broadcastTo(x: Value, shape: readonly number[]): Value {
    const lead = shape.length - x.shape.length;
    const kept = x.shape.map((_, i) => i).filter((i) => x.shape[i] !== 1 || shape[lead + i] === 1);
    const squeezed = this.reshape(
      x,
      kept.map((i) => x.shape[i]!),
      kept.map((i) => x.labels[i]!),
    );
    return this.broadcastInDim(
      squeezed,
      shape,
      kept.map((i) => lead + i),
    );
  }
  /** A new axis of size 1 before `axis`. */
  expand(x: Value, axis: number, label = ""): Value {
    return this.reshape(x, x.shape.toSpliced(axis, 0, 1), x.labels.toSpliced(axis, 0, label));
  }
  slice(x: Value, start: readonly number[], size: readonly number[], step: readonly number[] = start.map(() => 1)): Value {
    return this.make("slice", [x], { start, size, step });
  }
  sliceAxis(x: Value, axis: number, start: number, size: number, step = 1): Value {
    const at = <T>(whole: readonly T[], one: T) => whole.with(axis, one);
    return this.slice(
      x,
      at(
        x.shape.map(() => 0),
        start,
      ),
      at(x.shape, size),
      at(
        x.shape.map(() => 1),
        step,
      ),
    );
  }
  reverse(x: Value, axes: readonly number[]): Value {
    const start = x.shape.map((size, i) => (axes.includes(i) ? size - 1 : 0));
    return this.slice(
      x,
      start,
      x.shape,
      x.shape.map((_, i) => (axes.includes(i) ? -1 : 1)),
    );
  }
  pad(x: Value, low: readonly number[], high: readonly number[], interior: readonly number[] = low.map(() => 0), value = 0): Value {
    return this.make("pad", [x], { low, high, interior, value });
  }
  concat(values: readonly Value[], axis: number): Value {
    return this.make("concat", values, { axis });
  }

  // Indexing

  gather(x: Value, index: Value, axis = 0, batch = 0): Value {
    return this.make("gather", [x, index], { axis, batch });
  }
  scatterAdd(index: Value, updates: Value, at: { readonly axis: number; readonly size: number; readonly batch?: number }): Value {
    const attrs = { axis: at.axis, batch: at.batch ?? 0, size: at.size, indexRank: index.shape.length };
    return this.make("scatterAdd", [index, updates], attrs);
  }

  // Contraction

  dot(a: Value, c: Value, attrs: Partial<OpAttrs["dot"]>): Value {
    const { batchA = [], batchB = [], contractA = [], contractB = [] } = attrs;
    return this.make("dot", [a, c], { batchA, batchB, contractA, contractB });
  }
  /** The product over the last axis of `a` and the one before the last of `c`, leading axes shared. */
  matmul(a: Value, c: Value): Value {
    const batch = a.shape.slice(0, -2).map((_, i) => i);
    return this.dot(a, c, { batchA: batch, batchB: batch, contractA: [a.shape.length - 1], contractB: [c.shape.length - 2] });
  }
  conv(x: Value, kernel: Value, options: ConvOptions = {}): Value {
    return this.make("conv", [x, kernel], {
      stride: options.stride ?? [1, 1],
      padLow: options.padLow ?? [0, 0],
      padHigh: options.padHigh ?? [0, 0],
      dilation: options.dilation ?? [1, 1],
      inputDilation: options.inputDilation ?? [1, 1],
      groups: options.groups ?? 1,
    });
  }

  // Markers

  stop(x: Value): Value {
    return this.make("stop", [x], {});
  }
  gradScale(x: Value, scale: number): Value {
    return this.make("gradScale", [x], { scale });
  }
  save(x: Value, name: string): Value {
    return this.make("save", [x], { name });
  }
  tap(x: Value, name: string): Value {
    return this.make("tap", [x], { name });
  }
  again(x: Value): Value {
    return this.make("again", [x], {});
  }

  private binary<K extends OpName>(op: K, a: Operand, c: Operand): Value {
    const dtype = typeof a !== "number" ? a.dtype : typeof c !== "number" ? c.dtype : "f32";
    const shape = [a, c].map((v) => (typeof v === "number" ? [] : v.shape)).find((s) => s.length > 0) ?? [];
    return this.make(op, [this.spread(a, shape, dtype), this.spread(c, shape, dtype)], {} as OpAttrs[K]);
  }

  private spread(v: Operand, shape: readonly number[], dtype: DType): Value {
    const value = typeof v === "number" ? this.scalar(v, dtype) : v;
    return value.shape.length === 0 ? this.broadcastInDim(value, shape, []) : value;
  }
}

/** What makes a value itself: its op, its arguments and its attributes. */
export function contentKey<K extends OpName>(op: K, args: readonly Value[], attrs: OpAttrs[K]): string {
  let key: string = op;
  for (const a of args) key += `,${a.id}`;
  const entries = attrs as Readonly<Record<string, unknown>>;
  for (const [name] of attributesOf(op)) key += `|${attributeKey(entries[name])}`;
  return key;
}

function attributeKey(value: unknown): string {
  if (typeof value === "number") return numberText(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return (value as readonly number[]).map(numberText).join(" ");
  return graphKey(value as Graph);
}

const graphKeys = new WeakMap<Graph, string>();

/** Equal for graphs of equal content, whichever builder made them. */
export function graphKey(graph: Graph): string {
  const known = graphKeys.get(graph);
  if (known !== undefined) return known;
  const numbers = new Map<Value, number>();
  const lines = graphValues(graph).map((v, i) => {
    numbers.set(v, i);
    return `${contentKey(v.op, [], v.attrs as OpAttrs[OpName])} of ${v.args.map((a) => numbers.get(a)!).join()}`;
  });
  const key = `{${[graph.name, ...lines, ...graph.results.map((r) => `${r.name} ${numbers.get(r.value)}`)].join("\n")}}`;
  graphKeys.set(graph, key);
  return key;
}

function ascending(axes: readonly number[]): readonly number[] {
  return [...axes].sort((p, q) => p - q);
}

function mergeInto(value: Growing, labels: readonly string[], origins: readonly Origin[]): void {
  if (labels !== value.labels && value.labels.includes("")) value.labels = value.labels.map((label, i) => label || (labels[i] ?? ""));
  for (const origin of origins) {
    if (value.origins.length >= mostOrigins) return;
    if (!value.origins.some((o) => sameOrigin(o, origin))) value.origins.push(origin);
  }
}

function sameOrigin(a: Origin, b: Origin): boolean {
  if (a === b) return true;
  if (a.span.file !== b.span.file || a.span.start !== b.span.start || a.span.end !== b.span.end) return false;
  return (a.chain ?? []).join("\n") === (b.chain ?? []).join("\n");
}

/** Whether a well-typed application gives exactly its first argument back. */
function isIdentity<K extends OpName>(op: K, args: readonly Value[], attrs: OpAttrs[K], shape: readonly number[]): boolean {
  const x = args[0];
  if (x === undefined || !sameShape(x.shape, shape)) return false;
  switch (op as OpName) {
    case "reshape":
    case "broadcast":
      return true;
    case "permute":
      return (attrs as OpAttrs["permute"]).order.every((axis, i) => axis === i);
    case "cast":
      return (attrs as OpAttrs["cast"]).to === x.dtype;
    case "slice":
      return (attrs as OpAttrs["slice"]).step.every((step, i) => step === 1 || shape[i] === 1);
    case "pad":
      return true;
    case "sum":
    case "reduceMax":
      return (attrs as OpAttrs["sum"]).axes.length === 0;
    case "concat":
      return args.length === 1;
    default:
      return false;
  }
}
