import type { Value } from "../ir/value.ts";
import { bytesOf } from "../memory/place.ts";
import { isNarrowing } from "../precision.ts";
import { maskOf } from "../schedule/attend.ts";
import { isAnchor, isAttention, isContraction, isFreeLeaf, isMemoryLeaf, isView } from "./kinds.ts";
import { heavyOps, profit } from "./profit.ts";

// Which values are stored before kernels are merged. Every value is given the kernels that need it, from the results backwards: with one it is
// computed there, with several it is computed again if that is cheap, else stored.

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every value that can be stored, where nothing is to be fused. */
export function everything(order: readonly Value[], results: ReadonlySet<Value>, maxBytes: number): Set<Value> {
  return new Set(order.filter((v) => results.has(v) || isAnchor(v) || (!isMemoryLeaf(v) && !isFreeLeaf(v) && bytesOf(v) <= maxBytes)));
}

/** The values to be stored before any merging. */
export function findRoots(
  order: readonly Value[],
  users: ReadonlyMap<Value, readonly Value[]>,
  results: ReadonlySet<Value>,
  forced: ReadonlySet<Value>,
  maxBytes: number,
): Set<Value> {
  const cost = computeCost(order);
  const kept = keptForAgain(order);
  const roots = new Set<Value>();
  // The root in whose kernel a value is computed; null if it is computed in several. How many there are makes no difference then.
  const consumer = new Map<Value, Value | null>();
  const feeds = new Map<Value, "contraction" | "scatter" | "gather">(); // through views only
  const masksOf = new Set<Value>();
  for (let i = order.length - 1; i >= 0; i--) {
    const v = order[i]!;
    let into: Value | null | undefined;
    let repeated = false;
    let masks = false; // added to the scores of an attention
    for (const u of users.get(v)!) {
      const of = roots.has(u) ? u : consumer.get(u);
      if (of !== undefined) into = into === undefined || into === of ? of : null;
      if (isContraction(u)) feeds.set(v, "contraction");
      else if (isAttention(u)) {
        // A mask is needed once per score, in the kernel that has the score; everything else is read again and again.
        if (v === maskOf(u)) masks = true;
        if (v !== maskOf(u) || u.args.indexOf(v) < u.args.length - 1) feeds.set(v, "contraction");
      } else if (u.op === "scatterAdd") feeds.set(v, "scatter");
      else if (u.op === "gather" && u.args[0] === v && !feeds.has(v)) feeds.set(v, "gather");
      else if (isView(u) && !roots.has(u) && feeds.has(u)) feeds.set(v, feeds.get(u)!);
      if (masksOf.has(u) && !roots.has(u)) masks = true;
      if (u.op === "broadcast" && count(u.shape) >= profit.broadcastFactor * count(v.shape)) repeated = true;
    }
    if (into !== undefined) consumer.set(v, into);
    if (masks) masksOf.add(v);
    if (results.has(v) || forced.has(v) || isAnchor(v) || isNarrowing(v)) {
      roots.add(v);
      continue;
    }
    if (isMemoryLeaf(v) || isFreeLeaf(v) || isView(v) || bytesOf(v) > maxBytes) continue;
    if (kept.has(v)) {
      roots.add(v);
      continue;
    }
    const { operations, reads } = cost.get(v)!;
    const cheap = operations <= profit.cloneOperations && reads <= profit.cloneReads;
    // A mask made of places alone costs less than the memory it would be read from.
    if (masks && reads === 0 && operations <= profit.maskOperations) continue;
    if (feeds.has(v) || isScaledReduction(v, users)) roots.add(v);
    else if (into === null && !cheap) roots.add(v);
    else if (repeated && (reads > 1 || operations >= profit.heavyOperation)) roots.add(v);
  }
  return roots;
}

/** A mean and its like: a reduction that is needed only times a number. The number belongs to the kernel that reduces, not to all readers. */
function isScaledReduction(v: Value, users: ReadonlyMap<Value, readonly Value[]>): boolean {
  if (v.op !== "mul") return false;
  const [x, factor] = v.args as [Value, Value];
  const isNumber = factor.op === "const" || (factor.op === "broadcast" && factor.args[0]!.op === "const");
  return isNumber && x.op === "sum" && users.get(x)!.every((u) => u === v);
}

/** What is computed a second time starts from: it stays in memory. */
function keptForAgain(order: readonly Value[]): Set<Value> {
  const kept = new Set<Value>();
  for (const v of order) {
    if (v.op !== "again") continue;
    let from = v.args[0]!;
    while (isView(from)) from = from.args[0]!;
    kept.add(from);
  }
  return kept;
}

/** Operations and tensors read to compute a value from stored ones, taking anchors as stored. */
function computeCost(order: readonly Value[]): Map<Value, { operations: number; reads: number }> {
  const cost = new Map<Value, { operations: number; reads: number }>();
  const sources = new Map<Value, ReadonlySet<Value>>();
  const limit = 12;
  for (const v of order) {
    if (isMemoryLeaf(v)) {
      cost.set(v, { operations: 0, reads: 1 });
      sources.set(v, new Set([v]));
      continue;
    }
    let operations = isView(v) || isFreeLeaf(v) ? 0 : heavyOps.has(v.op) ? profit.heavyOperation : 1;
    const stops = (a: Value): boolean => isAnchor(a) || isNarrowing(a);
    for (const a of v.args) if (!stops(a)) operations += cost.get(a)!.operations;
    // What has one argument that is computed with it reads what that reads.
    const [only] = v.args;
    let from = v.args.length === 1 && !stops(only!) ? sources.get(only!)! : null;
    if (from === null) {
      const several = new Set<Value>();
      for (const a of v.args) {
        if (stops(a)) several.add(a);
        else for (const s of sources.get(a)!) if (several.size < limit) several.add(s);
      }
      from = several;
    }
    cost.set(v, { operations: Math.min(operations, 1000), reads: from.size });
    sources.set(v, from);
  }
  return cost;
}
