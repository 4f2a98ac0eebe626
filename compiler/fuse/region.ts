import type { Value } from "../ir/value.ts";

// What fusion leaves: tensors that exist in memory, and the regions that make them. A region is one kernel. Its body is not written down:
// it is everything between its outputs and the stored tensors it reads, found by walking arguments.

/** A tensor in memory: a value, stored with its axes in `order`, outermost first. The same value may be stored in several orders. */
export interface Stored {
  readonly id: string; // `%12`, or `%12:0231` where the order is not row-major
  readonly value: Value;
  readonly order: readonly number[];
}

export type Template = "map" | "reduce" | "contract" | "attend" | "index";

export interface Region {
  readonly id: number;
  readonly template: Template;
  /** The reductions of one loop nest, the one contraction, parts of one attention, or the one scatter; empty for a map. */
  readonly anchors: readonly Value[];
  readonly outputs: readonly Stored[];
  /** Which stored form of a value this region reads, where there are several. */
  readonly reads: ReadonlyMap<Value, Stored>;
}

/** Name of a stored tensor. */
export function storedId(value: Value, order: readonly number[]): string {
  return order.every((axis, i) => axis === i) ? `%${value.id}` : `%${value.id}:${order.join("")}`;
}
export function rowMajor(value: Value): readonly number[] {
  return value.shape.map((_, i) => i);
}
export function makeStored(value: Value, order: readonly number[] = rowMajor(value)): Stored {
  return { id: storedId(value, order), value, order };
}

/** Elements that lie beside each other: those of the innermost axis. */
export function rowLength({ value, order }: Stored): number {
  return value.shape[order[order.length - 1]!] ?? 1;
}

/** What a region reads from memory, found by walking its body. */
export function storedReads(region: Region): Set<Stored> {
  const reads = new Set<Stored>();
  const seen = new Set<Value>();
  const own = new Set(region.outputs.map((o) => o.value));
  const stack: Value[] = [];
  const enter = (v: Value, top: boolean): void => {
    const stored = region.reads.get(v);
    const packed = top && region.template === "map" && stored !== undefined && !region.outputs.some((o) => o.id === stored.id);
    if (stored && (packed || !top) && !(own.has(v) && !packed)) {
      reads.add(stored);
      return;
    }
    if (seen.has(v)) return;
    seen.add(v);
    stack.push(v);
  };
  for (const o of region.outputs) enter(o.value, true);
  while (stack.length > 0) for (const a of stack.pop()!.args) enter(a, false);
  return reads;
}
