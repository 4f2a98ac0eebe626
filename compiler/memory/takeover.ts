import type { Region, Stored } from "../fuse/region.ts";
import type { LoweredRegion } from "../schedule/lower.ts";
import type { Tenancy } from "./lifetimes.ts";
import { liveAt } from "./pool.ts";
import type { Lower } from "./results.ts";

// In place: a result may take the memory of an operand that dies with its kernel, if each element is read before it is written. It is asked
// for only where it lowers the peak, since a kernel that writes over its operand is another kernel than one that does not.

export interface Takeovers {
  readonly lowered: readonly LoweredRegion[];
  readonly tenancies: readonly Tenancy[];
}

/** Lets results take over dying operands where most memory is alive. `taken`: what each region takes over already. */
export function takeOver(
  regions: readonly Region[],
  lowered: readonly LoweredRegion[],
  tenancies: readonly Tenancy[],
  taken: readonly ReadonlyMap<Stored, Stored>[],
  lower: Lower,
): Takeovers {
  const result = [...lowered];
  const holderOf = new Map(tenancies.flatMap((t) => t.tenants.map((s) => [s.id, t])));
  const gone = new Set<Tenancy>();
  const live = liveAt(tenancies);
  let most = 0;
  for (const i of live.map((_, at) => at).sort((a, b) => live[b]! - live[a]! || a - b)) {
    if (live[i]! <= most) break;
    const region = regions[i];
    if (region) {
      const takeover = new Map(taken[i]!);
      for (const output of region.outputs) {
        const heir = holderOf.get(output.id);
        if (!heir || heir.from !== i) continue;
        for (const { stored } of lowered[i]!.buffers) {
          const holder = holderOf.get(stored.id);
          if (!holder || holder === heir || holder.to !== i || holder.from === i || holder.bytes !== heir.bytes) continue;
          // One binding has one element type.
          if (stored.value.dtype !== output.value.dtype) continue;
          const kernel = lower(region, new Map([...takeover, [stored, output]]));
          if (!kernel) continue;
          takeover.set(stored, output);
          result[i] = kernel;
          live[i]! -= heir.bytes;
          gone.add(heir);
          holder.tenants.push(...heir.tenants);
          holder.to = heir.to;
          holder.reads = [...holder.reads.filter((r) => r !== i), ...heir.reads];
          holder.writes.push(...heir.writes);
          for (const s of heir.tenants) holderOf.set(s.id, holder);
          break;
        }
      }
    }
    most = Math.max(most, live[i]!);
  }
  return { lowered: result, tenancies: tenancies.filter((t) => !gone.has(t)) };
}
