import { Content } from "../fuse/content.ts";
import type { Region, Stored } from "../fuse/region.ts";
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
  // Outputs and anchors are named where they are computed; a value that is stored elsewhere is where the walk ends.
  const content = new Content(
    (v) => region.reads.get(v),
    (s) => halves.of(s) ?? s.value.dtype,
  );
  const { lines, tensors } = content;
  for (const o of content.inOrder(region.outputs, (output) => output.value)) {
    const made = region.reads.get(o.value);
    // A repacked copy of a stored value reads it; anything else is computed here.
    lines.push(
      `output ${content.enter(o.value)} ${o.order.join()} ${content.tensor(o)} ${halves.of(o) ?? ""}${made && made.id === o.id ? " itself" : ""}`,
    );
  }
  for (const a of content.inOrder(region.anchors, (anchor) => anchor)) lines.push(`anchor ${content.enter(a)}`);
  for (const [input, output] of takeover) lines.push(`over ${content.tensor(input)} ${content.tensor(output)}`);
  if (halves.multiplied) lines.push("products of halves");
  return { key: `${region.template}\n${lines.join("\n")}`, tensors };
}
