import { rowOf } from "../ir/ops.ts";
import type { Value } from "../ir/value.ts";
import { isWidening } from "../precision.ts";
import type { AttendValue } from "../schedule/attend.ts";

// What a value is to fusion.

/** Leaves that lie in memory: everything the host or another leg provides. */
export function isMemoryLeaf(v: Value): boolean {
  return v.op === "table" || (v.op === "input" && v.attrs.role !== "uniform");
}
/** Leaves that a kernel makes up itself. */
export function isFreeLeaf(v: Value): boolean {
  return v.op === "const" || v.op === "iota" || (v.op === "input" && v.attrs.role === "uniform");
}
export const isContraction = (v: Value): boolean => v.op === "dot" || v.op === "conv";
export const isReduction = (v: Value): boolean => v.op === "sum" || v.op === "reduceMax" || v.op === "argmax";
export const isAttention = (v: Value): v is AttendValue => v.op === "attend" || v.op === "attendGrad";
/** Values that a kernel of their own makes and stores: contractions, reductions, attention, scatters. */
export const isAnchor = (v: Value): boolean => isContraction(v) || isReduction(v) || isAttention(v) || v.op === "scatterAdd";
// Reading a stored f16 value as f32 costs no more than reading it.
export const isView = (v: Value): boolean => rowOf(v.op).class === "movement" || rowOf(v.op).class === "marker" || isWidening(v);
