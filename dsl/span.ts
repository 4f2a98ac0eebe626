/** A stretch of source text: `file` is the path as the user gave it (or an import resolved it), offsets are UTF-16 units, `end` exclusive. */
export interface Span {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** The smallest span that covers both; they must be of one file. */
export function coverSpans(a: Span, b: Span): Span {
  return { file: a.file, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}
