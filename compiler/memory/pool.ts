// Activations live in slots: buffers whose content means nothing between legs, so that all legs of a plan share them. A slot holds several
// tensors at once, each in a range of its own, as long as no operation reads one tensor of a slot and writes another (the API refuses a buffer
// that is bound both ways). In: lifetimes. Out: a place for each. Large tensors that live long choose first; each takes the tightest
// gap that is free for as long as it lives, else the slot that has to grow least; while slots come out too large, those for which they grew
// choose earlier and all is placed again.

/** A tensor's life: operation numbers, both ends included; what is written at one of `writes` and read at one of `reads`. */
export interface Lifetime {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
  readonly reads: readonly number[];
  readonly writes: readonly number[];
}
export interface SlotPlace {
  readonly slot: number;
  readonly offset: number;
}
export interface Assignment {
  readonly places: readonly SlotPlace[];
  /** Bytes of slots that these tensors need. */
  readonly peakBytes: number;
  /** The most that is alive at once: no plan can do with less. */
  readonly liveBytes: number;
}
export interface PoolLimits {
  /** Offsets are multiples of this. */
  readonly alignment: number;
  /** A slot grows to no more than this, unless one tensor needs it. */
  readonly slotBytes: number;
}

interface Placed {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
}
/** A tensor for which a slot had to grow. */
interface Growth {
  readonly tensor: number;
  readonly bytes: number;
}
interface Attempt {
  readonly drafts: readonly Draft[];
  readonly places: readonly SlotPlace[];
  readonly growth: readonly Growth[];
  readonly used: number;
}
/** Peak over the bound at which no better order is looked for, and how many tensors are placed in the search: it must not cost much time. */
const goodEnough = 1.04;
const mostPlacements = 20000;

/** A slot as one leg uses it. */
interface Draft {
  readonly index: number;
  size: number;
  used: number;
  readonly placed: Timetable;
  /** The tensor for which this slot was last found to be bound the other way. */
  refused: number;
}

/**
 * What is placed in a slot, found by time. Each entry stands in a list for every block of 64, 256, … operations that it touches; whoever asks for
 * a span of time gets the list of the smallest block that holds the span, so that a tensor that lives briefly is compared with few others.
 */
class Timetable {
  readonly #all: Placed[] = [];
  #blocks: readonly (readonly [bits: number, lists: Map<number, Placed[]>])[] = []; // only where there are many entries

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }
  add(placed: Placed): void {
    insert(this.#all, placed);
    if (this.#blocks.length > 0) this.#enter(placed);
    else if (this.#all.length > manyEntries) {
      this.#blocks = blockBits.map((bits) => [bits, new Map()]);
      for (const one of this.#all) this.#enter(one);
    }
  }
  #enter(placed: Placed): void {
    for (const [bits, lists] of this.#blocks) {
      for (let block = placed.from >> bits; block <= placed.to >> bits; block++) {
        const list = lists.get(block);
        if (list) insert(list, placed);
        else lists.set(block, [placed]);
      }
    }
  }
  /** All that may be alive together with a tensor, and perhaps more, by start. */
  around({ from, to }: Pick<Placed, "from" | "to">): readonly Placed[] {
    for (const [bits, lists] of this.#blocks) if (from >> bits === to >> bits) return lists.get(from >> bits) ?? [];
    return this.#all;
  }
}
const manyEntries = 32;
const blockBits = [6, 8, 10, 12] as const;

/** Puts an entry behind all that start where it does. */
function insert(list: Placed[], placed: Placed): void {
  let low = 0;
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (list[middle]!.start > placed.start) high = middle;
    else low = middle + 1;
  }
  list.splice(low, 0, placed);
}

export class SlotPool {
  readonly #limits: PoolLimits;
  /** Bytes of each slot so far. */
  readonly sizes: number[] = [];

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  /** Places a leg's tensors. */
  assign(tensors: readonly Lifetime[]): Assignment {
    const live = liveBytes(tensors);
    // Large tensors that live long choose first.
    const weight = tensors.map((t) => t.bytes * Math.sqrt(t.to - t.from + 1));
    let best = this.#attempt(tensors, weight);
    for (let placed = tensors.length; best.used > goodEnough * live && placed < mostPlacements; placed += tensors.length) {
      // What made slots grow beyond the bound chooses earlier the next time.
      let sum = 0;
      for (const { tensor, bytes } of best.growth) {
        sum += bytes;
        if (sum > live) weight[tensor]! *= 2;
      }
      const next = this.#attempt(tensors, weight);
      if (next.used >= best.used) best = { ...best, growth: next.growth };
      else best = next;
    }
    for (const d of best.drafts) this.sizes[d.index] = d.size;
    return { places: best.places, peakBytes: best.used, liveBytes: live };
  }

  #attempt(tensors: readonly Lifetime[], weight: readonly number[]): Attempt {
    const drafts = this.sizes.map((size, index) => newDraft(index, size));
    const places: SlotPlace[] = new Array(tensors.length);
    const growth: Growth[] = [];
    // Slots by the operations that read or write one of their tensors.
    const readAt = new Map<number, Draft[]>();
    const writtenAt = new Map<number, Draft[]>();
    const order = tensors.map((_, i) => i).sort((a, b) => weight[b]! - weight[a]! || tensors[a]!.from - tensors[b]!.from || a - b);
    for (const i of order) {
      const t = tensors[i]!;
      for (const r of t.reads) for (const draft of writtenAt.get(r) ?? []) draft.refused = i;
      for (const w of t.writes) for (const draft of readAt.get(w) ?? []) draft.refused = i;
      const { draft, start } = this.#choose(drafts, t, i);
      const end = start + rounded(t.bytes, 16);
      if (end > draft.used) growth.push({ tensor: i, bytes: end - draft.used });
      draft.size = Math.max(draft.size, end);
      draft.used = Math.max(draft.used, end);
      draft.placed.add({ from: t.from, to: t.to, start, end });
      for (const r of t.reads) note(readAt, r, draft);
      for (const w of t.writes) note(writtenAt, w, draft);
      places[i] = { slot: draft.index, offset: start };
    }
    return { drafts, places, growth, used: drafts.reduce((sum, d) => sum + d.used, 0) };
  }

  #choose(drafts: Draft[], t: Lifetime, tensor: number): { readonly draft: Draft; readonly start: number } {
    let best: { draft: Draft; start: number; rest: number } | null = null; // the tightest gap
    let least: { draft: Draft; start: number; growth: number } | null = null; // the least growth
    for (const draft of drafts) {
      if (draft.refused === tensor) continue;
      if (best !== null && draft.size < t.bytes) continue;
      if ((best as { rest: number } | null)?.rest === 0) break;
      let free = 0;
      const consider = (start: number, end: number) => {
        if (end - start >= t.bytes && (!best || end - start - t.bytes < best.rest)) best = { draft, start, rest: end - start - t.bytes };
      };
      for (const p of draft.placed.around(t)) {
        if (p.to < t.from || t.to < p.from) continue;
        if (p.start > free) consider(free, p.start);
        free = Math.max(free, rounded(p.end, this.#limits.alignment));
      }
      if (free < draft.size) consider(free, draft.size);
      const growth = free + t.bytes - draft.size;
      if (growth > 0 && free + t.bytes <= Math.max(this.#limits.slotBytes, draft.size) && (!least || growth < least.growth))
        least = { draft, start: free, growth };
      // An unused slot of another leg may grow to any size.
      else if (draft.placed.isEmpty && growth > 0 && (!least || growth < least.growth)) least = { draft, start: 0, growth };
    }
    if (best) return best;
    if (least && (least as { growth: number }).growth < t.bytes) return least;
    const draft = newDraft(drafts.length, 0);
    drafts.push(draft);
    return { draft, start: 0 };
  }
}

function note(at: Map<number, Draft[]>, operation: number, draft: Draft): void {
  const known = at.get(operation);
  if (known === undefined) at.set(operation, [draft]);
  else if (!known.includes(draft)) known.push(draft);
}
function newDraft(index: number, size: number): Draft {
  return { index, size, used: 0, placed: new Timetable(), refused: -1 };
}
function rounded(bytes: number, to: number): number {
  return Math.ceil(bytes / to) * to;
}

/** The sum of what is alive at each operation up to the last. */
export function liveAt(tensors: readonly { readonly bytes: number; readonly from: number; readonly to: number }[]): number[] {
  const last = tensors.reduce((n, t) => Math.max(n, t.to), -1);
  const change = new Array<number>(last + 2).fill(0);
  for (const t of tensors) {
    change[t.from]! += t.bytes;
    change[t.to + 1]! -= t.bytes;
  }
  let now = 0;
  return change.slice(0, last + 1).map((c) => (now += c));
}
/** The largest sum of tensors alive at once: no plan can do with less. */
export function liveBytes(tensors: readonly { readonly bytes: number; readonly from: number; readonly to: number }[]): number {
  return liveAt(tensors).reduce((most, n) => Math.max(most, n), 0);
}
