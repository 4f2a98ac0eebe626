import { add, addConst, clamp, div, type Ix, ixConst, mod, scale } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";

// Every contraction as one form: C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], each of b, m, n, k a list of axes. A matrix product, a
// convolution, its data gradient and its weight gradient differ only in the index maps below.

export interface GemmAxis {
  readonly name: string;
  readonly size: number;
  /** How many of its places count, where that depends on the batch; the others contribute 0. */
  readonly count?: (at: At) => Ix;
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
  const [outputs, inputs, kh, kw] = w.shape as [number, number, number, number];
  const perGroup = outputs / groups;
  const taps = [kh, kw] as const;
  const sizes = [x.shape[2]!, x.shape[3]!] as const;
  const results = [anchor.shape[2]!, anchor.shape[3]!] as const;
  // The data gradient of a strided convolution meets a row of its operand with every p-th tap only, and which these are depends on the
  // result's row modulo p. With that phase as a batch axis the taps that meet nothing are not computed.
  const phaseOf = (d: 0 | 1): number => {
    const p = inputDilation[d];
    return stride[d] === 1 && dilation[d] === 1 && results[d] % p === 0 ? p : 1;
  };
  const phases = [phaseOf(0), phaseOf(1)] as const;
  const phaseNames = ["ph", "pw"] as const;
  /** The first tap of a phase, and by how many rows of the operand it is shifted. */
  const ofPhase = (at: At, d: 0 | 1): { first: Ix; shift: Ix } => {
    const back = addConst(scale(at.get(phaseNames[d])!, -1), padLow[d]);
    return { first: mod(back, phases[d]), shift: scale(div(back, phases[d]), -1) };
  };
  const tapsOf = (d: 0 | 1): Pick<GemmAxis, "count"> =>
    taps[d] % phases[d] === 0 ? {} : { count: (at) => div(addConst(scale(ofPhase(at, d).first, -1), taps[d] + phases[d] - 1), phases[d]) };
  const spatial = (at: At, d: 0 | 1): { ix: Ix; conditions: Place["conditions"] } => {
    const [out, tap] = d === 0 ? [at.get("oh")!, at.get("kh")!] : [at.get("ow")!, at.get("kw")!];
    const size = sizes[d];
    if (phases[d] > 1) {
      const { first, shift } = ofPhase(at, d);
      const ix = add(add(out, tap), shift);
      const whole = add(first, scale(tap, phases[d]));
      return {
        ix: clamp(ix, 0, size - 1),
        conditions: [
          { ix, low: 0, high: size, multipleOf: 1 },
          { ix: whole, low: 0, high: taps[d], multipleOf: 1 },
        ],
      };
    }
    const from = addConst(add(scale(out, stride[d]), scale(tap, dilation[d])), -padLow[d]);
    const pitch = inputDilation[d];
    return {
      ix: clamp(div(from, pitch), 0, size - 1),
      conditions: [{ ix: from, low: 0, high: (size - 1) * pitch + 1, multipleOf: pitch }],
    };
  };
  const tapAt = (at: At, d: 0 | 1): Ix => {
    const tap = at.get(d === 0 ? "kh" : "kw")!;
    return phases[d] === 1 ? tap : clamp(add(ofPhase(at, d).first, scale(tap, phases[d])), 0, taps[d] - 1);
  };
  const resultAt = (at: At, d: 0 | 1): Ix => {
    const out = at.get(d === 0 ? "oh" : "ow")!;
    return phases[d] === 1 ? out : add(scale(out, phases[d]), at.get(phaseNames[d])!);
  };
  const grouped = (g: Ix | undefined, ix: Ix, size: number): Ix => (g ? add(scale(g, size), ix) : ix);
  return {
    batch: [
      ...(groups > 1 ? [{ name: "g", size: groups }] : []),
      ...([0, 1] as const).flatMap((d) => (phases[d] > 1 ? [{ name: phaseNames[d], size: phases[d] }] : [])),
    ],
    m: [
      { name: "b", size: anchor.shape[0]! },
      { name: "oh", size: results[0] / phases[0] },
      { name: "ow", size: results[1] / phases[1] },
    ],
    n: [{ name: "o", size: perGroup }],
    k: [
      { name: "kh", size: Math.ceil(kh / phases[0]), ...tapsOf(0) },
      { name: "kw", size: Math.ceil(kw / phases[1]), ...tapsOf(1) },
      { name: "c", size: inputs },
    ],
    left: x,
    right: w,
    leftAt: (at) => {
      const [y, z] = [spatial(at, 0), spatial(at, 1)];
      const channel = grouped(at.get("g"), at.get("c")!, inputs);
      return { index: [at.get("b")!, channel, y.ix, z.ix], conditions: [...y.conditions, ...z.conditions] };
    },
    rightAt: (at) => ({
      index: [grouped(at.get("g"), at.get("o")!, perGroup), at.get("c")!, tapAt(at, 0), tapAt(at, 1)],
      conditions: [],
    }),
    resultAt: (at) => [at.get("b")!, grouped(at.get("g"), at.get("o")!, perGroup), resultAt(at, 0), resultAt(at, 1)],
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
