import picocolors from "picocolors";
import type { Diagnostic } from "./diagnostic.ts";
import type { Span } from "./span.ts";

// Diagnostics for people (a frame of source with carets) and for programs (JSON). Both read the same values.

/** The text of a file that spans point into; a file that is gone has no frame. */
export type TextOf = (file: string) => string | undefined;

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units as editors count. */
  readonly column: number;
}

/** Line and column of an offset; past the end means the end. */
export function positionAt(text: string, offset: number): Position {
  return new LineIndex(text).position(offset);
}

/** Where the lines of a text begin, found once. */
export class LineIndex {
  readonly text: string;
  private readonly starts: readonly number[];
  constructor(text: string) {
    this.text = text;
    const starts = [0];
    for (let newline = text.indexOf("\n"); newline >= 0; newline = text.indexOf("\n", newline + 1)) starts.push(newline + 1);
    this.starts = starts;
  }
  position(offset: number): Position {
    const at = Math.max(0, Math.min(offset, this.text.length));
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= at) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: at - this.starts[low]! + 1 };
  }
}
type IndexOf = (file: string) => LineIndex | undefined;
function indexing(textOf: TextOf): IndexOf {
  const known = new Map<string, LineIndex | undefined>();
  return (file) => {
    if (!known.has(file)) {
      const text = textOf(file);
      known.set(file, text === undefined ? undefined : new LineIndex(text));
    }
    return known.get(file);
  };
}

export interface RenderOptions {
  readonly colour?: boolean;
}

const mostColumns = 160;

/** One diagnostic as text, without a line break at its end. */
export function renderDiagnostic(diagnostic: Diagnostic, textOf: TextOf, options: RenderOptions = {}): string {
  return render(diagnostic, indexing(textOf), options);
}
function render(diagnostic: Diagnostic, indexOf: IndexOf, options: RenderOptions): string {
  const colour = picocolors.createColors(options.colour ?? false);
  const loud = diagnostic.severity === "error" ? colour.red : colour.yellow;
  const lines = [`${loud(colour.bold(`${diagnostic.severity} ${diagnostic.code}`))}: ${colour.bold(diagnostic.message)}`];
  lines.push(...frame(diagnostic.span, diagnostic.label, "^", indexOf, { mark: loud, dim: colour.dim }));
  for (const related of diagnostic.related)
    lines.push(...frame(related.span, related.label, "-", indexOf, { mark: colour.cyan, dim: colour.dim }));
  if (diagnostic.help !== undefined) lines.push(`  ${colour.cyan("help:")} ${diagnostic.help}`);
  return lines.join("\n");
}

/** All of them, with an empty line between. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], textOf: TextOf, options: RenderOptions = {}): string {
  const indexOf = indexing(textOf);
  return diagnostics.map((one) => render(one, indexOf, options)).join("\n\n");
}

interface Paint {
  readonly mark: (text: string) => string;
  readonly dim: (text: string) => string;
}

/** `┌ file:line:column`, the source line, and the marks under it. */
function frame(span: Span, label: string | undefined, sign: string, indexOf: IndexOf, paint: Paint): string[] {
  const index = indexOf(span.file);
  if (index === undefined) return [`  ${paint.dim("┌")} ${span.file}`, ...(label === undefined ? [] : [`  ${paint.dim("│")} ${label}`])];
  const { text } = index;
  const { line, column } = index.position(span.start);
  const place = `  ${paint.dim("┌")} ${span.file}:${line}:${column}`;
  const lineStart = span.start - (column - 1);
  const newline = text.indexOf("\n", lineStart);
  const whole = text.slice(lineStart, newline < 0 ? undefined : newline).replace(/\r$/, "");
  // A very long line is shown around the place in question.
  const shift = column > mostColumns - 40 ? column - 40 : 0;
  const shown = whole.slice(shift, shift + mostColumns);
  const length = Math.max(1, Math.min(span.end - span.start, whole.length - (column - 1)));
  const before = whole.slice(shift, column - 1);
  // Tabs are shown as two blanks, so that the marks stand under what they mark.
  const marks = sign.repeat(Math.max(1, [...expandTabs(whole.slice(column - 1, column - 1 + length))].length));
  const tail = label === undefined ? "" : ` ${label}`;
  return [
    place,
    `  ${paint.dim("│")} ${expandTabs(shown)}`,
    `  ${paint.dim("│")} ${" ".repeat([...expandTabs(before)].length)}${paint.mark(`${marks.slice(0, mostColumns)}${tail}`)}`,
  ];
}
// Control characters must not reach the terminal.
const expandTabs = (text: string): string =>
  text
    .replaceAll("\t", "  ")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is being removed
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");

// ---- for programs --------------------------------------------------------------------------------------------------------------
export interface DiagnosticJson {
  readonly code: string;
  readonly severity: string;
  readonly message: string;
  readonly file: string;
  readonly start: Position;
  readonly end: Position;
  readonly related: readonly { readonly file: string; readonly start: Position; readonly end: Position; readonly label: string }[];
  readonly help: string | null;
  readonly fix: { readonly file: string; readonly start: Position; readonly end: Position; readonly text: string } | null;
}

/** The stable JSON form of `adac check --json`. */
export function diagnosticsToJson(diagnostics: readonly Diagnostic[], textOf: TextOf): { readonly diagnostics: readonly DiagnosticJson[] } {
  const indexOf = indexing(textOf);
  const place = (span: Span) => {
    const index = indexOf(span.file);
    const nowhere = { line: 1, column: 1 };
    return { file: span.file, start: index?.position(span.start) ?? nowhere, end: index?.position(span.end) ?? nowhere };
  };
  return {
    diagnostics: diagnostics.map((one) => ({
      code: one.code,
      severity: one.severity,
      message: one.message,
      ...place(one.span),
      related: one.related.map((related) => ({ ...place(related.span), label: related.label })),
      help: one.help ?? null,
      fix: one.fix ? { ...place(one.fix.span), text: one.fix.text } : null,
    })),
  };
}
