import type { Region, Stored } from "../fuse/region.ts";
import { contentKey } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import type { HalfForms } from "./halves.ts";
import type { LoweredRegion } from "./lower.ts";
import { type LowerOptions, lowerRegion } from "./lower.ts";

// Equal regions are lowered once. In: regions in the order of the leg. Out: each one's kernel; regions that compute the same from tensors of
// the same types, shapes and orders share one kernel object. Networks repeat their layers, so this is most of a large plan.

export class Lowering {
  readonly #options: Omit<LowerOptions, "takeover" | "halves">;
  readonly #known = new Map<string, { readonly lowered: LoweredRegion | null; readonly tensors: readonly Stored[] }>();

  constructor(options: Omit<LowerOptions, "takeover" | "halves">) {
    this.#options = options;
  }

  /** The region's kernel, or null if a takeover that was asked for would read an element after it was written. */
  lower(region: Region, takeover: LowerOptions["takeover"], halves: HalfForms): LoweredRegion | null {
    const { key, tensors } = regionContent(region, takeover, halves);
    const known = this.#known.get(key);
    if (!known) {
      const lowered = lowerRegion(region, { ...this.#options, takeover, halves });
      this.#known.set(key, { lowered, tensors });
      return lowered;
    }
    const { lowered } = known;
    if (!lowered) return null;
    const mine = new Map(known.tensors.map((t, i) => [t.id, tensors[i]!]));
    const widened = lowered.widened.map((id) => mine.get(id)!.id);
    for (const id of widened) halves.widen(id);
    return { ...lowered, widened, buffers: lowered.buffers.map((b) => ({ ...b, stored: mine.get(b.stored.id)! })) };
  }
}

/** A text that is equal for regions that need the same kernel, and the tensors in the order in which it meets them. */
export function regionContent(
  region: Region,
  takeover: LowerOptions["takeover"],
  halves: HalfForms,
): { readonly key: string; readonly tensors: readonly Stored[] } {
  const tensors: Stored[] = [];
  const numberOf = new Map<string, number>();
  const tensor = (s: Stored): number => {
    let n = numberOf.get(s.id);
    if (n === undefined) {
      n = tensors.length;
      numberOf.set(s.id, n);
      tensors.push(s);
    }
    return n;
  };
  const lines: string[] = [];
  const known = new Map<Value, number>();
  // Outputs and anchors are named where they are computed; a value that is stored elsewhere is where the walk ends.
  const enter = (v: Value): number => {
    const number = known.get(v);
    if (number !== undefined) return number;
    const stored = region.reads.get(v);
    const line = stored
      ? `read ${tensor(stored)} ${halves.of(stored) ?? v.dtype} ${v.shape.join()} ${stored.order.join()}`
      : `${contentKey(v.op, [], v.attrs)} ${v.dtype} ${v.shape.join()} (${v.args.map(enter).join()})`;
    lines.push(line);
    known.set(v, lines.length - 1);
    return lines.length - 1;
  };
  for (const o of region.outputs) {
    const made = region.reads.get(o.value);
    // A repacked copy of a stored value reads it; anything else is computed here.
    lines.push(`output ${enter(o.value)} ${o.order.join()} ${tensor(o)} ${halves.of(o) ?? ""}${made && made.id === o.id ? " itself" : ""}`);
  }
  for (const a of region.anchors) lines.push(`anchor ${enter(a)}`);
  for (const [input, output] of takeover) lines.push(`over ${tensor(input)} ${tensor(output)}`);
  return { key: `${region.template}\n${lines.join("\n")}`, tensors };
}
