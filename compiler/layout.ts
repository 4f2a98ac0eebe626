import type { Cluster, Clusters } from "./fuse/cluster.ts";
import { Content } from "./fuse/content.ts";
import { isMemoryLeaf } from "./fuse/kinds.ts";
import { makeStored, type Region, rowMajor, type Stored } from "./fuse/region.ts";
import { ixVar } from "./index/ix.ts";
import type { Value } from "./ir/value.ts";
import { bytesOf } from "./memory/place.ts";
import { isWidening } from "./precision.ts";
import { mainAccess } from "./schedule/access.ts";
import { type AttendValue, hasVectorRows, streamedOperands } from "./schedule/attend.ts";
import { contractShape } from "./schedule/contractShape.ts";
import type { ContractValue } from "./schedule/gemm.ts";

// Physical axis orders. In: clusters of logical values. Out: regions whose outputs have an order. Feature maps are stored channels-last, so
// that a convolution's channels are contiguous; what the host sees is row-major; an operand whose memory no template can read in vectors
// is repacked once by a small copying region, shared by all that need it so.

export interface Laid {
  readonly regions: readonly Region[];
}

const channelsLast = [0, 2, 3, 1];

/** How many bindings a kernel may have, and how large: a copy of an operand that would be one too many, or too large, is not made. */
export interface LayoutLimits {
  readonly maxBuffers: number;
  readonly maxBytes: number;
}

export function layout(clusters: Clusters, results: ReadonlySet<Value>, limits: LayoutLimits): Laid {
  const maps = featureMaps(clusters);
  const storedAs = new Map<Value, Stored>();
  const memory = (v: Value): Stored | undefined => {
    const known = storedAs.get(v);
    if (known) return known;
    if (!isMemoryLeaf(v)) return undefined;
    const leaf = makeStored(v);
    storedAs.set(v, leaf);
    return leaf;
  };
  for (const c of clusters.clusters) for (const r of c.reads) memory(r);
  for (const c of clusters.clusters) {
    for (const o of c.outputs) storedAs.set(o, makeStored(o, !results.has(o) && maps.has(o) ? channelsLast : rowMajor(o)));
    // The outputs of a map are walked together, so they share an order; what the host sees decides.
    if (c.template === "map" && c.outputs.length > 1) {
      const fixed = c.outputs.some((o) => results.has(o));
      const order = fixed ? rowMajor(c.outputs[0]!) : storedAs.get(c.outputs[0]!)!.order;
      for (const o of c.outputs) storedAs.set(o, makeStored(o, order));
    }
  }

  const regions: Region[] = [];
  const packs = new Map<string, Stored>();
  const decided = new Map<string, readonly Repack[]>(); // equal contractions are looked at once
  let id = 0;
  const pack = (value: Value, order: readonly number[]): Stored => {
    const stored = makeStored(value, order);
    const known = packs.get(stored.id);
    if (known) return known;
    packs.set(stored.id, stored);
    regions.push({ id: id++, template: "map", anchors: [], outputs: [stored], reads: storedBelow(value, storedAs) });
    return stored;
  };
  for (const c of clusters.clusters) {
    const reads = new Map<Value, Stored>();
    if (c.template === "contract") packOperands(c, memory, pack, reads, limits, decided);
    if (c.template === "attend") packStreamed(c, memory, pack, reads, limits);
    // Everything else is read in the form in which it is stored.
    for (const r of c.reads) if (!reads.has(r) && !c.outputs.includes(r)) reads.set(r, storedAs.get(r)!);
    regions.push({ id: id++, template: c.template, anchors: c.anchors, outputs: c.outputs.map((o) => storedAs.get(o)!), reads });
  }
  return { regions };
}

/** What is stored of all that a value is computed from, as far as one has to look. */
function storedBelow(value: Value, storedAs: ReadonlyMap<Value, Stored>): Map<Value, Stored> {
  const reads = new Map<Value, Stored>();
  const seen = new Set<Value>();
  const stack = [value];
  while (stack.length > 0) {
    const v = stack.pop()!;
    if (seen.has(v)) continue;
    seen.add(v);
    const stored = storedAs.get(v);
    if (stored) reads.set(v, stored);
    else stack.push(...v.args);
  }
  return reads;
}

/** Values of rank 4 that convolutions read or make, and the elementwise maps between them. */
function featureMaps(clusters: Clusters): Set<Value> {
  const maps = new Set<Value>();
  const spread = (v: Value, seen: Set<Value>): void => {
    if (seen.has(v) || v.shape.length !== 4) return;
    seen.add(v);
    if (clusters.stored.has(v)) maps.add(v);
    if (v.op === "conv" || isMemoryLeaf(v)) return;
    for (const a of v.args) if (a.shape.length === 4 && a.shape.every((s, i) => s === v.shape[i])) spread(a, seen);
  };
  const through = (v: Value): Value => (v.op === "pad" || v.op === "slice" || v.op === "permute" ? through(v.args[0]!) : v);
  const seen = new Set<Value>();
  for (const c of clusters.clusters) {
    for (const anchor of c.anchors) {
      if (anchor.op !== "conv") continue;
      const weight = anchor.args[1]!;
      spread(through(anchor.args[0]!), seen);
      // The kernel of a weight gradient is a feature map, of any other convolution a weight.
      if (weight.shape[2]! * weight.shape[3]! > 49 || !isMemoryLeaf(through(weight))) spread(through(weight), seen);
    }
    if (c.anchors.some((a) => a.op === "conv")) for (const o of c.outputs) if (o.shape.length === 4) maps.add(o);
  }
  // Elementwise results over feature maps follow them.
  for (let changed = true; changed; ) {
    changed = false;
    for (const c of clusters.clusters) {
      if (c.template === "contract" || c.template === "attend") continue;
      for (const o of c.outputs) {
        if (maps.has(o) || o.shape.length !== 4) continue;
        if (c.reads.some((r) => maps.has(r) && r.shape.every((s, i) => s === o.shape[i]))) {
          maps.add(o);
          changed = true;
        }
      }
    }
  }
  return maps;
}

/** A copy of a contraction's operand (or of what it is widened from) in another order. */
interface Repack {
  readonly operand: 0 | 1;
  readonly narrow: boolean;
  readonly order: readonly number[];
}

function packOperands(
  c: Cluster,
  memory: (v: Value) => Stored | undefined,
  pack: (value: Value, order: readonly number[]) => Stored,
  reads: Map<Value, Stored>,
  { maxBuffers, maxBytes }: LayoutLimits,
  known: Map<string, readonly Repack[]>,
): void {
  const anchor = c.anchors[0] as ContractValue;
  const content = new Content(memory, (s) => s.value.dtype);
  content.compute(anchor);
  const key = `${content.lines.join("\n")}\n${maxBuffers - c.reads.length - c.outputs.length}`;
  const decided = known.get(key);
  if (decided) {
    for (const { operand, narrow, order } of decided) {
      const given = anchor.args[operand]!;
      const value = narrow ? given.args[0]! : given;
      reads.set(value, pack(value, order));
    }
    return;
  }
  const made: Repack[] = [];
  known.set(key, made);
  const storedFor = (v: Value): Stored | undefined => reads.get(v) ?? memory(v);
  const shape = contractShape(anchor, storedFor);
  const { left, right } = shape.gemm;
  const columns = shape.n.reduce((n, a) => n * a.size, 1);
  const repack = (given: Value, order: readonly number[]): void => {
    // Of a widened value the narrow one is copied.
    const operand = isWidening(given) ? given.args[0]! : given;
    if (storedFor(operand)?.id === makeStored(operand, order).id || bytesOf(operand) > maxBytes) return;
    // What the operand is made of may be read beside its copy.
    if (c.reads.length + c.outputs.length + reads.size >= maxBuffers) return;
    // An operand that is not in memory at all is made up where it is needed.
    if (
      !mainAccess(
        operand,
        operand.shape.map((size, axis) => ixVar(`s${axis}`, 0, size - 1)),
        storedFor,
      )
    )
      return;
    made.push({ operand: given === anchor.args[0] ? 0 : 1, narrow: operand !== given, order });
    reads.set(operand, pack(operand, order));
  };
  if (shape.rightAlong === null && columns % 4 === 0) repack(right, orderWithLast(anchor, right, "columns"));
  const again = contractShape(anchor, storedFor);
  if (!again.leftContiguous && again.gemm.left === left) {
    const order = orderWithLast(anchor, left, "contraction");
    const last = left.shape[order[order.length - 1]!]!;
    if (last % 4 === 0 && !(anchor.op === "conv" && anchor.attrs.groups > 1)) repack(left, order);
  }
}
/** Rows that stream through an attention are read again and again: in vectors, if a copy can make it so. */
function packStreamed(
  c: Cluster,
  memory: (v: Value) => Stored | undefined,
  pack: (value: Value, order: readonly number[]) => Stored,
  reads: Map<Value, Stored>,
  { maxBuffers, maxBytes }: LayoutLimits,
): void {
  const storedFor = (v: Value): Stored | undefined => reads.get(v) ?? memory(v);
  for (const operand of new Set(streamedOperands(c.anchors[0] as AttendValue))) {
    if (operand.shape[operand.shape.length - 1]! % 4 !== 0 || hasVectorRows(operand, storedFor) || bytesOf(operand) > maxBytes) continue;
    if (c.reads.length + c.outputs.length + reads.size >= maxBuffers) return;
    reads.set(operand, pack(operand, rowMajor(operand)));
  }
}
/** An order of an operand's axes with its columns, or its contraction, innermost. */
function orderWithLast(anchor: ContractValue, operand: Value, last: "columns" | "contraction"): readonly number[] {
  if (anchor.op === "conv") return last === "columns" ? [2, 3, 1, 0] : [0, 2, 3, 1];
  const isA = operand === anchor.args[0];
  const batch = isA ? anchor.attrs.batchA : anchor.attrs.batchB;
  const contract = isA ? anchor.attrs.contractA : anchor.attrs.contractB;
  const free = operand.shape.map((_, i) => i).filter((i) => !batch.includes(i) && !contract.includes(i));
  return last === "columns" ? [...batch, ...contract, ...free] : [...batch, ...free, ...contract];
}

export function printLaid(laid: Laid): string {
  const lines = laid.regions.map((r) => {
    const outputs = r.outputs.map((o) => `${o.id}: ${o.value.dtype}[${o.value.shape.join(", ")}]`).join(", ");
    const anchors = r.anchors.map((a) => `${a.op} %${a.id}`).join(", ");
    return `region ${r.id} ${r.template}${anchors ? ` (${anchors})` : ""} -> ${outputs}`;
  });
  return `${lines.join("\n")}\n`;
}
