import type { Item } from "./ast.ts";
import type { Resolution } from "./names.ts";
import { tokenize } from "./parse.ts";
import type { Program, SourceFileId } from "./program.ts";

// What a block of a program depends on: the items that it reaches by any name, the prelude whole, as tokens without comments. Two slices with
// equal words mean the same program, wherever its lines stand. It is on the safe side: every word that could be the name of an item counts
// as a use of it.

export interface SliceToken {
  readonly file: SourceFileId;
  readonly start: number;
}
export interface Slice {
  /** All words of all items, each item introduced by its file and kind; what is hashed. */
  readonly words: readonly string[];
  /** The place of each word. */
  readonly tokens: readonly SliceToken[];
}

interface PlacedItem {
  readonly file: SourceFileId;
  readonly item: Item;
}

/** The slice of the item with this name in the entry file (and of items of that name anywhere). */
export function sliceOf(program: Program, resolution: Resolution, name: string): Slice {
  const placed: PlacedItem[] = [...program.files].flatMap(([file, { ast }]) => ast.items.map((item) => ({ file, item })));
  const byName = new Map<string, PlacedItem[]>();
  for (const one of placed) {
    if (!("name" in one.item)) continue;
    const known = byName.get(one.item.name.name);
    if (known) known.push(one);
    else byName.set(one.item.name.name, [one]);
  }
  const tokensOf = new Map<SourceFileId, { readonly image: string; readonly start: number }[]>();
  for (const [file, { text }] of program.files)
    tokensOf.set(
      file,
      tokenize(text).tokens.map((t) => ({ image: t.image, start: t.startOffset })),
    );
  const within = ({ file, item }: PlacedItem) => tokensOf.get(file)!.filter((t) => t.start >= item.span.start && t.start < item.span.end);

  const reached = new Set<Item>();
  const queue: PlacedItem[] = [];
  const add = (one: PlacedItem): void => {
    if (reached.has(one.item)) return;
    reached.add(one.item);
    queue.push(one);
  };
  for (const one of placed) if (one.file === program.prelude) add(one);
  for (const one of byName.get(name) ?? []) add(one);
  const at = new Map<Item, PlacedItem>(placed.map((one) => [one.item, one]));
  for (const one of queue) {
    const visible = resolution.names(one.file);
    for (const { image } of within(one)) {
      const binding = visible.get(image);
      if (binding?.kind === "item") add(at.get(binding.item)!);
      for (const other of byName.get(image) ?? []) add(other);
    }
  }
  const words: string[] = [];
  const tokens: SliceToken[] = [];
  for (const one of placed) {
    if (!reached.has(one.item)) continue;
    words.push(`${one.file} ${one.item.kind}`);
    tokens.push({ file: one.file, start: one.item.span.start });
    // What a name stands for depends on the file's imports too.
    const visible = resolution.names(one.file);
    for (const { image, start } of within(one)) {
      const binding = visible.get(image);
      words.push(binding?.kind === "item" ? `${image} ${binding.file} ${binding.item.name.name}` : image);
      tokens.push({ file: one.file, start });
    }
  }
  return { words, tokens };
}
