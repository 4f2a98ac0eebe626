import type { Diagnostic } from "../diagnostic.ts";
import { hasErrors } from "../diagnostics.ts";
import { parse, readItems, tokenize } from "../parse.ts";
import { alignColumns } from "./columns.ts";
import { layOut } from "./layout.ts";
import { readPieces } from "./pieces.ts";

// The one way `.ada` is laid out. In: the text of a file. Out: the same tokens and comments in the same order, with other space between
// them, or what is wrong with the text. Invariants: the tree that is read from the result is the tree of the text; formatting the result
// changes nothing. Line breaks inside of an entry are the author's choice; indentation, spaces and columns are not.

export type Formatted = { readonly text: string } | { readonly diagnostics: readonly Diagnostic[] };

/** Lays a file out. A file with mistakes is not touched: its diagnostics come back. */
export function format(file: string, text: string): Formatted {
  const { diagnostics } = parse(file, text);
  if (hasErrors(diagnostics)) return { diagnostics };
  const { items, comments } = readItems(text);
  const pieces = readPieces(text, items, comments);
  const formatted = alignColumns(layOut(pieces), pieces);
  checkSame(text, formatted);
  return { text: formatted };
}

/** Tokens and comments of both texts are the same: a formatter that loses something must never write. */
function checkSame(before: string, after: string): void {
  const left = wordsOf(before);
  const right = wordsOf(after);
  const at = left.findIndex((word, i) => word !== right[i]);
  if (at >= 0 || left.length !== right.length)
    throw new Error(`internal: formatting changed \`${left[at] ?? "the end"}\` to \`${right[at] ?? "nothing"}\``);
}
function wordsOf(text: string): string[] {
  const { tokens, groups } = tokenize(text);
  return [...tokens, ...(groups.comments ?? [])].sort((a, b) => a.startOffset - b.startOffset).map((token) => token.image.trimEnd());
}
