import type { Builder } from "./builder.ts";
import { attendRows } from "./ops/attend.ts";
import { contractRows } from "./ops/contract.ts";
import { indexRows } from "./ops/indexing.ts";
import { leafRows } from "./ops/leaf.ts";
import { loopRows } from "./ops/loop.ts";
import { mapRows } from "./ops/map.ts";
import { markerRows } from "./ops/marker.ts";
import { movementRows } from "./ops/movement.ts";
import { reduceRows } from "./ops/reduce.ts";
import type { OpRow } from "./ops/row.ts";
import type { OpName, Value } from "./value.ts";

// The op table, the heart of the compiler: one row per primitive answers every question about it. Adding a primitive is one line in `value.ts` and
// one row here; the type below breaks the build when a row is missing, and the completeness test when a row has no test.

export type OpTable = { readonly [K in OpName]: OpRow<K> };

export const OPS: OpTable = {
  ...leafRows,
  ...mapRows,
  ...reduceRows,
  ...movementRows,
  ...indexRows,
  ...contractRows,
  ...attendRows,
  ...loopRows,
  ...markerRows,
};

export const opNames = Object.keys(OPS) as readonly OpName[];

/** The row of any op, for code that reads the table without knowing which. */
export function rowOf(op: OpName): OpRow<OpName> {
  return OPS[op] as unknown as OpRow<OpName>;
}

/** A call written out in the primitives that are its meaning; null for a primitive. */
export function bodyOf(b: Builder, v: Value, args: readonly Value[] = v.args): Value | null {
  const { ref } = rowOf(v.op);
  return typeof ref === "function" ? null : b.withOrigin(v.origins, () => ref.body(b, args, v.attrs));
}

/** Whether a value stands for a body in other primitives. */
export function isCall(v: Value): boolean {
  return OPS[v.op].class === "call";
}

/** Whether a value is computed element by element. */
export function isElementwise(v: Value): boolean {
  return OPS[v.op].class === "map";
}

export type { NdArray, OpClass, OpRow } from "./ops/row.ts";
