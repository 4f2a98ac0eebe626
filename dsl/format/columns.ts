import { type Line, mostColumns } from "./layout.ts";
import type { Entry, Piece } from "./pieces.ts";

// Columns: the `=` and `:` of neighbouring entries of one kind stand below each other, and so do comments behind neighbouring lines.
// Entries are neighbours when nothing stands between their lines; one that takes several lines ends a run, one whose name is much longer
// begins another.

/** How much longer than the shortest the longest may be. */
const spread: Readonly<Record<string, number>> = { keyRule: 24, surgeryRule: 24, promptItem: 16, scheduleItem: 8 };
const usualSpread = 6;
/** Of what stands behind the `=` of models: their `from`. */
const secondSpread = 10;
/** Kinds whose padding stands behind the mark, as in `bias:   f32[out]`. */
const padsBehind: ReadonlySet<string> = new Set(["leaf", "optimizerState", "fieldMember", "measureStmt", "fieldValue", "fieldType"]);

interface Row {
  readonly line: Line;
  readonly kind: string;
  readonly columns: readonly number[];
  readonly isWhole: boolean;
}

/** The finished text. */
export function alignColumns(lines: readonly Line[], pieces: readonly Piece[]): string {
  const rows = lines.map((_, i) => rowOf(lines, i, pieces));
  for (const second of [false, true]) for (const run of runsOf(rows, lines, second)) pad(run, second);
  alignComments(lines);
  return lines.map((line) => `${line.blankBefore ? "\n" : ""}${print(line)}\n`).join("");
}

/** The entry that begins with a line, if it may stand in columns. */
function rowOf(lines: readonly Line[], at: number, pieces: readonly Piece[]): Row | null {
  const line = lines[at]!;
  if (line.first < 0) return null;
  const { entry, field } = pieces[line.first]!;
  const one: Entry | null = field ?? entry;
  if (!one || one.columns.length === 0 || !line.places.has(one.columns[0]!)) return null;
  const isWhole = one.last === line.last || (field !== null && one.last === line.last - 1 && pieces[line.last]!.image === ",");
  if (!isWhole && (one.last < line.last || isBound(lines, at, one.last))) return null;
  // Nothing is lined up behind a mark that ends its line.
  if (line.places.get(one.columns[0]!)! + 1 >= line.text.length) return null;
  // A tuple is no name: what is long for a good reason does not push its neighbours.
  if (pieces[line.first + 1]?.image === "(" && pieces[line.first + 1]!.rule === "binder") return null;
  if (line.indent + line.text.length + (spread[one.kind] ?? usualSpread) > mostColumns) return null;
  return { line, kind: one.kind, columns: one.columns, isWhole };
}
/** Whether a later line of the entry stands behind a bracket, so that its first line cannot be stretched. */
function isBound(lines: readonly Line[], at: number, last: number): boolean {
  for (let i = at + 1; i < lines.length && lines[i]!.first <= last; i++) if (lines[i]!.isLinedUp) return true;
  return false;
}

/** Runs of rows that share a column. */
function runsOf(rows: readonly (Row | null)[], lines: readonly Line[], second: boolean): Row[][] {
  const runs: Row[][] = [];
  let run: Row[] = [];
  let low = 0;
  let high = 0;
  const close = (): void => {
    if (run.length > 1) runs.push(run);
    run = [];
  };
  rows.forEach((row, i) => {
    const line = lines[i]!;
    if (line.blankBefore) close();
    const at = row ? placeOf(row, second) : undefined;
    if (!row || at === undefined) {
      if (!isSkipped(line)) close();
      return;
    }
    const most = second ? secondSpread : (spread[row.kind] ?? usualSpread);
    const first = run[0];
    const fits = first && first.kind === row.kind && first.line.indent === line.indent && Math.max(high, at) - Math.min(low, at) <= most;
    if (!fits) {
      close();
      low = at;
      high = at;
    }
    run.push(row);
    low = Math.min(low, at);
    high = Math.max(high, at);
    if (!row.isWhole) close();
  });
  close();
  return runs;
}
/** `let (a, b) = …` among other `let`s stands in no column and ends no run. */
const isSkipped = (line: Line): boolean => line.first >= 0 && line.text.startsWith("let (");

function placeOf(row: Row, second: boolean): number | undefined {
  const piece = row.columns[second ? 1 : 0];
  if (piece === undefined) return undefined;
  return row.line.places.get(piece);
}

function pad(run: readonly Row[], second: boolean): void {
  const most = Math.max(...run.map((row) => placeOf(row, second)!));
  for (const row of run) {
    const place = placeOf(row, second)!;
    const at = padsBehind.has(row.kind) ? place + 1 : place;
    const { line } = row;
    line.text = line.text.slice(0, at) + " ".repeat(most - place) + line.text.slice(at);
    for (const [piece, where] of line.places) if (where >= at) line.places.set(piece, where + most - place);
  }
}

/** A comment behind code stays in its column where there is room; neighbours share one. */
function alignComments(lines: readonly Line[]): void {
  let run: Line[] = [];
  const close = (): void => {
    const ends = Math.max(...run.map((line) => line.indent + line.text.length)) + 2;
    const wanted = Math.max(ends, Math.min(...run.map((line) => line.comment!.column)));
    const longest = Math.max(...run.map((line) => line.comment!.text.length));
    const column = wanted + longest > mostColumns ? ends : wanted;
    for (const line of run) line.comment = { text: line.comment!.text, column };
    run = [];
  };
  for (const line of lines) {
    if (run.length > 0 && (!line.comment || line.blankBefore)) close();
    if (line.comment) run.push(line);
  }
  if (run.length > 0) close();
}

function print({ indent, text, comment }: Line): string {
  const code = " ".repeat(indent) + text;
  return comment ? `${code.padEnd(comment.column)}${comment.text}` : code;
}
