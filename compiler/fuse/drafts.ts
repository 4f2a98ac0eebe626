import type { Value } from "../ir/value.ts";
import { bytesOf } from "../memory/place.ts";
import type { Cluster, ClusterOptions, Clusters } from "./cluster.ts";
import { isAnchor, isAttention, isContraction, isFreeLeaf, isMemoryLeaf, isReduction } from "./kinds.ts";
import type { Inlined } from "./legal.ts";
import type { Template } from "./region.ts";

// Drafts of kernels while they are joined: what each reads, who reads it, its depth, and whether it has room for its buffers. They begin as one
// for each root. Whether two belong together is for others to say (merger.ts).

export interface Draft {
  anchors: Value[];
  members: Value[]; // roots made here, whether stored in the end or not
  last: number; // place of its last member in the program
  level: number; // above that of every kernel that it reads from
}

export type DraftLimits = Pick<ClusterOptions, "maxBuffers" | "maxBytes">;

/** All drafts of a graph. */
export class Drafts {
  readonly #position: Map<Value, number>;
  readonly #roots: ReadonlySet<Value>;
  readonly #results: ReadonlySet<Value>;
  readonly #limit: number;
  readonly #maxBytes: number;
  readonly #draftOf = new Map<Value, Draft>();
  readonly #readsOf = new Map<Draft, Set<Value>>();
  readonly #readers = new Map<Value, Set<Draft>>();
  readonly #all = new Set<Draft>();

  constructor(order: readonly Value[], roots: ReadonlySet<Value>, results: ReadonlySet<Value>, limits: DraftLimits) {
    this.#position = new Map(order.map((v, i) => [v, i]));
    this.#roots = roots;
    this.#results = results;
    this.#limit = limits.maxBuffers;
    this.#maxBytes = limits.maxBytes;
    for (const [place, v] of order.entries()) {
      if (!roots.has(v)) continue;
      const draft: Draft = { anchors: isAnchor(v) ? [v] : [], members: [v], last: place, level: place };
      this.#all.add(draft);
      this.#draftOf.set(v, draft);
      for (const r of this.reads(draft)) this.readersOf(r).add(draft);
    }
  }

  /** Those that there are, in no order, or in that of the program. */
  get all(): ReadonlySet<Draft> {
    return this.#all;
  }
  inOrder(): Draft[] {
    return [...this.#all].sort((a, b) => a.last - b.last);
  }
  isResult(v: Value): boolean {
    return this.#results.has(v);
  }
  /** What kernels with these members compute themselves. */
  inlined(...drafts: readonly Draft[]): Inlined {
    return (v) => {
      if (this.#roots.has(v)) return drafts.includes(this.#draftOf.get(v)!);
      return !isMemoryLeaf(v);
    };
  }
  /** Stored values and memory leaves that a kernel reads. */
  reads(d: Draft): Set<Value> {
    let reads = this.#readsOf.get(d);
    if (!reads) {
      reads = this.#readsBy(d.members);
      this.#readsOf.set(d, reads);
    }
    return reads;
  }
  /** Stored values and memory leaves that a kernel with these members reads. `apart`: further values that are stored. */
  #readsBy(members: readonly Value[], apart?: ReadonlySet<Value>): Set<Value> {
    const own = new Set(members);
    const reads = new Set<Value>();
    const seen = new Set<Value>();
    const stack: Value[] = [...members];
    while (stack.length > 0) {
      const v = stack.pop()!;
      if (seen.has(v)) continue;
      seen.add(v);
      if ((isMemoryLeaf(v) && !own.has(v)) || ((this.#roots.has(v) || apart?.has(v)) && !own.has(v))) {
        reads.add(v);
        continue;
      }
      // A result that is a leaf is copied: it reads itself.
      if (own.has(v) && isMemoryLeaf(v)) reads.add(v);
      stack.push(...v.args);
    }
    return reads;
  }
  /** The kernels that read a value. */
  readersOf(v: Value): Set<Draft> {
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
      for (const d of this.readersOf(m)) if (!own.includes(d)) return true;
      return false;
    };
    return members.filter((m) => this.#results.has(m) || needed(m));
  }
  /** The kernels that make what a kernel reads. */
  producers(d: Draft): Set<Draft> {
    const producers = new Set<Draft>();
    for (const r of this.reads(d)) {
      const from = this.#draftOf.get(r);
      if (from && from !== d) producers.add(from);
    }
    return producers;
  }
  /** Whether some third kernel must run between these two, so that joining them would make a circle. */
  isBetween(producer: Draft, reader: Draft): boolean {
    const seen = new Set<Draft>([reader, producer]);
    const stack = [...this.producers(reader)];
    while (stack.length > 0) {
      const d = stack.pop()!;
      // Needing goes up in levels. (Places in the program do not tell: joined kernels have early and late members.)
      if (seen.has(d) || d.level <= producer.level) continue;
      seen.add(d);
      for (const p of this.producers(d)) {
        if (p === producer) return true;
        stack.push(p);
      }
    }
    return false;
  }
  /** Longest way from the leaves, for every kernel. */
  depths(): Map<Draft, number> {
    const depth = new Map<Draft, number>();
    const visit = (d: Draft): number => {
      const known = depth.get(d);
      if (known !== undefined) return known;
      let n = 0;
      for (const p of this.producers(d)) n = Math.max(n, visit(p) + 1);
      depth.set(d, n);
      return n;
    };
    for (const d of this.inOrder()) visit(d);
    return depth;
  }

  /** Values to store so that every kernel stays within the buffer limit. */
  tooManyBuffers(): Value[] {
    const force = new Set<Value>();
    for (const d of this.#all) {
      if (this.reads(d).size + 1 <= this.#limit) continue;
      // One after the other, until the rest fits: a long sum is cut in many places.
      const apart = new Set<Value>();
      do {
        const cut = this.#largestPart(d, apart);
        if (!cut) throw new Error(`internal: fuse: %${d.members[0]!.id} reads more buffers than a kernel may have`);
        apart.add(cut);
        force.add(cut);
      } while (this.#readsBy(d.members, apart).size + 1 > this.#limit);
    }
    return [...force];
  }
  /** Of the values computed inside a kernel, the one that reads most, but few enough to be a kernel of its own. */
  #largestPart(d: Draft, apart: ReadonlySet<Value>): Value | null {
    let best: Value | null = null;
    let most = 1;
    const seen = new Set<Value>();
    const visit = (v: Value): void => {
      if (seen.has(v)) return;
      seen.add(v);
      for (const a of v.args) {
        if (this.#roots.has(a) || apart.has(a) || isMemoryLeaf(a) || isFreeLeaf(a)) continue;
        const n = this.#readsBy([a], apart).size;
        if (n > most && n + 1 <= this.#limit && bytesOf(a) <= this.#maxBytes) {
          best = a;
          most = n;
        } else if (n + 1 > this.#limit || most === 1 || bytesOf(a) > this.#maxBytes) visit(a);
      }
    };
    visit(d.members[0]!);
    return best;
  }

  /** Makes `other` part of `into`. */
  join(into: Draft, other: Draft): void {
    for (const d of [into, other]) for (const r of this.reads(d)) this.readersOf(r).delete(d);
    this.#readsOf.delete(into);
    this.#readsOf.delete(other);
    const inOrder = (a: Value, b: Value): number => this.#position.get(a)! - this.#position.get(b)!;
    into.members = [...into.members, ...other.members].sort(inOrder);
    into.anchors = [...into.anchors, ...other.anchors].sort(inOrder);
    into.last = Math.max(into.last, other.last);
    // As low as it may be: then hardly anything that reads it has to rise.
    into.level = Math.min(into.level, other.level);
    for (const m of other.members) this.#draftOf.set(m, into);
    this.#all.delete(other);
    for (const r of this.reads(into)) this.readersOf(r).add(into);
    for (const p of this.producers(into)) into.level = Math.max(into.level, p.level + 1);
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
  /** Whether two kernels in one have room for their buffers. */
  fits(a: Draft, b: Draft): boolean {
    const members = [...a.members, ...b.members];
    return this.#readsBy(members).size + this.#outputs(members, [a, b]).length <= this.#limit;
  }

  /** The kernels that there are now. */
  finish(): Clusters {
    const clusters = this.#inUse().map(
      (d): Cluster => ({
        template: templateOf(d),
        anchors: d.anchors,
        outputs: this.#outputs(d.members, [d]),
        reads: [...this.reads(d)].sort((a, b) => this.#position.get(a)! - this.#position.get(b)!),
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
      for (const f of [...this.producers(d)].sort((a, b) => a.last - b.last)) visit(f);
      result.push(d);
    };
    for (const d of this.inOrder()) visit(d);
    return result;
  }
}

function templateOf(d: Draft): Template {
  const anchor = d.anchors[0];
  if (!anchor) return "map";
  if (isAttention(anchor)) return "attend";
  return isContraction(anchor) ? "contract" : isReduction(anchor) ? "reduce" : "index";
}
