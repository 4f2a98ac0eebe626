import type { Region, Stored } from "../fuse/region.ts";
import type { LoweredRegion } from "../schedule/lower.ts";
import type { Lifetime } from "./pool.ts";

// How long tensors live: from the kernel that makes one to the last that binds it. What has a place of its own does not count.

/** Memory of one size that one tensor holds, or several one after the other, each taking it over from the one before. */
export interface Tenancy extends Lifetime {
  tenants: Stored[];
  from: number;
  to: number;
  reads: number[];
  writes: number[];
}

/** The tensors that need slots; `keptToEnd` are copied after the last kernel. */
export function lifetimes(
  regions: readonly Region[],
  lowered: readonly LoweredRegion[],
  placed: (id: string) => boolean,
  keptToEnd: readonly Stored[],
  bytesOf: (stored: Stored) => number,
): Tenancy[] {
  const lives = new Map<string, Tenancy>();
  for (const [i, region] of regions.entries()) {
    for (const output of region.outputs) {
      if (placed(output.id)) continue;
      lives.set(output.id, { tenants: [output], bytes: bytesOf(output), from: i, to: i, reads: [], writes: [i] });
    }
    for (const id of new Set(lowered[i]!.buffers.map((b) => b.stored.id))) {
      const life = lives.get(id);
      if (!life || life.from === i) continue;
      life.to = i;
      life.reads.push(i);
    }
  }
  for (const stored of keptToEnd) lives.get(stored.id)!.to = regions.length;
  return [...lives.values()];
}
