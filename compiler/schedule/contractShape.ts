import { rowLength, type Stored } from "../fuse/region.ts";
import { add, type Ix, isMultipleOf, ixVar, scale, strideOf } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import { mainAccess } from "./access.ts";
import { VEC, vecIx } from "./emit.ts";
import { type At, type ContractValue, type Gemm, type GemmAxis, gemmOf, type Place, sizeOf, zero } from "./gemm.ts";

// How a contraction meets its operands' memory. In: the contraction, the form in which each operand is stored. Out: the order of its axes, and
// along which of them each operand is read in vectors.

/** How the axes of a contraction are ordered for its operands' memory: what the loops and the vectors run along. */
export interface ContractShape {
  readonly gemm: Gemm;
  readonly m: readonly GemmAxis[];
  readonly n: readonly GemmAxis[]; // the last one is walked in vectors
  readonly k: readonly GemmAxis[];
  readonly alongM: boolean; // the left operand's vectors run along the last m axis instead of the last k axis
  readonly leftContiguous: boolean;
  /** What the right operand's vectors run along: its columns, or the contraction (then four columns are read and turned), or nothing. */
  readonly rightAlong: "n" | "k" | null;
}

/** The right operand, where it is a matrix in memory whose rows are all columns of the contraction: its stored form. */
export function rightMatrix({ gemm, n, rightAlong }: ContractShape, storedFor: (v: Value) => Stored | undefined): Stored | null {
  const columns = n[n.length - 1];
  if (rightAlong !== "n" || columns === undefined) return null;
  const all = [...gemm.batch, ...gemm.m, ...gemm.n, ...gemm.k];
  const access = mainAccess(gemm.right, gemm.rightAt(variables(all)).index, storedFor);
  if (access === null || rowLength(access.stored) !== columns.size) return null;
  const left = mainAccess(gemm.left, gemm.leftAt(variables(all)).index, storedFor);
  return left?.stored.id === access.stored.id ? null : access.stored;
}
const variables = (axes: readonly GemmAxis[]): Map<string, Ix> =>
  new Map(axes.map((x): [string, Ix] => [x.name, x.size === 1 ? zero : ixVar(x.name, 0, x.size - 1)]));

const moveLast = (axes: readonly GemmAxis[], name: string): GemmAxis[] => [
  ...axes.filter((a) => a.name !== name),
  ...axes.filter((a) => a.name === name),
];

/** Whether four consecutive values of an axis are one aligned vector in memory. */
function isVectorAxis(
  axis: GemmAxis,
  value: Value,
  place: (at: At) => Place,
  all: readonly GemmAxis[],
  storedFor: (v: Value) => Stored | undefined,
): boolean {
  if (axis.size % 4 !== 0) return false;
  const at = variables(all);
  at.set(axis.name, add(scale(ixVar(axis.name, 0, axis.size / 4 - 1), 4), vecIx));
  const access = mainAccess(value, place(at).index, storedFor);
  if (!access) return false;
  const size = access.stored.value.shape.reduce((a, b) => a * b, 1);
  return strideOf(access.flat, VEC) === 1 && size % 4 === 0 && isMultipleOf(access.flat, 4, VEC);
}

export function contractShape(anchor: ContractValue, storedFor: (v: Value) => Stored | undefined): ContractShape {
  const plain = shapeOf(gemmOf(anchor, false), storedFor);
  if (anchor.op === "conv") return plain;
  const swapped = shapeOf(gemmOf(anchor, true), storedFor);
  // The right operand should be read in vectors, best along its columns, and there should be at least a vector of them.
  const score = (s: ContractShape): number =>
    (s.rightAlong === null ? 0 : s.rightAlong === "n" ? 2.5 : 2) + (sizeOf(s.n) >= 4 ? 1 : 0) + (sizeOf(s.n) > 1 ? 1 : 0);
  return score(swapped) > score(plain) ? swapped : plain;
}
function shapeOf(gemm: Gemm, storedFor: (v: Value) => Stored | undefined): ContractShape {
  const all = [...gemm.batch, ...gemm.m, ...gemm.n, ...gemm.k];
  const alongK = gemm.k.find((axis) => isVectorAxis(axis, gemm.left, gemm.leftAt, all, storedFor));
  const alongM = alongK ? undefined : gemm.m.find((axis) => isVectorAxis(axis, gemm.left, gemm.leftAt, all, storedFor));
  const columns = gemm.n.find((axis) => isVectorAxis(axis, gemm.right, gemm.rightAt, all, storedFor));
  const turned = columns ? undefined : gemm.k.find((axis) => isVectorAxis(axis, gemm.right, gemm.rightAt, all, storedFor));
  // Both operands' vectors run along the innermost contraction axis, if they run along one.
  const rightK = turned && (!alongK || alongK.name === turned.name) ? turned : undefined;
  const innermost = alongK ?? rightK ?? [...gemm.k].reverse().sort((a, b) => b.size - a.size)[0];
  return {
    gemm,
    m: alongM ? moveLast(gemm.m, alongM.name) : gemm.m,
    n: columns ? moveLast(gemm.n, columns.name) : gemm.n,
    k: innermost ? moveLast(gemm.k, innermost.name) : gemm.k,
    alongM: alongM !== undefined,
    leftContiguous: alongK !== undefined || alongM !== undefined,
    rightAlong: columns ? "n" : rightK ? "k" : null,
  };
}
