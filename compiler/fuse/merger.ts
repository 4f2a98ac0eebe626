import type { Value } from "../ir/value.ts";
import { bytesOf } from "../memory/place.ts";
import { placeInNest, type ReduceValue, reducedAxes } from "../schedule/reduce.ts";
import type { Cluster, Clusters } from "./cluster.ts";
import { isAnchor, isAttention, isContraction, isFreeLeaf, isMemoryLeaf, isReduction } from "./kinds.ts";
import { dependsOn, type Inlined, isEpilogue, isInRow, isPointwise, isReductionInRow, sameSpace } from "./legal.ts";
import { profit } from "./profit.ts";
import type { Template } from "./region.ts";

// Kernels are merged: epilogues into contractions and reductions, chains over one row, maps that read each other point by point, siblings that
// read the same. Merging needs a proof of legality and room for its buffers; no merge may make a circle: nothing may have to run between the two.

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

interface Draft {
  anchors: Value[];
  members: Value[]; // roots made here, whether stored in the end or not
  last: number; // place of its last member in the program
  level: number; // above that of every kernel that it reads from
}

/** Drafts of kernels, with what each reads, who reads it and its depth kept up to date while they are joined. */
export class Merger {
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
  /** Stored values and memory leaves that a kernel with these members reads. `apart`: further values that are stored. */
  #reads(members: readonly Value[], apart?: ReadonlySet<Value>): Set<Value> {
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
    const force = new Set<Value>();
    for (const d of this.#drafts) {
      if (this.#draftReads(d).size + 1 <= this.#limit) continue;
      // One after the other, until the rest fits: a long sum is cut in many places.
      const apart = new Set<Value>();
      do {
        const cut = this.#largestPart(d, apart);
        if (!cut) throw new Error(`internal: fuse: %${d.members[0]!.id} reads more buffers than a kernel may have`);
        apart.add(cut);
        force.add(cut);
      } while (this.#reads(d.members, apart).size + 1 > this.#limit);
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
        const n = this.#reads([a], apart).size;
        if (n > most && n + 1 <= this.#limit && bytesOf(a) <= this.#maxBytes) {
          best = a;
          most = n;
        } else if (n + 1 > this.#limit || most === 1 || bytesOf(a) > this.#maxBytes) visit(a);
      }
    };
    visit(d.members[0]!);
    return best;
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
