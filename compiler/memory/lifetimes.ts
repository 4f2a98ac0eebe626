import type { Region, Stored } from "../fuse/region.ts";
import type { LoweredRegion } from "../schedule/lower.ts";
import { bytesOf } from "./place.ts";
import type { Lifetime } from "./pool.ts";

// How long tensors live: from the kernel that makes one to the last that binds it. What has a place of its own does not count.

export interface LivingTensor extends Lifetime {
  readonly stored: Stored;
}

/** The tensors that need slots; `keptToEnd` are copied after the last kernel. */
export function lifetimes(
  regions: readonly Region[],
  lowered: readonly LoweredRegion[],
  placed: (id: string) => boolean,
  keptToEnd: readonly Stored[],
): LivingTensor[] {
  const lives = new Map<string, { stored: Stored; bytes: number; from: number; to: number }>();
  for (const [i, region] of regions.entries()) {
    for (const output of region.outputs) {
      if (!placed(output.id)) lives.set(output.id, { stored: output, bytes: bytesOf(output.value), from: i, to: i });
    }
    for (const b of lowered[i]!.buffers) {
      const life = lives.get(b.stored.id);
      if (life) life.to = Math.max(life.to, i);
    }
  }
  for (const stored of keptToEnd) lives.get(stored.id)!.to = regions.length;
  return [...lives.values()];
}
