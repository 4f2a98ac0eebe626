import type { Diagnostic } from "./diagnostic.ts";

// The edits that diagnostics carry, made. In: a text and edits of it. Out: the text with the edits that do not touch each other.

export type Edit = NonNullable<Diagnostic["fix"]>;

/** The text with the edits made; of edits that overlap, the first. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const ordered = [...edits].sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
  let made = "";
  let at = 0;
  let last: Edit | undefined;
  for (const edit of ordered) {
    const { start, end } = edit.span;
    const isTwice = last !== undefined && last.span.start === start && last.span.end === end;
    if (start < at || isTwice) continue;
    made += text.slice(at, start) + edit.text;
    at = end;
    last = edit;
  }
  return made + text.slice(at);
}
