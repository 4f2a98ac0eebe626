import { Builder } from "../ir/builder.ts";
import type { NdArray, ReferenceContext } from "../ir/ops/row.ts";
import { bodyOf, rowOf } from "../ir/ops.ts";
import type { Value } from "../ir/value.ts";
import { philox4x32 } from "../plan/philox.ts";
import { stridesOf } from "./ndarray.ts";

// The slow twin at single places. In: a value, an index, and a way to read what is in memory. Out: the number there, in f64, from the table
// of primitives. Where only a few elements of a large result are wanted this costs those elements and no more.

type Index = readonly number[];
/** Values that are in memory: the number at an index, or null if the value is not. */
export type ReadStored = (value: Value, index: Index) => number | null;

/** Says which primitive of a value's body cannot be evaluated at single places; null if all can. */
export function wholeOnly(values: readonly Value[], isStored: (v: Value) => boolean): Value | null {
  const seen = new Set<Value>();
  const stack = [...values];
  while (stack.length > 0) {
    const v = stack.pop()!;
    if (seen.has(v)) continue;
    seen.add(v);
    if (v.op === "scatterAdd") return v;
    for (const a of v.args) if (!isStored(a)) stack.push(a);
  }
  return null;
}

export class PointEvaluator {
  readonly #read: ReadStored;
  readonly #context: ReferenceContext;
  #known = new Map<string, number>();
  /** Calls by body, and what the leaves of a body stand for. */
  readonly #bodies = new Map<Value, Value>();
  readonly #standsFor = new Map<Value, Value>();
  /** Values of several builders meet here, so that their own numbers do not tell them apart. */
  readonly #numbers = new Map<Value, number>();

  /** `uniform`: the value of a host input by name. */
  constructor(read: ReadStored, uniform: (name: string) => number) {
    this.#read = read;
    this.#context = {
      input: (name) => ({ dtype: "f32", shape: [], data: Float64Array.of(uniform(name)) }),
      philox: philox4x32,
    };
  }

  at(v: Value, index: Index, isOutput = false): number {
    const argument = this.#standsFor.get(v);
    if (argument) return this.at(argument, index);
    // What the region itself makes may also be stored; asked for as an output it is computed.
    const stored = isOutput ? null : this.#read(v, index);
    if (stored !== null) return stored;
    const key = `${this.#numberOf(v)}@${index.join()}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const result = this.#compute(v, index);
    if (this.#known.size > 200_000) this.#known = new Map();
    this.#known.set(key, result);
    return result;
  }

  #numberOf(v: Value): number {
    let n = this.#numbers.get(v);
    if (n === undefined) {
      n = this.#numbers.size;
      this.#numbers.set(v, n);
    }
    return n;
  }
  /** A call's body over leaves that stand for its arguments. */
  #bodyOf(v: Value): Value {
    let body = this.#bodies.get(v);
    if (!body) {
      const b = new Builder();
      const leaves = v.args.map((a, i) => b.input(`${i}`, a.shape, { dtype: a.dtype }));
      for (const [i, leaf] of leaves.entries()) this.#standsFor.set(leaf, v.args[i]!);
      body = bodyOf(b, v, leaves)!;
      this.#bodies.set(v, body);
    }
    return body;
  }

  #compute(v: Value, index: Index): number {
    switch (v.op) {
      case "const":
        return v.attrs.value;
      case "input":
        return this.#context.input(v.attrs.name).data[0]!;
      case "table":
        return v.attrs.data[flatten(index, v.shape)]!;
      case "iota":
        return index[0]!;
      case "random": {
        const { key0, key1, word } = v.attrs;
        const key = v.args[1] ? (key1 ^ this.at(v.args[1], [])) >>> 0 : key1;
        return philox4x32(key0, key, flatten(index, v.shape), this.at(v.args[0]!, []), word >>> 2, 0)[word & 3]!;
      }
      case "reshape":
        return this.at(v.args[0]!, unflatten(flatten(index, v.shape), v.args[0]!.shape));
      case "permute": {
        const inner: number[] = [];
        for (const [axis, from] of v.attrs.order.entries()) inner[from] = index[axis]!;
        return this.at(v.args[0]!, inner);
      }
      case "broadcast":
        return this.at(
          v.args[0]!,
          v.attrs.axes.map((to, axis) => (v.args[0]!.shape[axis] === 1 ? 0 : index[to]!)),
        );
      case "slice":
        return this.at(
          v.args[0]!,
          index.map((i, axis) => v.attrs.start[axis]! + i * v.attrs.step[axis]!),
        );
      case "pad": {
        const inner = index.map((i, axis) => (i - v.attrs.low[axis]!) / (v.attrs.interior[axis]! + 1));
        const inside = inner.every((i, axis) => Number.isInteger(i) && i >= 0 && i < v.args[0]!.shape[axis]!);
        return inside ? this.at(v.args[0]!, inner) : v.attrs.value;
      }
      case "concat": {
        const { axis } = v.attrs;
        let at = index[axis]!;
        for (const part of v.args) {
          const size = part.shape[axis]!;
          if (at < size)
            return this.at(
              part,
              index.map((i, a) => (a === axis ? at : i)),
            );
          at -= size;
        }
        throw new Error(`internal: point: index ${index.join()} is outside of %${v.id}`);
      }
      case "gather": {
        const [source, positions] = v.args as [Value, Value];
        const { axis, batch } = v.attrs;
        const own = positions.shape.length - batch;
        const place = this.at(positions, [...index.slice(0, batch), ...index.slice(axis, axis + own)]);
        const clamped = Math.min(Math.max(place, 0), source.shape[axis]! - 1);
        return this.at(source, [...index.slice(0, axis), clamped, ...index.slice(axis + own)]);
      }
      case "sum":
      case "reduceMax":
        return this.#reduce(v, index);
      case "argmax": {
        const { axis } = v.attrs;
        let [best, place] = [Number.NEGATIVE_INFINITY, 0];
        for (let i = 0; i < v.args[0]!.shape[axis]!; i++) {
          const x = this.at(v.args[0]!, [...index.slice(0, axis), i, ...index.slice(axis)]);
          if (x > best) [best, place] = [x, i];
        }
        return place;
      }
      case "dot":
        return this.#dot(v, index);
      case "conv":
        return this.#conv(v, index);
      case "stop":
      case "gradScale":
      case "again":
      case "save":
      case "tap":
        return this.at(v.args[0]!, index);
      case "attend":
      case "attendGrad":
        return this.at(this.#bodyOf(v), index);
      case "scatterAdd":
        throw new Error(`internal: point: '${v.op}' has a meaning as a whole only`);
      default: {
        const args = v.args.map((a): NdArray => ({ dtype: a.dtype, shape: [], data: Float64Array.of(this.at(a, index)) }));
        const { ref } = rowOf(v.op);
        if (typeof ref !== "function") throw new Error(`internal: point: '${v.op}' is a call`);
        const meaning = ref as (args: readonly NdArray[], attrs: unknown, context: ReferenceContext, result: object) => NdArray;
        return meaning(args, v.attrs, this.#context, { dtype: v.dtype, shape: [], labels: [] }).data[0]!;
      }
    }
  }

  #reduce(v: Extract<Value, { readonly op: "sum" | "reduceMax" }>, index: Index): number {
    const argument = v.args[0]!;
    const { axes } = v.attrs;
    const kept = argument.shape.map((_, a) => a).filter((a) => !axes.includes(a));
    const inner: number[] = [];
    for (const [i, axis] of kept.entries()) inner[axis] = index[i]!;
    let result = v.op === "sum" ? 0 : Number.NEGATIVE_INFINITY;
    each(
      axes.map((a) => argument.shape[a]!),
      (at) => {
        for (const [i, axis] of axes.entries()) inner[axis] = at[i]!;
        const x = this.at(argument, [...inner]);
        result = v.op === "sum" ? result + x : Math.max(result, x);
      },
    );
    return result;
  }

  #dot(v: Extract<Value, { readonly op: "dot" }>, index: Index): number {
    const [a, b] = v.args as [Value, Value];
    const { batchA, batchB, contractA, contractB } = v.attrs;
    const free = (x: Value, used: readonly number[]): number[] => x.shape.map((_, axis) => axis).filter((axis) => !used.includes(axis));
    const [freeA, freeB] = [free(a, [...batchA, ...contractA]), free(b, [...batchB, ...contractB])];
    const [left, right]: [number[], number[]] = [[], []];
    for (const [i, axis] of batchA.entries()) left[axis] = index[i]!;
    for (const [i, axis] of batchB.entries()) right[axis] = index[i]!;
    for (const [i, axis] of freeA.entries()) left[axis] = index[batchA.length + i]!;
    for (const [i, axis] of freeB.entries()) right[axis] = index[batchA.length + freeA.length + i]!;
    let sum = 0;
    each(
      contractA.map((axis) => a.shape[axis]!),
      (at) => {
        for (const [i, axis] of contractA.entries()) left[axis] = at[i]!;
        for (const [i, axis] of contractB.entries()) right[axis] = at[i]!;
        sum += this.at(a, [...left]) * this.at(b, [...right]);
      },
    );
    return sum;
  }

  #conv(v: Extract<Value, { readonly op: "conv" }>, index: Index): number {
    const [x, w] = v.args as [Value, Value];
    const { stride, padLow, dilation, inputDilation, groups } = v.attrs;
    const [outputs, inputs, kh, kw] = w.shape as [number, number, number, number];
    const [batch, o] = [index[0]!, index[1]!];
    const group = Math.floor(o / (outputs / groups));
    let sum = 0;
    const place = (out: number, tap: number, d: 0 | 1): number => (out * stride[d] + tap * dilation[d] - padLow[d]) / inputDilation[d];
    const inside = (i: number, size: number): boolean => Number.isInteger(i) && i >= 0 && i < size;
    for (let r = 0; r < kh; r++)
      for (let s = 0; s < kw; s++) {
        const [y, z] = [place(index[2]!, r, 0), place(index[3]!, s, 1)];
        if (!inside(y, x.shape[2]!) || !inside(z, x.shape[3]!)) continue;
        for (let c = 0; c < inputs; c++) sum += this.at(x, [batch, group * inputs + c, y, z]) * this.at(w, [o, c, r, s]);
      }
    return sum;
  }
}

function flatten(index: Index, shape: readonly number[]): number {
  return stridesOf(shape).reduce((sum, stride, axis) => sum + stride * index[axis]!, 0);
}
/** The index of an element of a row-major shape. */
export function unflatten(place: number, shape: readonly number[]): number[] {
  const strides = stridesOf(shape);
  return shape.map((size, axis) => Math.floor(place / strides[axis]!) % size);
}
/** Visits every index of a shape; the array is the same each time. */
function each(shape: readonly number[], visit: (at: Index) => void): void {
  const at = shape.map(() => 0);
  for (;;) {
    visit(at);
    let axis = shape.length - 1;
    while (axis >= 0 && ++at[axis]! === shape[axis]!) at[axis--] = 0;
    if (axis < 0) return;
  }
}
