import { rowOf } from "../ir/ops.ts";
import type { Graph, Value } from "../ir/value.ts";
import { graphValues, usersOf } from "../ir/walk.ts";
import { bytesOf } from "../memory/place.ts";
import type { AdapterClass } from "../plan/plan.ts";
import { isNarrowing, isWidening } from "../precision.ts";
import { type AttendValue, maskOf } from "../schedule/attend.ts";
import { placeInNest, type ReduceValue, reducedAxes } from "../schedule/reduce.ts";
import { dependsOn, type Inlined, isEpilogue, isInRow, isPointwise, isReductionInRow, sameSpace } from "./legal.ts";
import { heavyOps, parallelism, profit } from "./profit.ts";
import type { Template } from "./region.ts";

// Fusion: which values exist in memory (roots) and which kernel makes them. First every value is given the kernels that need it, from the
// results backwards: with one it is computed there, with several it is computed again if that is cheap, else stored. Then kernels are
// merged: epilogues into contractions and reductions, chains over one row, maps that read each other point by point, siblings that read the
// same. Merging needs a proof of legality and room for its buffers; no merge may make a circle: nothing may have to run between the two.

export interface Cluster {
  readonly template: Template;
  readonly anchors: readonly Value[];
  readonly outputs: readonly Value[]; // to be stored
  readonly reads: readonly Value[]; // stored elsewhere, or leaves in memory
}
export interface Clusters {
  readonly clusters: readonly Cluster[]; // producers before readers
  readonly stored: ReadonlySet<Value>;
}
export interface ClusterOptions {
  readonly fuse: boolean;
  readonly maxBuffers: number;
  readonly adapterClass: AdapterClass;
  /** What one binding holds. A larger value that can be computed where it is read is never stored. */
  readonly maxBytes: number;
}

/** Leaves that lie in memory: everything the host or another leg provides. */
export function isMemoryLeaf(v: Value): boolean {
  return v.op === "table" || (v.op === "input" && v.attrs.role !== "uniform");
}
/** Leaves that a kernel makes up itself. */
function isFreeLeaf(v: Value): boolean {
  return v.op === "const" || v.op === "iota" || (v.op === "input" && v.attrs.role === "uniform");
}
const isContraction = (v: Value): boolean => v.op === "dot" || v.op === "conv";
const isReduction = (v: Value): boolean => v.op === "sum" || v.op === "reduceMax" || v.op === "argmax";
const isAttention = (v: Value): v is AttendValue => v.op === "attend" || v.op === "attendGrad";
/** Values that a kernel of their own makes and stores: contractions, reductions, attention, scatters. */
export const isAnchor = (v: Value): boolean => isContraction(v) || isReduction(v) || isAttention(v) || v.op === "scatterAdd";
// Reading a stored f16 value as f32 costs no more than reading it.
const isView = (v: Value): boolean => rowOf(v.op).class === "movement" || rowOf(v.op).class === "marker" || isWidening(v);
const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

interface Draft {
  anchors: Value[];
  members: Value[]; // roots made here, whether stored in the end or not
  last: number; // place of its last member in the program
  level: number; // above that of every kernel that it reads from
}

export function cluster(graph: Graph, options: ClusterOptions): Clusters {
  const order = graphValues(graph);
  const users = usersOf(order);
  const results = new Set(graph.results.map((r) => r.value));
  let forced = new Set<Value>();
  for (;;) {
    const roots = options.fuse ? findRoots(order, users, results, forced, options.maxBytes) : everything(order, results, options.maxBytes);
    const state = new Merger(order, roots, results, options.maxBuffers, options.maxBytes, parallelism[options.adapterClass].fewRows);
    const crowded = state.tooManyBuffers();
    if (crowded.length > 0) {
      const before = forced.size;
      forced = new Set([...forced, ...crowded]);
      if (forced.size === before) throw new Error("internal: fuse: a kernel cannot be made small enough for the device's buffer limit");
      continue;
    }
    if (options.fuse) state.merge();
    return state.finish();
  }
}

function everything(order: readonly Value[], results: ReadonlySet<Value>, maxBytes: number): Set<Value> {
  return new Set(order.filter((v) => results.has(v) || isAnchor(v) || (!isMemoryLeaf(v) && !isFreeLeaf(v) && bytesOf(v) <= maxBytes)));
}

/** The values to be stored before any merging. */
function findRoots(
  order: readonly Value[],
  users: ReadonlyMap<Value, readonly Value[]>,
  results: ReadonlySet<Value>,
  forced: ReadonlySet<Value>,
  maxBytes: number,
): Set<Value> {
  const cost = computeCost(order);
  const kept = keptForAgain(order);
  const roots = new Set<Value>();
  const consumers = new Map<Value, Set<Value>>(); // roots in whose kernels a value is computed
  const feeds = new Map<Value, "contraction" | "scatter" | "gather">(); // through views only
  const masksOf = new Set<Value>();
  for (let i = order.length - 1; i >= 0; i--) {
    const v = order[i]!;
    const into = new Set<Value>();
    let repeated = false;
    let masks = false; // added to the scores of an attention
    for (const u of users.get(v)!) {
      if (roots.has(u)) into.add(u);
      else for (const r of consumers.get(u) ?? []) into.add(r);
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
    consumers.set(v, into);
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
    else if (into.size > 1 && !cheap) roots.add(v);
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
    const from = new Set<Value>();
    let operations = isView(v) || isFreeLeaf(v) ? 0 : heavyOps.has(v.op) ? profit.heavyOperation : 1;
    for (const a of v.args) {
      if (isAnchor(a) || isNarrowing(a)) from.add(a);
      else {
        operations += cost.get(a)!.operations;
        for (const s of sources.get(a)!) if (from.size < limit) from.add(s);
      }
    }
    cost.set(v, { operations: Math.min(operations, 1000), reads: from.size });
    sources.set(v, from);
  }
  return cost;
}

/** Drafts of kernels, with what each reads, who reads it and its depth kept up to date while they are joined. */
class Merger {
  readonly #position: Map<Value, number>;
  readonly #roots: ReadonlySet<Value>;
  readonly #results: ReadonlySet<Value>;
  readonly #limit: number;
  readonly #second = new Set<Value>(); // what is computed from values `again`
  readonly #fewRows: number;
  readonly #maxBytes: number;
  readonly #draftOf = new Map<Value, Draft>();
  readonly #readsOf = new Map<Draft, Set<Value>>();
  readonly #readers = new Map<Value, Set<Draft>>();
  readonly #drafts = new Set<Draft>();
  readonly #refused = new Map<Draft, Map<Draft, readonly Value[]>>(); // reader, producer, its members then

  constructor(
    order: readonly Value[],
    roots: ReadonlySet<Value>,
    results: ReadonlySet<Value>,
    limit: number,
    maxBytes: number,
    fewRows: number,
  ) {
    this.#maxBytes = maxBytes;
    this.#position = new Map(order.map((v, i) => [v, i]));
    for (const v of order) if (v.op === "again" || v.args.some((a) => this.#second.has(a))) this.#second.add(v);
    this.#roots = roots;
    this.#results = results;
    this.#limit = limit;
    this.#fewRows = fewRows;
    for (const [place, v] of order.entries()) {
      if (!roots.has(v)) continue;
      const draft: Draft = { anchors: isAnchor(v) ? [v] : [], members: [v], last: place, level: place };
      this.#drafts.add(draft);
      this.#draftOf.set(v, draft);
      for (const r of this.#draftReads(draft)) this.#readersOf(r).add(draft);
    }
  }

  #inlined(...drafts: readonly Draft[]): Inlined {
    return (v) => {
      if (this.#roots.has(v)) return drafts.includes(this.#draftOf.get(v)!);
      return !isMemoryLeaf(v);
    };
  }
  #draftReads(d: Draft): Set<Value> {
    let reads = this.#readsOf.get(d);
    if (!reads) {
      reads = this.#reads(d.members);
      this.#readsOf.set(d, reads);
    }
    return reads;
  }
  /** Stored values and memory leaves that a kernel with these members reads. */
  #reads(members: readonly Value[]): Set<Value> {
    const own = new Set(members);
    const reads = new Set<Value>();
    const seen = new Set<Value>();
    const stack: Value[] = [...members];
    while (stack.length > 0) {
      const v = stack.pop()!;
      if (seen.has(v)) continue;
      seen.add(v);
      if ((isMemoryLeaf(v) && !own.has(v)) || (this.#roots.has(v) && !own.has(v))) {
        reads.add(v);
        continue;
      }
      // A result that is a leaf is copied: it reads itself.
      if (own.has(v) && isMemoryLeaf(v)) reads.add(v);
      stack.push(...v.args);
    }
    return reads;
  }
  #readersOf(v: Value): Set<Draft> {
    let readers = this.#readers.get(v);
    if (!readers) {
      readers = new Set();
      this.#readers.set(v, readers);
    }
    return readers;
  }
  /** The member values that somebody other than these kernels needs. */
  #outputs(members: readonly Value[], own: readonly Draft[]): Value[] {
    const needed = (m: Value): boolean => {
      for (const d of this.#readersOf(m)) if (!own.includes(d)) return true;
      return false;
    };
    return members.filter((m) => this.#results.has(m) || needed(m));
  }
  /** The kernels that make what a kernel reads. */
  #producers(d: Draft): Set<Draft> {
    const producers = new Set<Draft>();
    for (const r of this.#draftReads(d)) {
      const from = this.#draftOf.get(r);
      if (from && from !== d) producers.add(from);
    }
    return producers;
  }
  /** Whether some third kernel must run between these two, so that joining them would make a circle. */
  #isBetween(producer: Draft, reader: Draft): boolean {
    const seen = new Set<Draft>([reader, producer]);
    const stack = [...this.#producers(reader)];
    while (stack.length > 0) {
      const d = stack.pop()!;
      // Needing goes up in levels. (Places in the program do not tell: joined kernels have early and late members.)
      if (seen.has(d) || d.level <= producer.level) continue;
      seen.add(d);
      for (const p of this.#producers(d)) {
        if (p === producer) return true;
        stack.push(p);
      }
    }
    return false;
  }
  /** Longest way from the leaves, for every kernel. */
  #depths(): Map<Draft, number> {
    const depth = new Map<Draft, number>();
    const visit = (d: Draft): number => {
      const known = depth.get(d);
      if (known !== undefined) return known;
      let n = 0;
      for (const p of this.#producers(d)) n = Math.max(n, visit(p) + 1);
      depth.set(d, n);
      return n;
    };
    for (const d of [...this.#drafts].sort((a, b) => a.last - b.last)) visit(d);
    return depth;
  }

  /** Values to store so that every kernel stays within the buffer limit. */
  tooManyBuffers(): Value[] {
    const force: Value[] = [];
    for (const d of this.#drafts) {
      if (this.#draftReads(d).size + 1 <= this.#limit) continue;
      // Of the values computed inside, the one that reads most, but few enough to be a kernel of its own.
      let best: Value | null = null;
      let most = 1;
      const seen = new Set<Value>();
      const visit = (v: Value): void => {
        if (seen.has(v)) return;
        seen.add(v);
        for (const a of v.args) {
          if (this.#roots.has(a) || isMemoryLeaf(a) || isFreeLeaf(a)) continue;
          const n = this.#reads([a]).size;
          if (n > most && n + 1 <= this.#limit && bytesOf(a) <= this.#maxBytes) {
            best = a;
            most = n;
          } else if (n + 1 > this.#limit || most === 1 || bytesOf(a) > this.#maxBytes) visit(a);
        }
      };
      visit(d.members[0]!);
      if (best) force.push(best);
      else throw new Error(`internal: fuse: %${d.members[0]!.id} reads more buffers than a kernel may have`);
    }
    return force;
  }

  merge(): void {
    for (let round = 0; round < 12; round++) {
      const vertical = this.#mergeNeighbours();
      const siblings = this.#mergeSiblings();
      if (!vertical && !siblings) return;
    }
  }

  #join(into: Draft, other: Draft): void {
    for (const d of [into, other]) for (const r of this.#draftReads(d)) this.#readersOf(r).delete(d);
    this.#readsOf.delete(into);
    this.#readsOf.delete(other);
    this.#refused.delete(into);
    const inOrder = (a: Value, b: Value): number => this.#position.get(a)! - this.#position.get(b)!;
    into.members = [...into.members, ...other.members].sort(inOrder);
    into.anchors = [...into.anchors, ...other.anchors].sort(inOrder);
    into.last = Math.max(into.last, other.last);
    // As low as it may be: then hardly anything that reads it has to rise.
    into.level = Math.min(into.level, other.level);
    for (const m of other.members) this.#draftOf.set(m, into);
    this.#drafts.delete(other);
    for (const r of this.#draftReads(into)) this.#readersOf(r).add(into);
    for (const p of this.#producers(into)) into.level = Math.max(into.level, p.level + 1);
    this.#lift(into);
  }
  /** Raises the levels of what reads a kernel above its own. */
  #lift(from: Draft): void {
    const pending = new Set([from]);
    for (const d of pending) {
      pending.delete(d);
      for (const m of d.members) {
        const readers = this.#readers.get(m);
        if (!readers) continue;
        for (const reader of readers) {
          if (reader === d || reader.level > d.level) continue;
          reader.level = d.level + 1;
          pending.add(reader);
        }
      }
    }
  }
  #fits(a: Draft, b: Draft): boolean {
    const members = [...a.members, ...b.members];
    return this.#reads(members).size + this.#outputs(members, [a, b]).length <= this.#limit;
  }

  #mergeNeighbours(): boolean {
    let changed = false;
    for (const reader of [...this.#drafts].sort((a, b) => a.last - b.last)) {
      if (!this.#drafts.has(reader)) continue;
      for (let again = true; again; ) {
        again = false;
        for (const producer of [...this.#producers(reader)].sort((a, b) => b.last - a.last)) {
          if (this.#wasRefused(producer, reader)) continue;
          if (!this.#fits(producer, reader) || this.#isBetween(producer, reader) || !this.#mayFollow(producer, reader)) {
            this.#refuse(producer, reader);
            continue;
          }
          this.#join(reader, producer);
          changed = true;
          again = true;
          break;
        }
      }
    }
    return changed;
  }

  /** What was refused stays refused until one of the two has become another kernel. */
  #wasRefused(producer: Draft, reader: Draft): boolean {
    return this.#refused.get(reader)?.get(producer) === producer.members;
  }
  #refuse(producer: Draft, reader: Draft): void {
    let of = this.#refused.get(reader);
    if (!of) {
      of = new Map();
      this.#refused.set(reader, of);
    }
    of.set(producer, producer.members);
  }

  /** Whether the reader's kernel may be the end of the producer's. */
  #mayFollow(producer: Draft, reader: Draft): boolean {
    if (this.#isSecond(producer) !== this.#isSecond(reader)) return false;
    const inlined = this.#inlined(producer, reader);
    const first = producer.anchors[0];
    // What the host sees as f16 is written by a map, which writes whole words whatever the shape.
    if (first !== undefined && reader.members.some((m) => m.dtype === "f16" && this.#results.has(m))) return false;
    const second = reader.anchors[0];
    if (first === undefined) {
      if (second !== undefined) return false;
      return reader.members.every((m) => producer.members.every((p) => isPointwise(m, p, inlined)));
    }
    if (first.op === "scatterAdd") return false;
    if (isContraction(first)) {
      if (second !== undefined) return false;
      // A result that others read too stays stored; then the map gains nothing unless it is small.
      const alone = [...this.#readersOf(first)].every((d) => d === reader) && !this.#results.has(first);
      return alone && reader.members.every((m) => isEpilogue(m, first, inlined));
    }
    if (isAttention(first)) {
      if (second !== undefined) return false;
      const parts = producer.anchors;
      const follows = (m: Value, part: Value): boolean =>
        [...this.#readersOf(part)].every((d) => d === reader) &&
        !this.#results.has(part) &&
        isEpilogue(m, part, inlined) &&
        parts.every((other) => other === part || !dependsOn(m, other, inlined));
      return reader.members.every((m) => parts.some((part) => follows(m, part)));
    }
    const anchors = producer.anchors as ReduceValue[];
    // A result of the loop nest that is read on the way is there already; where it is read is asked for each by itself.
    const between: Inlined = (v) => inlined(v) && !producer.anchors.includes(v) && !reader.anchors.includes(v);
    const space = anchors[0]!.args[0]!.shape;
    const inner = reducedAxes(anchors[0]!).reduce((n, a) => n * space[a]!, 1);
    const rows = count(space) / inner;
    const wide = (v: Value): boolean => placeInNest(v.shape, anchors[0]!) === "element";
    const parallel = rows >= this.#fewRows || inner <= profit.shortRow;
    if (second === undefined) {
      if (reader.members.some(wide) && !parallel) return false;
      return reader.members.every((m) => anchors.every((a) => isInRow(m, a, between)));
    }
    if (!isReduction(second) || !parallel) return false;
    const later = reader.anchors as ReduceValue[];
    return (
      later.every((l) => anchors.every((a) => isReductionInRow(l, a, between))) &&
      reader.members.every((m) => later.includes(m as ReduceValue) || anchors.every((a) => isInRow(m, a, between)))
    );
  }

  /** Kernels of one depth that run over the same elements and read something in common become one. */
  #mergeSiblings(): boolean {
    let changed = false;
    // Neither of two kernels of one depth needs the other; joining them moves no other kernel of that depth.
    const depth = this.#depths();
    const groups = new Map<string, Draft[]>();
    for (const d of this.#drafts) {
      const key = this.#siblingKey(d);
      if (!key) continue;
      const whole = `${depth.get(d)} ${this.#isSecond(d)} ${key}`;
      if (!groups.has(whole)) groups.set(whole, []);
      groups.get(whole)!.push(d);
    }
    for (const group of groups.values()) {
      for (let i = 0; i < group.length; i++) {
        const a = group[i]!;
        if (!this.#drafts.has(a)) continue;
        for (const b of group.slice(i + 1)) {
          if (!this.#drafts.has(b) || !this.#haveInCommon(a, b) || !this.#fits(a, b)) continue;
          this.#join(a, b);
          changed = true;
        }
      }
    }
    return this.#mergeFewResults() || changed;
  }
  /** Long sums with few results share a kernel at any depth if neither needs the other: nothing is shared but the dispatch. */
  #mergeFewResults(): boolean {
    let changed = false;
    const few = (d: Draft): boolean =>
      d.anchors.length > 0 && d.anchors.every((r) => isReduction(r) && count(r.shape) * profit.fewResults <= count(r.args[0]!.shape));
    const groups = new Map<string, Draft[]>();
    for (const d of this.#drafts) {
      const key = few(d) ? this.#siblingKey(d) : null;
      if (key) groups.set(key, [...(groups.get(key) ?? []), d]);
    }
    for (const group of groups.values()) {
      let [into] = group as [Draft];
      for (const d of group.slice(1)) {
        const [early, late] = d.level < into.level ? [d, into] : [into, d];
        if (this.#producers(late).has(early) || this.#isBetween(early, late) || !this.#fits(into, d)) into = d;
        else {
          this.#join(into, d);
          changed = true;
        }
      }
    }
    return changed;
  }
  /** Whether a kernel belongs to the second half of a plan, in which values are computed again: halves are never joined. */
  #isSecond(d: Draft): boolean {
    return this.#second.has(d.members[0]!);
  }
  #siblingKey(d: Draft): string | null {
    if (d.anchors.length === 0) return `map ${d.members[0]!.shape.join()}`;
    const [first] = d.anchors;
    if (first && isAttention(first)) {
      // Parts of one attention: out with its sums, the gradient of keys with that of values.
      const kind = first.op === "attend" ? "forward" : first.attrs.part === "q" ? "queries" : "keys";
      return `attend ${kind} ${first.args.map((a) => a.id).join()}`;
    }
    if (d.anchors.every((a) => a.op === "sum" || a.op === "reduceMax")) {
      const anchors = d.anchors as ReduceValue[];
      if (!anchors.every((a) => sameSpace(a, anchors[0]!))) return null;
      return `reduce ${anchors[0]!.args[0]!.shape.join()} ${[...reducedAxes(anchors[0]!)].sort().join()}`;
    }
    return null;
  }
  #haveInCommon(a: Draft, b: Draft): boolean {
    const reads = this.#draftReads(a);
    const size = Math.max(...a.members.map((m) => count(m.shape)), ...a.anchors.map((m) => count(m.args[0]!.shape)));
    return [...this.#draftReads(b)].some((r) => reads.has(r) && count(r.shape) * 2 >= size) || size <= 256;
  }

  finish(): Clusters {
    const clusters = this.#inUse().map(
      (d): Cluster => ({
        template: templateOf(d),
        anchors: d.anchors,
        outputs: this.#outputs(d.members, [d]),
        reads: [...this.#draftReads(d)].sort((a, b) => this.#position.get(a)! - this.#position.get(b)!),
      }),
    );
    return { clusters: clusters.filter((c) => c.outputs.length > 0), stored: new Set(clusters.flatMap((c) => c.outputs)) };
  }
  /** Producers before readers, and otherwise in the order of the program, so that values die young. */
  #inUse(): Draft[] {
    const done = new Set<Draft>();
    const result: Draft[] = [];
    const visit = (d: Draft): void => {
      if (done.has(d)) return;
      done.add(d);
      for (const f of [...this.#producers(d)].sort((a, b) => a.last - b.last)) visit(f);
      result.push(d);
    };
    for (const d of [...this.#drafts].sort((a, b) => a.last - b.last)) visit(d);
    return result;
  }
}

function templateOf(d: Draft): Template {
  const anchor = d.anchors[0];
  if (!anchor) return "map";
  if (isAttention(anchor)) return "attend";
  return isContraction(anchor) ? "contract" : isReduction(anchor) ? "reduce" : "index";
}
