import type { Piece } from "./pieces.ts";
import { spacesBetween } from "./spacing.ts";

// Lines: where they break and how far they are indented. Breaks are the author's where a break may stand; blocks are opened up when they
// hold more than one entry; a line of more than `mostColumns` is broken at the outermost place there is.
// In: pieces. Out: lines, without the columns of `columns.ts`. Invariant: the lines hold all pieces and all comments, in order.

export const mostColumns = 140;
const step = 2;

export interface Line {
  readonly indent: number;
  text: string;
  /** First and last piece; -1 for the line of a comment. */
  readonly first: number;
  readonly last: number;
  /** Where the pieces that may stand in columns begin in `text`. */
  readonly places: Map<number, number>;
  /** It stands behind a bracket of an earlier line, not at an indentation of its own. */
  readonly isLinedUp: boolean;
  readonly blankBefore: boolean;
  /** A comment behind the code, and the column it had. */
  comment: { readonly text: string; readonly column: number } | null;
}

interface Frame {
  readonly open: number;
  /** What it holds stands indented below the line that opens it; else it is lined up behind the bracket. */
  hangs: boolean;
  /** Indentation of the line that opens it. */
  readonly owner: number;
  /** Column behind the bracket. */
  readonly column: number;
}
const fileFrame: Frame = { open: -1, hangs: true, owner: -step, column: 0 };

/** Words and marks before which, or behind which, the author may break a line. */
const breaksBefore: Readonly<Record<string, ReadonlySet<string> | "any">> = {
  "|>": "any",
  "|": "any",
  "->": new Set(["signature"]),
  by: new Set(["fnItem"]),
  then: new Set(["scheduleItem"]),
  from: new Set(["modelItem"]),
  keys: new Set(["modelItem"]),
  surgery: new Set(["modelItem"]),
  when: "any",
  otherwise: new Set(["mixEvery"]),
};
const isOperator = (piece: Piece): boolean => piece.rule === "operators" || piece.image === "|>" || piece.image === "|";
const ranks: Readonly<Record<string, number>> = { "|>": 1, "|": 1, or: 2, and: 3, "+": 5, "-": 5, "*": 6, "/": 6, "**": 7 };
const rankOf = (image: string): number => ranks[image] ?? 4;
/** Blocks that belong to an entry whose head may take several lines: they are indented from the entry. */
const headed: ReadonlySet<string> = new Set(
  "fnItem lossItem forward optimizerItem stepItem ifStmt forStmt moduleItem datasetItem surgeryItem keysItem".split(" "),
);

export function layOut(pieces: readonly Piece[]): Line[] {
  return new Layout(pieces).run();
}

class Layout {
  private readonly pieces: readonly Piece[];
  private readonly lines: Line[] = [];
  private frames: Frame[] = [fileFrame];
  /** Blocks opened up and breaks made because a line was too long. */
  private readonly opened = new Set<number>();
  private readonly broken = new Set<number>();
  /** Line breaks and comments before each piece and blocks that open anyway, counted, so that a stretch is asked in one step. */
  private readonly breaksUpTo: number[] = [0];

  constructor(pieces: readonly Piece[]) {
    this.pieces = pieces;
    let before: Piece | undefined;
    for (const piece of pieces) {
      const isOpened = before?.style === "stacked" && before.entries > 1;
      const breaks = piece.newlineBefore || piece.comments.length > 0 || isOpened;
      this.breaksUpTo.push(this.breaksUpTo.at(-1)! + (breaks ? 1 : 0));
      before = piece;
    }
  }

  run(): Line[] {
    let at = 0;
    const end = this.pieces.length - 1;
    for (;;) {
      this.commentsBefore(at);
      if (at === end) return this.lines;
      at = this.line(at);
    }
  }

  // ---- comments ----
  private commentsBefore(at: number): void {
    const piece = this.pieces[at]!;
    for (const comment of piece.comments) {
      const previous = this.lines.at(-1);
      if (!comment.ownLine && previous && previous.first >= 0 && !previous.comment) {
        previous.comment = { text: comment.text, column: comment.column };
        continue;
      }
      this.lines.push({
        indent: this.commentIndent(at),
        text: comment.text,
        first: -1,
        last: -1,
        places: new Map(),
        isLinedUp: !this.frames.at(-1)!.hangs,
        blankBefore: comment.blankBefore && this.mayBeBlank(at),
        comment: null,
      });
    }
  }
  private commentIndent(at: number): number {
    const top = this.frames.at(-1)!;
    const closes = at === this.pieces.length - 1 || this.pieces[at]!.partner === top.open;
    if (closes && top.open >= -1 && top.hangs) return top.owner + step;
    return this.indentOf(at);
  }

  // ---- breaks ----
  private hangs(open: number): boolean {
    const piece = this.pieces[open]!;
    const close = piece.partner;
    const next = this.pieces[open + 1]!;
    const isEmpty = close === open + 1;
    if (piece.style === null || piece.style === "single") {
      return next.comments.length > 0 || (next.newlineBefore && !isEmpty) || this.opened.has(open);
    }
    if (isEmpty) return next.comments.length > 0;
    if (piece.style === "stacked" && piece.entries > 1) return true;
    return this.opened.has(open) || this.breaksUpTo[close + 1]! > this.breaksUpTo[open + 1]!;
  }
  private breaksBefore(at: number): boolean {
    const piece = this.pieces[at]!;
    if (piece.comments.length > 0 || this.broken.has(at)) return true;
    const before = this.pieces[at - 1]!;
    const top = this.frames.at(-1)!;
    if (before.opens && top.open === at - 1) return top.hangs && piece.partner !== top.open;
    if (piece.partner >= 0 && piece.partner === top.open) return top.hangs && (piece.image === "}" || piece.newlineBefore);
    if (piece.entry && this.isEntryOf(top)) {
      const isRow = top.open >= 0 && this.pieces[top.open]!.style === "rows";
      return top.hangs && (!isRow || piece.newlineBefore);
    }
    return piece.newlineBefore && this.mayBreak(at);
  }
  private isEntryOf(top: Frame): boolean {
    if (top.open < 0) return true;
    const { style } = this.pieces[top.open]!;
    return style === "stacked" || style === "rows";
  }
  private mayBreak(at: number): boolean {
    const before = this.pieces[at - 1]!;
    const piece = this.pieces[at]!;
    if (before.image === "," && before.rule !== "segment") return true;
    if (isOperator(before) || isOperator(piece)) return true;
    if (before.image === "=>" || (before.image === ":" && before.rule === "comprehension")) return true;
    const rules = breaksBefore[piece.image];
    return rules !== undefined && (rules === "any" || rules.has(piece.rule));
  }
  /** Whether the piece begins what its bracket or block holds, or an element after the first; else it goes on with one. */
  private beginsElement(at: number): boolean {
    const before = this.pieces[at - 1];
    const top = this.frames.at(-1)!;
    if (!before || before.image === "," || top.open === at - 1) return true;
    if (before.image === ":" && before.rule === "comprehension") return true;
    return this.pieces[at]!.entry !== null && this.isEntryOf(top);
  }
  private indentOf(at: number): number {
    const top = this.frames.at(-1)!;
    const piece = this.pieces[at]!;
    if (piece.partner >= 0 && piece.partner === top.open) return Math.max(0, top.hangs ? top.owner : top.column);
    const before = this.pieces[at - 1];
    if (before?.image === ":" && before.rule === "comprehension") top.hangs = true;
    if (!top.hangs) return top.column;
    const element = top.owner + step;
    if (this.beginsElement(at)) return element;
    return element + (piece.image === "by" ? step : 2 * step);
  }
  private mayBeBlank(at: number): boolean {
    const top = this.frames.at(-1)!;
    if (this.lines.length === 0 || !this.isEntryOf(top) || !top.hangs) return false;
    if (at === this.pieces.length - 1 || top.open < 0) return true;
    return top.open !== at - 1 && this.pieces[at]!.partner !== top.open;
  }

  // ---- one line ----
  private line(start: number): number {
    const saved = this.frames.map((frame) => ({ ...frame }));
    let isHopeless = false;
    for (;;) {
      const made = this.tryLine(start, isHopeless);
      if (typeof made === "number") return made;
      this.frames = saved.map((frame) => ({ ...frame }));
      if (made === null) isHopeless = true;
      else if (made.opens) this.opened.add(made.at);
      else this.broken.add(made.at);
    }
  }

  /** The index behind the line's last piece; or the change that makes it shorter; or null when there is none. */
  private tryLine(start: number, isHopeless: boolean): number | { readonly at: number; readonly opens: boolean } | null {
    const indent = this.indentOf(start);
    const first = this.pieces[start]!;
    const blankBefore = first.blankBefore && (first.entry !== null || first.comments.length > 0) && this.mayBeBlank(start);
    const isLinedUp = this.isLinedUp(start);
    const places = new Map<number, number>();
    const choices: Choice[] = [];
    let text = "";
    let at = start;
    for (; at < this.pieces.length - 1; at++) {
      const piece = this.pieces[at]!;
      if (at > start) {
        if (this.breaksBefore(at)) break;
        text += " ".repeat(this.spaces(at));
        if (text.length + indent <= mostColumns) this.choose(at, choices);
      }
      places.set(at, text.length);
      text += piece.image;
      this.follow(at, indent + text.length, indent);
      if (!isHopeless && indent + text.length > mostColumns) return best(choices);
    }
    this.lines.push({ indent, text, first: start, last: at - 1, places, isLinedUp, blankBefore, comment: null });
    return at;
  }
  private isLinedUp(at: number): boolean {
    const before = this.pieces[at - 1];
    return !this.frames.at(-1)!.hangs && !(before?.image === ":" && before.rule === "comprehension");
  }
  private spaces(at: number): number {
    const piece = this.pieces[at]!;
    const before = this.pieces[at - 1]!;
    if (piece.partner === at - 1 && piece.image === "}") return 1;
    const top = this.frames.at(-1)!;
    if (piece.entry && top.open >= 0 && top.open !== at - 1 && this.pieces[top.open]!.style === "rows") return 2;
    return spacesBetween(before, piece);
  }
  /** Opens and closes frames. */
  private follow(at: number, column: number, indent: number): void {
    const piece = this.pieces[at]!;
    if (piece.opens) {
      const hangs = this.hangs(at);
      const top = this.frames.at(-1)!;
      const isHeaded = piece.image === "{" && top.hangs && headed.has(piece.rule === "block" ? piece.outer : piece.rule);
      const owner = isHeaded ? top.owner + step : indent;
      const gap = hangs ? 0 : this.pieces[at + 1] ? spacesBetween(piece, this.pieces[at + 1]!) : 0;
      this.frames.push({ open: at, hangs, owner, column: column + gap });
    } else if (piece.partner >= 0 && this.frames.at(-1)!.open === piece.partner) this.frames.pop();
  }
  /** Notes what could be done before this piece if the line gets too long. */
  private choose(at: number, choices: Choice[]): void {
    const piece = this.pieces[at]!;
    const before = this.pieces[at - 1]!;
    const depth = this.frames.length;
    const top = this.frames.at(-1)!;
    if (top.open === at - 1 && before.opens) {
      if (before.style !== null && !top.hangs && before.partner !== at)
        choices.push({ at: at - 1, opens: true, depth: depth - 1, rank: -1 });
      return;
    }
    if (piece.entry && top.open >= 0 && this.pieces[top.open]!.style === "rows") choices.push({ at, opens: false, depth, rank: 0 });
    else if ((piece.image === "->" && piece.rule === "signature") || (piece.image === "by" && piece.rule === "fnItem"))
      choices.push({ at, opens: false, depth, rank: 0 });
    else if (before.image === "," && before.rule !== "segment") choices.push({ at, opens: false, depth, rank: 0 });
    else if (isOperator(piece)) choices.push({ at, opens: false, depth, rank: rankOf(piece.image) });
    else if (breaksBefore[piece.image] !== undefined && this.mayBreak(at)) choices.push({ at, opens: false, depth, rank: 0 });
  }
}

interface Choice {
  /** The piece before which the line breaks, or the bracket that is opened up. */
  readonly at: number;
  readonly opens: boolean;
  readonly depth: number;
  /** -1: opening a block; then what binds least. */
  readonly rank: number;
}
/** The outermost; of these a block, or the last of those that bind least. */
function best(choices: readonly Choice[]): Choice | null {
  const depth = Math.min(...choices.map((one) => one.depth));
  const outermost = choices.filter((one) => one.depth === depth);
  const rank = Math.min(...outermost.map((one) => one.rank));
  const of = outermost.filter((one) => one.rank === rank);
  return (rank < 0 ? of[0] : of.at(-1)) ?? null;
}
