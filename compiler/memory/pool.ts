// Activations live in slots: separate buffers (a kernel must not read and write one buffer), each holding one tensor at a time. A pool is
// shared by all legs of a plan, since slots mean nothing between legs. A tensor takes the free slot that fits best; if none is large enough
// the largest free one grows; a new one is made only when none is free.

export interface Slot {
  readonly index: number;
  bytes: number;
}

export class SlotPool {
  readonly slots: Slot[] = [];

  /** Assigns a leg's tensors, given with the operations between which they live; returns the slot of each. */
  assign(tensors: readonly Lifetime[]): { readonly slots: readonly Slot[]; readonly peakBytes: number; readonly liveBytes: number } {
    const free = new Set(this.slots);
    const used = new Set<Slot>();
    const result: Slot[] = new Array(tensors.length);
    const byStart = tensors.map((t, i) => ({ ...t, i })).sort((a, b) => a.from - b.from || b.bytes - a.bytes);
    let alive: { readonly to: number; readonly slot: Slot }[] = [];
    for (const t of byStart) {
      const dead = alive.filter((a) => a.to < t.from);
      for (const a of dead) free.add(a.slot);
      alive = alive.filter((a) => a.to >= t.from);
      const slot = this.#take(free, used, t.bytes);
      result[t.i] = slot;
      used.add(slot);
      alive.push({ to: t.to, slot });
    }
    return { slots: result, peakBytes: [...used].reduce((sum, s) => sum + s.bytes, 0), liveBytes: liveBytes(tensors) };
  }

  #take(free: Set<Slot>, used: ReadonlySet<Slot>, bytes: number): Slot {
    const candidates = [...free];
    const fits = candidates.filter((s) => s.bytes >= bytes).sort((a, b) => a.bytes - b.bytes || a.index - b.index)[0];
    // A slot of this leg may be larger than the tensor at no cost; growing the largest costs the difference.
    const largest = candidates.filter((s) => s.bytes < bytes).sort((a, b) => b.bytes - a.bytes || a.index - b.index)[0];
    const wasteful = fits !== undefined && !used.has(fits) && fits.bytes > 4 * bytes && largest !== undefined;
    let slot = wasteful ? largest : (fits ?? largest);
    if (!slot) {
      slot = { index: this.slots.length, bytes: 0 };
      this.slots.push(slot);
    }
    slot.bytes = Math.max(slot.bytes, Math.ceil(bytes / 16) * 16);
    free.delete(slot);
    return slot;
  }
}

/** A tensor's life: operation numbers, both ends included. */
export interface Lifetime {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
}
/** The largest sum of tensors alive at once: no plan can do with less. */
export function liveBytes(tensors: readonly Lifetime[]): number {
  const changes = new Map<number, number>();
  for (const t of tensors) {
    changes.set(t.from, (changes.get(t.from) ?? 0) + t.bytes);
    changes.set(t.to + 1, (changes.get(t.to + 1) ?? 0) - t.bytes);
  }
  let now = 0;
  let most = 0;
  for (const at of [...changes.keys()].sort((a, b) => a - b)) {
    now += changes.get(at)!;
    most = Math.max(most, now);
  }
  return most;
}
