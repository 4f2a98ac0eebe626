import { isMemoryLeaf } from "../fuse/kinds.ts";
import { type Region, type Stored, storedReads } from "../fuse/region.ts";
import type { Graph, Value } from "../ir/value.ts";
import type { PlanBinding } from "../plan/plan.ts";
import type { LoweredRegion } from "../schedule/lower.ts";
import { overlap, samePlace } from "./place.ts";

// Where results go. A result may have the place of an input: then it is written there by its kernel, if nobody needs the old content any
// more (its kernel may read each element just before it writes it), else it is written elsewhere and copied when all kernels have run.

export interface ResultRequest {
  readonly regions: readonly Region[];
  /** The name of a result by its value: each has a place. */
  readonly nameOf: ReadonlyMap<Value, string>;
  readonly places: ReadonlyMap<string, PlanBinding>;
  readonly placeOfInput: (leaf: Value) => PlanBinding;
  /** Leaves that are copied to results at the end. */
  readonly copiedAtEnd: readonly Value[];
  readonly inPlace: boolean;
  /** Offsets at which a binding may begin are multiples of this; a result elsewhere is copied to its place. */
  readonly offsetAlignment: number;
}
/** Lowers a region whose outputs take over the memory of what it reads; null where an element would be read after it was written. */
export type Lower = (region: Region, takeover: ReadonlyMap<Stored, Stored>) => LoweredRegion | null;

export interface ResultPlaces {
  readonly lowered: readonly LoweredRegion[];
  /** For each region: the inputs whose memory its outputs take over. */
  readonly takeovers: readonly ReadonlyMap<Stored, Stored>[];
  /** Final places of the results that their kernels write, by stored id. */
  readonly direct: ReadonlyMap<string, PlanBinding>;
  /** Results that are copied to their places at the end. */
  readonly late: readonly { readonly stored: Stored; readonly to: PlanBinding }[];
}

/** Decides for each result whether its kernel writes it in its place, and lowers the kernels accordingly. */
export function placeResults(request: ResultRequest, lower: Lower): ResultPlaces {
  const { regions, nameOf, places, placeOfInput } = request;
  const allReads = regions.map((r) => storedReads(r));
  const readsOf = allReads.map((reads) => new Map([...reads].filter((s) => isMemoryLeaf(s.value)).map((s) => [s.value, s])));
  const writers = new Map<number, number>(); // results per buffer
  for (const name of nameOf.values()) {
    const buffer = places.get(name)?.buffer;
    if (buffer !== undefined) writers.set(buffer, (writers.get(buffer) ?? 0) + 1);
  }
  // A result is the row-major form of its value; a repacked copy of it is not.
  const wantedPlace = (s: Stored): PlanBinding | undefined => {
    const name = s.order.every((axis, i) => axis === i) ? nameOf.get(s.value) : undefined;
    return name === undefined ? undefined : places.get(name);
  };
  const lowered: LoweredRegion[] = [];
  const takeovers: ReadonlyMap<Stored, Stored>[] = [];
  const direct = new Map<string, PlanBinding>();
  const late: { readonly stored: Stored; readonly to: PlanBinding }[] = [];
  for (const [i, region] of regions.entries()) {
    const takeover = new Map<Stored, Stored>();
    for (const output of region.outputs) {
      const place = wantedPlace(output);
      if (!place || place.offset % request.offsetAlignment !== 0) continue;
      const clash = (v: Value): boolean => overlap(placeOfInput(v), place);
      const later = readsOf.slice(i + 1).some((reads) => [...reads.keys()].some(clash)) || request.copiedAtEnd.some(clash);
      const here = [...readsOf[i]!.entries()].filter(([v]) => clash(v));
      const same = here.length === 1 && samePlace(placeOfInput(here[0]![0]), place) && request.inPlace;
      // A kernel that reads this result and writes another of the same buffer would bind the buffer twice.
      const shared = writers.get(place.buffer)! > 1 && allReads.some((reads, j) => j !== i && [...reads].some((s) => s.id === output.id));
      if (later || shared || (here.length > 0 && !same)) continue;
      if (same) takeover.set(here[0]![1], output);
      direct.set(output.id, place);
    }
    // What this kernel reads of a buffer, other than what is taken over, forbids that it writes there: the API refuses both at once.
    for (let changed = true; changed; ) {
      changed = false;
      for (const output of region.outputs) {
        const place = direct.get(output.id);
        const taken = [...takeover].find(([, by]) => by === output)?.[0];
        const conflict = (s: Stored): boolean =>
          !takeover.has(s) && (isMemoryLeaf(s.value) ? placeOfInput(s.value) : direct.get(s.id))?.buffer === place!.buffer;
        if (!place || ![...allReads[i]!].some(conflict)) continue;
        direct.delete(output.id);
        if (taken) takeover.delete(taken);
        changed = true;
      }
    }
    let kernel = lower(region, takeover);
    if (!kernel) {
      // Reads and writes of the same element are not one after the other: write elsewhere and copy.
      for (const output of takeover.values()) direct.delete(output.id);
      takeover.clear();
      kernel = lower(region, takeover);
    }
    for (const output of region.outputs) {
      const place = wantedPlace(output);
      if (place && !direct.has(output.id)) late.push({ stored: output, to: place });
    }
    lowered.push(kernel!);
    takeovers.push(takeover);
  }
  return { lowered, takeovers, direct, late };
}

/** Splits results into those that kernels make and those that are an input, or a second name of another result, and only moved. */
export function computedResults(
  graph: Graph,
  /** Whether a leaf does not lie in memory as the result must: then it is converted. */
  converted: (leaf: Value) => boolean,
): {
  readonly computed: ReadonlyMap<Value, string>;
  readonly moved: readonly { readonly name: string; readonly from: Value }[];
} {
  const computed = new Map<Value, string>();
  const moved: { readonly name: string; readonly from: Value }[] = [];
  for (const r of graph.results) {
    if ((isMemoryLeaf(r.value) && !converted(r.value)) || computed.has(r.value)) moved.push({ name: r.name, from: r.value });
    else computed.set(r.value, r.name);
  }
  return { computed, moved };
}
