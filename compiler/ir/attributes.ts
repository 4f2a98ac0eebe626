import type { DType, Graph, InputRole, OpAttrs, OpName } from "./value.ts";

// The attributes of every primitive as data, in the order in which they are printed and keyed: what `OpAttrs` says to the type checker, this says at run time.

export type AttributeKind = "number" | "numbers" | "text" | "dtype" | "role" | "graph";

type KindOf<T> = T extends DType
  ? "dtype"
  : T extends InputRole
    ? "role"
    : T extends string
      ? "text"
      : T extends readonly unknown[]
        ? "numbers"
        : T extends Graph
          ? "graph"
          : "number";

export const ATTRIBUTES: { readonly [K in OpName]: { readonly [N in keyof OpAttrs[K]]: KindOf<OpAttrs[K][N]> } } = {
  input: { name: "text", role: "role", dtype: "dtype", shape: "numbers" },
  const: { value: "number", dtype: "dtype" },
  table: { data: "numbers", dtype: "dtype", shape: "numbers" },
  iota: { size: "number" },
  random: { key0: "number", key1: "number", word: "number", shape: "numbers" },
  neg: {},
  abs: {},
  exp: {},
  log: {},
  sin: {},
  cos: {},
  tanh: {},
  sqrt: {},
  rsqrt: {},
  erf: {},
  floor: {},
  round: {},
  not: {},
  cast: { to: "dtype" },
  add: {},
  sub: {},
  mul: {},
  div: {},
  idiv: {},
  imod: {},
  max: {},
  min: {},
  pow: {},
  lt: {},
  eq: {},
  and: {},
  or: {},
  xor: {},
  shl: {},
  shr: {},
  where: {},
  sum: { axes: "numbers" },
  reduceMax: { axes: "numbers" },
  argmax: { axis: "number" },
  reshape: { shape: "numbers" },
  permute: { order: "numbers" },
  broadcast: { shape: "numbers", axes: "numbers" },
  slice: { start: "numbers", size: "numbers", step: "numbers" },
  pad: { low: "numbers", high: "numbers", interior: "numbers", value: "number" },
  concat: { axis: "number" },
  gather: { axis: "number", batch: "number" },
  scatterAdd: { axis: "number", batch: "number", size: "number", indexRank: "number" },
  dot: { batchA: "numbers", batchB: "numbers", contractA: "numbers", contractB: "numbers" },
  conv: { stride: "numbers", padLow: "numbers", padHigh: "numbers", dilation: "numbers", inputDilation: "numbers", groups: "number" },
  attend: { part: "text", scale: "number" },
  attendGrad: { part: "text", scale: "number" },
  loop: { body: "graph", count: "number", carried: "number", items: "number", part: "number" },
  stop: {},
  gradScale: { scale: "number" },
  save: { name: "text" },
  tap: { name: "text" },
  again: {},
};

const dtypes: readonly string[] = ["f32", "f16", "i32", "u32", "bool"] satisfies DType[];
const roles: readonly string[] = ["data", "param", "state", "uniform", "grad"] satisfies InputRole[];

/** The attribute names of an op, in order, with their kinds. */
export const attributesOf: (op: OpName) => readonly (readonly [string, AttributeKind])[] = (() => {
  const entries = new Map<string, readonly (readonly [string, AttributeKind])[]>(
    Object.entries(ATTRIBUTES).map(([op, kinds]) => [op, Object.entries(kinds as Record<string, AttributeKind>)]),
  );
  return (op) => entries.get(op)!;
})();

/** Whether `value` is of the kind. */
export function isOfKind(value: unknown, kind: AttributeKind): boolean {
  switch (kind) {
    case "number":
      return typeof value === "number";
    case "numbers":
      return Array.isArray(value) && value.every((n) => typeof n === "number");
    case "text":
      return typeof value === "string";
    case "dtype":
      return typeof value === "string" && dtypes.includes(value);
    case "role":
      return typeof value === "string" && roles.includes(value);
    case "graph":
      return typeof value === "object" && value !== null && "results" in value;
    default:
      return kind satisfies never;
  }
}

/** A number as text that reads back to the same number. */
export function numberText(n: number): string {
  return Object.is(n, -0) ? "-0" : String(n);
}
