import type { CstElement, CstNode, IToken } from "chevrotain";
import type { ItemTokens } from "../parse.ts";

// What the formatter knows about each token: which rule of the grammar it stands in, which bracket it opens or closes, whether an entry of
// a block begins with it, and which comments and line breaks stand before it. In: tokens with their trees. Out: pieces in the same order.

export interface PieceComment {
  readonly text: string;
  /** It stands alone on its line; else it belongs to the line before it. */
  readonly ownLine: boolean;
  readonly blankBefore: boolean;
  /** Where it began in its line. */
  readonly column: number;
}
/** What begins with a token: a statement, a setting, an item, a field of a record. */
export interface Entry {
  /** Rule of the grammar, with `let`, `field`, … of a data set told apart. */
  readonly kind: string;
  readonly last: number;
  /** Tokens that may stand below those of neighbouring entries. */
  readonly columns: readonly number[];
}
/** Braces with entries: `stacked` one below the other, `rows` as the author put them on lines, `single` around one expression. */
export type BlockStyle = "stacked" | "rows" | "single";
export interface Piece {
  readonly image: string;
  /** The rule the token belongs to, and the rule around that. */
  rule: string;
  outer: string;
  label: string;
  readonly comments: readonly PieceComment[];
  readonly newlineBefore: boolean;
  readonly blankBefore: boolean;
  /** The other bracket, or -1. */
  partner: number;
  opens: boolean;
  style: BlockStyle | null;
  /** How many entries the block has that opens here. */
  entries: number;
  entry: Entry | null;
  field: Entry | null;
}

const stackedRules: ReadonlySet<string> = new Set(
  "block moduleItem datasetItem grammarItem surgeryItem optimizerItem evaluateItem propertyItem".split(" "),
);
const rowRules: ReadonlySet<string> = new Set(["trainItem", "optimizerSetting", "keysItem"]);
const entryRules: ReadonlySet<string> = new Set(
  "statement moduleMember datasetMember grammarRule keyRule surgeryRule setting evaluateMember optimizerState optimizerGroup item".split(
    " ",
  ),
);
/** Which tokens of an entry stand in columns, by the label they have in its rule. */
const columnLabels: Readonly<Record<string, readonly string[]>> = {
  letStmt: ["Assign"],
  letMember: ["Assign"],
  tapStmt: ["Assign"],
  updateStmt: ["Assign"],
  part: ["Assign"],
  constItem: ["Assign"],
  modelItem: ["Assign", "K_from"],
  scheduleItem: ["Assign"],
  promptItem: ["Assign"],
  grammarRule: ["Assign"],
  surgeryRule: ["Assign"],
  keyRule: ["Arrow"],
  leaf: ["Colon"],
  optimizerState: ["Colon"],
  fieldMember: ["Colon"],
  measureStmt: ["Colon"],
  fieldValue: ["Colon"],
  fieldType: ["Colon"],
};
const openers = new Map([
  ["(", ")"],
  ["[", "]"],
  ["{", "}"],
]);

/** The pieces of a whole file. The last one is the end of the file: empty, with the comments behind the last item. */
export function readPieces(text: string, items: readonly ItemTokens[], comments: readonly IToken[]): Piece[] {
  const tokens = items.flatMap((item) => item.tokens);
  const pieces = withTrivia(text, tokens, comments);
  pairBrackets(pieces);
  const at = new Map(tokens.map((token, index) => [token.startOffset, index] as const));
  for (const { tree } of items) markTree(tree, "file", pieces, at);
  return pieces;
}

/** Tokens and comments in the order of the text, with the line breaks between them. */
function withTrivia(text: string, tokens: readonly IToken[], comments: readonly IToken[]): Piece[] {
  const pieces: Piece[] = [];
  let next = 0;
  let end = 0;
  const gapTo = (offset: number): { newline: boolean; blank: boolean } => {
    const lines = text.slice(end, offset).split("\n").length - 1;
    return { newline: lines > 0, blank: lines > 1 };
  };
  for (let i = 0; i <= tokens.length; i++) {
    const token = tokens[i];
    const start = token?.startOffset ?? text.length;
    const before: PieceComment[] = [];
    for (; next < comments.length && comments[next]!.startOffset < start; next++) {
      const comment = comments[next]!;
      const { newline, blank } = gapTo(comment.startOffset);
      before.push({
        text: comment.image.trimEnd(),
        ownLine: newline || end === 0,
        blankBefore: blank,
        column: comment.startOffset - (text.lastIndexOf("\n", comment.startOffset - 1) + 1),
      });
      end = comment.startOffset + comment.image.length;
    }
    const { newline, blank } = gapTo(start);
    pieces.push({
      image: token?.image ?? "",
      rule: "",
      outer: "",
      label: "",
      comments: before,
      newlineBefore: newline,
      blankBefore: blank,
      partner: -1,
      opens: false,
      style: null,
      entries: 0,
      entry: null,
      field: null,
    });
    end = start + (token?.image.length ?? 0);
  }
  return pieces;
}

function pairBrackets(pieces: readonly Piece[]): void {
  const open: number[] = [];
  pieces.forEach((piece, i) => {
    if (openers.has(piece.image)) {
      piece.opens = true;
      open.push(i);
      return;
    }
    const from = open.at(-1);
    if (from === undefined || openers.get(pieces[from]!.image) !== piece.image) return;
    open.pop();
    piece.partner = from;
    pieces[from]!.partner = i;
  });
}

const isNode = (element: CstElement): element is CstNode => "children" in element;

/** Writes into the pieces what the tree says about them; answers the places of the node's first and last token. */
function markTree(node: CstNode, outer: string, pieces: Piece[], at: ReadonlyMap<number, number>): { first: number; last: number } {
  let first = Number.POSITIVE_INFINITY;
  let last = -1;
  const own: number[] = [];
  for (const [label, elements] of Object.entries(node.children)) {
    for (const element of elements) {
      if (isNode(element)) {
        const inner = markTree(element, node.name, pieces, at);
        first = Math.min(first, inner.first);
        last = Math.max(last, inner.last);
        continue;
      }
      const index = at.get(element.startOffset)!;
      const piece = pieces[index]!;
      piece.rule = node.name;
      piece.outer = outer;
      piece.label = label;
      own.push(index);
      first = Math.min(first, index);
      last = Math.max(last, index);
    }
  }
  if (last < 0) return { first, last };
  styleBraces(node, own, pieces);
  const kind = kindOf(node, pieces[first]!.image);
  const columns = (columnLabels[kind] ?? []).flatMap((label) => own.filter((i) => pieces[i]!.label === label));
  if (node.name === "fieldValue" || node.name === "fieldType") pieces[first]!.field = { kind, last, columns };
  else if (entryRules.has(node.name)) pieces[first]!.entry ??= { kind, last, columns };
  else if (columnLabels[kind] !== undefined) pieces[first]!.entry = { kind, last, columns };
  return { first, last };
}

/** Which tokens begin an entry that has no rule of its own, and how many entries each block has. */
function styleBraces(node: CstNode, own: readonly number[], pieces: Piece[]): void {
  const open = own.find((i) => pieces[i]!.image === "{" && pieces[i]!.partner >= 0);
  if (node.name === "propertyItem") beginEntry(own, "K_forall", pieces);
  if (node.name === "optimizerItem") beginEntry(own, "K_step", pieces);
  if (open === undefined) return;
  const style = stackedRules.has(node.name) ? "stacked" : rowRules.has(node.name) ? "rows" : node.name === "body" ? bodyStyle(node) : null;
  if (!style) return;
  const lists = Object.entries(node.children).flatMap(([, elements]) => elements.filter(isNode));
  const extra = node.name === "propertyItem" || node.name === "optimizerItem" ? 1 : 0;
  pieces[open]!.style = style;
  pieces[open]!.entries = style === "single" ? 1 : lists.filter((one) => entryRules.has(one.name)).length + extra;
}
const bodyStyle = (node: CstNode): BlockStyle => (node.children.statement ? "stacked" : "single");
function beginEntry(own: readonly number[], label: string, pieces: Piece[]): void {
  const index = own.find((i) => pieces[i]!.label === label);
  if (index !== undefined) pieces[index]!.entry = { kind: label, last: index, columns: [] };
}

/** Entries of a data set have one rule: their first word tells them apart. */
function kindOf(node: CstNode, word: string): string {
  if (node.name !== "datasetMember") return node.name;
  return `${word}Member`;
}
