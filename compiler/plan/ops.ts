import type { PlanOp, PlanRepeat } from "./plan.ts";

/** An operation and how often one run of its leg runs it, with the loops around it, outermost first. */
export interface CountedOp {
  readonly op: Exclude<PlanOp, { readonly kind: "repeat" }>;
  readonly times: number;
  readonly within: readonly PlanRepeat[];
}

/** The operations of a leg in order, those of loops once each. */
export function flatOps(ops: readonly PlanOp[], times = 1, within: readonly PlanRepeat[] = []): CountedOp[] {
  return ops.flatMap((op): CountedOp[] =>
    op.kind === "repeat" ? flatOps(op.ops, times * op.count, [...within, op]) : [{ op, times, within }],
  );
}

/** The same operations, each changed; what is in loops too. */
export function mapOps(ops: readonly PlanOp[], change: (op: CountedOp["op"]) => PlanOp): PlanOp[] {
  return ops.map((op) => (op.kind === "repeat" ? { ...op, ops: mapOps(op.ops, change) } : change(op)));
}
