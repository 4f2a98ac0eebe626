// A set of byte ranges, kept sorted, disjoint and not touching, so that «is all of this written» is one look-up.

export interface Interval {
  readonly from: number;
  readonly to: number; // exclusive
}

export class RangeSet {
  #ranges: Interval[] = [];

  /** Index of the first range that ends at or after `at`. */
  #lowerBound(at: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ranges[middle]!.to < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Adds [from, to). */
  add(from: number, to: number): void {
    if (to <= from) return;
    const first = this.#lowerBound(from);
    let last = first;
    let [low, high] = [from, to];
    while (last < this.#ranges.length && this.#ranges[last]!.from <= to) {
      low = Math.min(low, this.#ranges[last]!.from);
      high = Math.max(high, this.#ranges[last]!.to);
      last++;
    }
    this.#ranges.splice(first, last - first, { from: low, to: high });
  }

  /** The first part of [from, to) that is not in the set; null when all of it is. */
  firstGap(from: number, to: number): Interval | null {
    const at = this.#ranges.findIndex((range) => range.to > from);
    const range = this.#ranges[at];
    if (range === undefined || range.from > from) return { from, to: Math.min(to, range?.from ?? to) };
    if (range.to >= to) return null;
    return { from: range.to, to: Math.min(to, this.#ranges[at + 1]?.from ?? to) };
  }

  /** True when [from, to) and the set have a byte in common. */
  meets(from: number, to: number): boolean {
    return this.#ranges.some((range) => range.from < to && from < range.to);
  }

  /** Takes [from, to) out. */
  remove(from: number, to: number): void {
    this.#ranges = this.#ranges.flatMap((range) => {
      if (range.to <= from || to <= range.from) return [range];
      const left = { from: range.from, to: Math.min(range.to, from) };
      const right = { from: Math.max(range.from, to), to: range.to };
      return [left, right].filter((part) => part.from < part.to);
    });
  }
}

/** A set of byte ranges in each of many buffers. */
export class BufferRanges {
  readonly #sets = new Map<number, RangeSet>();

  /** The ranges of one buffer. */
  of(buffer: number): RangeSet {
    const known = this.#sets.get(buffer);
    if (known !== undefined) return known;
    const made = new RangeSet();
    this.#sets.set(buffer, made);
    return made;
  }
  add(at: { readonly buffer: number; readonly offset: number; readonly bytes: number }): void {
    this.of(at.buffer).add(at.offset, at.offset + at.bytes);
  }
  /** The first part of a range that is not in the set. */
  firstGap(at: { readonly buffer: number; readonly offset: number; readonly bytes: number }): Interval | null {
    return this.of(at.buffer).firstGap(at.offset, at.offset + at.bytes);
  }
}
