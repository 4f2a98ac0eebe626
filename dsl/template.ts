import type { Span } from "./span.ts";

// The text of a prompt as pieces: `{face:16}` is a slot, `{class+15}` are words and fillers, `{frame}` a text or another prompt.

/** Tokens of a prompt that says no `length:`. */
export const usualLength = 77;

export type TemplateBit =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "slot"; readonly name: string; readonly count: number; readonly span: Span }
  | { readonly kind: "words"; readonly name: string; readonly fillers: number; readonly span: Span }
  | { readonly kind: "part"; readonly name: string; readonly span: Span }
  /** Braces that hold none of these. */
  | { readonly kind: "wrong"; readonly text: string; readonly span: Span };

/** The positions of a slot, or of words once they are one row. */
export function positionsOf(bit: Extract<TemplateBit, { kind: "slot" | "words" }>): number {
  return bit.kind === "slot" ? bit.count : bit.fillers + 1;
}

/** The pieces of a template, in order; `span` is that of the text with its quotes. */
export function readTemplate(text: string, span: Span): readonly TemplateBit[] {
  const bits: TemplateBit[] = [];
  let from = 0;
  for (const match of text.matchAll(/\{([^{}]*)\}/g)) {
    if (match.index > from) bits.push({ kind: "text", text: text.slice(from, match.index) });
    const start = span.start + 1 + match.index;
    const at: Span = { file: span.file, start, end: start + match[0].length };
    const read = /^\s*([A-Za-z_]\w*)\s*(?:([:+])\s*(\d+)\s*)?$/.exec(match[1]!);
    if (!read) bits.push({ kind: "wrong", text: match[0], span: at });
    else if (read[2] === ":") bits.push({ kind: "slot", name: read[1]!, count: Number(read[3]), span: at });
    else if (read[2] === "+") bits.push({ kind: "words", name: read[1]!, fillers: Number(read[3]), span: at });
    else bits.push({ kind: "part", name: read[1]!, span: at });
    from = match.index + match[0].length;
  }
  if (from < text.length) bits.push({ kind: "text", text: text.slice(from) });
  return bits;
}

/** What stands for braces that cannot be read. */
export const templateForms = "`{text}`, `{slot:16}` or `{words+15}`";

/** A name in the braces of a text, as `{subject.name}` or `{i:05}`; `start` and `end` count from the text's beginning. */
export interface Hole {
  readonly path: readonly string[];
  readonly start: number;
  readonly end: number;
  /** Digits to fill up to, with zeros. */
  readonly width: number | null;
}
/** The names that a text of an `evaluate` block has in braces. Braces around anything else are text. */
export function holesOf(text: string): readonly Hole[] {
  return [...text.matchAll(/\{([A-Za-z_]\w*(?:\.\w+)*)(?::0(\d+))?\}/g)].map((match) => ({
    path: match[1]!.split("."),
    start: match.index,
    end: match.index + match[0].length,
    width: match[2] === undefined ? null : Number(match[2]),
  }));
}

/** The places `{i}`, `{i:05}` of a path that count what is written under it. */
export function countersOf(text: string): readonly Hole[] {
  return holesOf(text).filter(({ path }) => path.length === 1 && path[0] === "i");
}
/** The path with the counters filled in. */
export function numberedPath(text: string, number: number): string {
  return countersOf(text).reduceRight(
    (path, { start, end, width }) => `${path.slice(0, start)}${String(number).padStart(width ?? 1, "0")}${path.slice(end)}`,
    text,
  );
}
