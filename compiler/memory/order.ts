import { isMemoryLeaf } from "../fuse/kinds.ts";
import { type Region, type Stored, storedReads } from "../fuse/region.ts";
import type { Graph, Value } from "../ir/value.ts";
import { graphValues } from "../ir/walk.ts";
import type { PlanBinding } from "../plan/plan.ts";
import { overlap } from "./place.ts";

// The order of kernels. In: regions in the order of the program. Out: the same in an order that respects reads, in which tensors die young: a
// kernel after which less is alive runs as soon as it can (the gradient of a weight as soon as the cotangent is there), what is computed
// again only just before it is needed, and what changes an input that others read at the end.

export interface OrderRequest {
  readonly regions: readonly Region[];
  readonly changes: ReadonlySet<Region>;
  readonly isAgain: (v: Value) => boolean;
  /** Bytes that a tensor takes of the slots; 0 for one that has a place. */
  readonly slotBytes: (s: Stored) => number;
}

export function orderRegions({ regions, changes, isAgain, slotBytes }: OrderRequest): Region[] {
  const producer = new Map<string, Region>();
  for (const r of regions) for (const o of r.outputs) producer.set(o.id, r);
  const reads = new Map(regions.map((r) => [r, [...storedReads(r)].filter((s) => producer.has(s.id) && producer.get(s.id) !== r)]));
  const needs = new Map(regions.map((r) => [r, [...new Set(reads.get(r)!.map((s) => producer.get(s.id)!))]]));
  const again = new Set(regions.filter((r) => r.outputs.every((o) => isAgain(o.value))));
  const done = new Set<Region>();
  /** A kernel with what must be computed again for it, in order. */
  const together = (r: Region, found: Set<Region> = new Set()): Set<Region> => {
    for (const n of needs.get(r)!) if (again.has(n) && !done.has(n) && !found.has(n)) together(n, found);
    return found.add(r);
  };
  const readers = new Map<Region, Region[]>(regions.map((r) => [r, []])); // that wait for a kernel
  const waits = new Map<Region, number>();
  const unread = new Map<string, number>(); // readers that have not run
  for (const r of regions) {
    const first = new Set([...together(r)].flatMap((c) => needs.get(c)!.filter((n) => !again.has(n))));
    waits.set(r, first.size);
    for (const n of first) readers.get(n)!.push(r);
    for (const s of reads.get(r)!) unread.set(s.id, (unread.get(s.id) ?? 0) + 1);
  }
  const late = new Set([...changes, ...again]);
  const readersOf = new Map<string, Region[]>(); // of a tensor
  for (const r of regions) for (const s of reads.get(r)!) readersOf.set(s.id, [...(readersOf.get(s.id) ?? []), r]);
  /** Kernels that can run and after which no more is alive than before. */
  const freeing = new Map<Region, number>();
  const consider = (r: Region): void => {
    if (done.has(r)) return;
    if (again.has(r)) {
      for (const o of r.outputs) for (const reader of readersOf.get(o.id) ?? []) consider(reader);
      return;
    }
    if (waits.get(r)! > 0 || late.has(r)) return;
    const g = growth(r);
    if (g <= 0) freeing.set(r, g);
    else freeing.delete(r);
  };
  const result: Region[] = [];
  const run = (r: Region): void => {
    done.add(r);
    freeing.delete(r);
    result.push(r);
    for (const reader of readers.get(r)!) waits.set(reader, waits.get(reader)! - 1);
    for (const s of reads.get(r)!) unread.set(s.id, unread.get(s.id)! - 1);
    for (const reader of readers.get(r)!) consider(reader);
    for (const s of reads.get(r)!) for (const reader of readersOf.get(s.id)!) consider(reader);
  };
  /** How much more is alive after a kernel than before. */
  const growth = (r: Region): number => {
    const all = [...together(r)];
    const freed = new Map<string, { readonly stored: Stored; count: number }>();
    let sum = 0;
    for (const c of all) {
      for (const o of c.outputs) sum += slotBytes(o);
      for (const s of reads.get(c)!) {
        const known = freed.get(s.id) ?? { stored: s, count: 0 };
        known.count++;
        freed.set(s.id, known);
      }
    }
    for (const [id, { stored, count }] of freed) if (unread.get(id) === count) sum -= slotBytes(stored);
    return sum;
  };
  const runWhatFrees = (): void => {
    while (freeing.size > 0) {
      const [best] = [...freeing].reduce((least, one) => (one[1] < least[1] ? one : least));
      for (const r of together(best)) run(r);
    }
  };
  const visit = (r: Region): void => {
    if (done.has(r)) return;
    for (const n of needs.get(r)!) visit(n);
    if (done.has(r)) return;
    run(r);
    runWhatFrees();
  };
  for (const r of regions) if (!late.has(r)) visit(r);
  for (const r of regions) visit(r);
  return result;
}

/** The regions that write a result whose place overlaps that of an input which another region reads. */
export function changingInputs(
  regions: readonly Region[],
  nameOf: ReadonlyMap<Value, string>,
  places: ReadonlyMap<string, PlanBinding>,
  placeOfInput: (leaf: Value) => PlanBinding,
): Set<Region> {
  const readIn = new Map<number, { readonly place: PlanBinding; readonly by: Region }[]>(); // by buffer
  for (const by of regions) {
    for (const { value } of storedReads(by)) {
      if (!isMemoryLeaf(value)) continue;
      const place = placeOfInput(value);
      readIn.set(place.buffer, [...(readIn.get(place.buffer) ?? []), { place, by }]);
    }
  }
  const changes = (region: Region): boolean =>
    region.outputs.some((output) => {
      const name = nameOf.get(output.value);
      const place = name === undefined ? undefined : places.get(name);
      return place !== undefined && (readIn.get(place.buffer) ?? []).some((read) => read.by !== region && overlap(read.place, place));
    });
  return new Set(regions.filter(changes));
}

/** The values that are computed a second time and from nothing else: of values `again`, constants and host numbers. */
export function computedAgain(graph: Graph): Set<Value> {
  const free = new Set<Value>();
  const again = new Set<Value>();
  for (const v of graphValues(graph)) {
    if (v.op === "again") again.add(v);
    else if (v.args.length === 0) {
      if (!isMemoryLeaf(v)) free.add(v);
    } else if (v.args.every((a) => free.has(a))) free.add(v);
    else if (v.args.every((a) => free.has(a) || again.has(a))) again.add(v);
  }
  return again;
}
