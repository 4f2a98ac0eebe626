import type { Value } from "../ir/value.ts";
import { placeInNest, type ReduceValue, reducedAxes } from "../schedule/reduce.ts";
import type { Draft, Drafts } from "./drafts.ts";
import { isAttention, isContraction, isReduction } from "./kinds.ts";
import { dependsOn, type Inlined, isEpilogue, isInRow, isPointwise, isReductionInRow, sameSpace } from "./legal.ts";
import { profit } from "./profit.ts";

// Kernels are merged: epilogues into contractions and reductions, chains over one row, maps that read each other point by point, siblings that
// read the same. Merging needs a proof of legality and room for its buffers; no merge may make a circle: nothing may have to run between the two.

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Joins the drafts of a graph as far as it pays. `fewRows`: with fewer rows a kernel has too little to do side by side. */
export class Merger {
  readonly #drafts: Drafts;
  readonly #fewRows: number;
  readonly #second = new Set<Value>(); // what is computed from values `again`
  readonly #refused = new Map<Draft, Map<Draft, readonly Value[]>>(); // reader, producer, its members then

  constructor(order: readonly Value[], drafts: Drafts, fewRows: number) {
    for (const v of order) if (v.op === "again" || v.args.some((a) => this.#second.has(a))) this.#second.add(v);
    this.#drafts = drafts;
    this.#fewRows = fewRows;
  }

  merge(): void {
    for (let round = 0; round < 12; round++) {
      const vertical = this.#mergeNeighbours();
      const siblings = this.#mergeSiblings();
      if (!vertical && !siblings) return;
    }
  }

  #join(into: Draft, other: Draft): void {
    this.#drafts.join(into, other);
    this.#refused.delete(into);
  }

  #mergeNeighbours(): boolean {
    let changed = false;
    for (const reader of this.#drafts.inOrder()) {
      if (!this.#drafts.all.has(reader)) continue;
      for (let again = true; again; ) {
        again = false;
        for (const producer of [...this.#drafts.producers(reader)].sort((a, b) => b.last - a.last)) {
          if (this.#wasRefused(producer, reader)) continue;
          if (!this.#drafts.fits(producer, reader) || this.#drafts.isBetween(producer, reader) || !this.#mayFollow(producer, reader)) {
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
    const inlined = this.#drafts.inlined(producer, reader);
    const first = producer.anchors[0];
    // What the host sees as f16 is written by a map, which writes whole words whatever the shape.
    if (first !== undefined && reader.members.some((m) => m.dtype === "f16" && this.#drafts.isResult(m))) return false;
    const second = reader.anchors[0];
    if (first === undefined) {
      if (second !== undefined) return false;
      return reader.members.every((m) => producer.members.every((p) => isPointwise(m, p, inlined)));
    }
    if (first.op === "scatterAdd") return false;
    if (isContraction(first)) {
      if (second !== undefined) return false;
      // A result that others read too stays stored; then the map gains nothing unless it is small.
      const alone = [...this.#drafts.readersOf(first)].every((d) => d === reader) && !this.#drafts.isResult(first);
      return alone && reader.members.every((m) => isEpilogue(m, first, inlined));
    }
    if (isAttention(first)) {
      if (second !== undefined) return false;
      const parts = producer.anchors;
      const follows = (m: Value, part: Value): boolean =>
        [...this.#drafts.readersOf(part)].every((d) => d === reader) &&
        !this.#drafts.isResult(part) &&
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
    const depth = this.#drafts.depths();
    const groups = new Map<string, Draft[]>();
    for (const d of this.#drafts.all) {
      const key = this.#siblingKey(d);
      if (!key) continue;
      const whole = `${depth.get(d)} ${this.#isSecond(d)} ${key}`;
      if (!groups.has(whole)) groups.set(whole, []);
      groups.get(whole)!.push(d);
    }
    for (const group of groups.values()) {
      for (let i = 0; i < group.length; i++) {
        const a = group[i]!;
        if (!this.#drafts.all.has(a)) continue;
        for (const b of group.slice(i + 1)) {
          if (!this.#drafts.all.has(b) || !this.#haveInCommon(a, b) || !this.#drafts.fits(a, b)) continue;
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
    for (const d of this.#drafts.all) {
      const key = few(d) ? this.#siblingKey(d) : null;
      if (key) groups.set(key, [...(groups.get(key) ?? []), d]);
    }
    for (const group of groups.values()) {
      let [into] = group as [Draft];
      for (const d of group.slice(1)) {
        const [early, late] = d.level < into.level ? [d, into] : [into, d];
        if (this.#drafts.producers(late).has(early) || this.#drafts.isBetween(early, late) || !this.#drafts.fits(into, d)) into = d;
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
    const reads = this.#drafts.reads(a);
    const size = Math.max(...a.members.map((m) => count(m.shape)), ...a.anchors.map((m) => count(m.args[0]!.shape)));
    return [...this.#drafts.reads(b)].some((r) => reads.has(r) && count(r.shape) * 2 >= size) || size <= 256;
  }
}
