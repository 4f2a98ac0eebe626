import { add, addConst, clamp, div, type Ix, ixConst, mod, scale } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";

// Every contraction as one form: C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], each of b, m, n, k a list of axes. A matrix product, a
// convolution, its data gradient and its weight gradient differ only in the index maps below.

export interface GemmAxis {
  readonly name: string;
  readonly size: number;
}
/** Where an operand is read, and under which conditions (each `low <= ix < high` and, with `multipleOf`, divisible); else it counts as 0. */
export interface Place {
  readonly index: readonly Ix[];
  readonly conditions: readonly { readonly ix: Ix; readonly low: number; readonly high: number; readonly multipleOf: number }[];
}
export type At = ReadonlyMap<string, Ix>; // axis name -> index
export interface Gemm {
  readonly batch: readonly GemmAxis[];
  readonly m: readonly GemmAxis[];
  readonly n: readonly GemmAxis[];
  readonly k: readonly GemmAxis[];
  readonly left: Value; // A
  readonly right: Value; // B
  readonly leftAt: (at: At) => Place;
  readonly rightAt: (at: At) => Place;
  readonly resultAt: (at: At) => readonly Ix[];
}
export type ContractValue = Extract<Value, { readonly op: "dot" | "conv" }>;

/** The contraction as a matrix product; `swap` exchanges the roles of the operands (rows and columns). */
export function gemmOf(anchor: ContractValue, swap: boolean): Gemm {
  const gemm = anchor.op === "dot" ? ofDot(anchor) : ofConv(anchor);
  if (!swap) return gemm;
  return { ...gemm, m: gemm.n, n: gemm.m, left: gemm.right, right: gemm.left, leftAt: gemm.rightAt, rightAt: gemm.leftAt };
}

function ofDot(anchor: Extract<Value, { readonly op: "dot" }>): Gemm {
  const [a, b] = anchor.args as [Value, Value];
  const { batchA, batchB, contractA, contractB } = anchor.attrs;
  const nameA = (axis: number): string =>
    batchA.includes(axis) ? `b${batchA.indexOf(axis)}` : contractA.includes(axis) ? `k${contractA.indexOf(axis)}` : `m${axis}`;
  const nameB = (axis: number): string =>
    batchB.includes(axis) ? `b${batchB.indexOf(axis)}` : contractB.includes(axis) ? `k${contractB.indexOf(axis)}` : `n${axis}`;
  const free = (v: Value, used: readonly number[], name: (axis: number) => string): GemmAxis[] =>
    v.shape.map((size, axis) => ({ name: name(axis), size, axis })).filter((x) => !used.includes(x.axis));
  const m = free(a, [...batchA, ...contractA], nameA);
  const n = free(b, [...batchB, ...contractB], nameB);
  const batch = batchA.map((axis, i) => ({ name: `b${i}`, size: a.shape[axis]! }));
  return {
    batch,
    m,
    n,
    k: contractA.map((axis, i) => ({ name: `k${i}`, size: a.shape[axis]! })),
    left: a,
    right: b,
    leftAt: (at) => ({ index: a.shape.map((_, axis) => at.get(nameA(axis))!), conditions: [] }),
    rightAt: (at) => ({ index: b.shape.map((_, axis) => at.get(nameB(axis))!), conditions: [] }),
    resultAt: (at) => [...batch, ...m, ...n].map((x) => at.get(x.name)!),
  };
}

function ofConv(anchor: Extract<Value, { readonly op: "conv" }>): Gemm {
  const [x, w] = anchor.args as [Value, Value];
  const { stride, padLow, dilation, inputDilation, groups } = anchor.attrs;
  const [, , height, width] = x.shape as [number, number, number, number];
  const [outputs, inputs, kh, kw] = w.shape as [number, number, number, number];
  const perGroup = outputs / groups;
  const spatial = (out: Ix, tap: Ix, d: 0 | 1, size: number) => {
    const at = addConst(add(scale(out, stride[d]), scale(tap, dilation[d])), -padLow[d]);
    const pitch = inputDilation[d];
    return {
      ix: clamp(div(at, pitch), 0, size - 1),
      condition: { ix: at, low: 0, high: (size - 1) * pitch + 1, multipleOf: pitch },
    };
  };
  const grouped = (g: Ix | undefined, ix: Ix, size: number): Ix => (g ? add(scale(g, size), ix) : ix);
  return {
    batch: groups > 1 ? [{ name: "g", size: groups }] : [],
    m: [
      { name: "b", size: anchor.shape[0]! },
      { name: "oh", size: anchor.shape[2]! },
      { name: "ow", size: anchor.shape[3]! },
    ],
    n: [{ name: "o", size: perGroup }],
    k: [
      { name: "kh", size: kh },
      { name: "kw", size: kw },
      { name: "c", size: inputs },
    ],
    left: x,
    right: w,
    leftAt: (at) => {
      const y = spatial(at.get("oh")!, at.get("kh")!, 0, height);
      const z = spatial(at.get("ow")!, at.get("kw")!, 1, width);
      return { index: [at.get("b")!, grouped(at.get("g"), at.get("c")!, inputs), y.ix, z.ix], conditions: [y.condition, z.condition] };
    },
    rightAt: (at) => ({
      index: [grouped(at.get("g"), at.get("o")!, perGroup), at.get("c")!, at.get("kh")!, at.get("kw")!],
      conditions: [],
    }),
    resultAt: (at) => [at.get("b")!, grouped(at.get("g"), at.get("o")!, perGroup), at.get("oh")!, at.get("ow")!],
  };
}

/** Whether a condition holds for every value of its variables. */
export function alwaysHolds(c: Place["conditions"][number]): boolean {
  if (c.ix.min < c.low || c.ix.max >= c.high) return false;
  if (c.multipleOf === 1) return true;
  const rest = mod(c.ix, c.multipleOf);
  return rest.terms.length === 0 && rest.constant === 0;
}
/** The product of the sizes. */
export function sizeOf(axes: readonly GemmAxis[]): number {
  return axes.reduce((product, a) => product * a.size, 1);
}
/** Axes of size 1 need no variable. */
export const zero: Ix = ixConst(0);
