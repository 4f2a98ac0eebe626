import type { IToken, TokenType } from "chevrotain";
import { Id, keyword, M } from "./tokens.ts";

// Cuts a file's tokens into one stretch per item, before parsing. In: all tokens. Out: stretches that cover them in order.
// An item begins with its keyword and what must follow it (`const NAME =`), outside of all brackets. So a mistake stays within its item,
// and recovery never looks further than the item's end. Where brackets do not match, indentation decides: an item begins at a line's start.

type Follow = TokenType | "name" | "text";
interface Head {
  readonly words: readonly string[];
  /** What the tokens after the keyword may be, one set per place. */
  readonly follows: readonly (readonly Follow[])[];
}
const heads: readonly Head[] = [
  { words: ["import", "fused"], follows: [] },
  { words: ["fn", "loss", "module", "dataset", "optimizer", "step"], follows: [["name"], [M.openParen]] },
  { words: ["type"], follows: [["name"], [M.assign]] },
  { words: ["const"], follows: [["name"], [M.colon, M.assign]] },
  {
    words: ["model"],
    follows: [["name"], [M.assign, keyword("from"), keyword("frozen"), keyword("trained"), keyword("keys"), keyword("surgery")]],
  },
  { words: ["state"], follows: [["name"], [M.colon]] },
  { words: ["keys"], follows: [["name"], [keyword("for")]] },
  { words: ["surgery"], follows: [["name"], [M.openParen, keyword("for")]] },
  { words: ["grammar", "evaluate"], follows: [["name"], [M.openBrace]] },
  { words: ["train"], follows: [["name"], [M.openBrace, keyword("like")]] },
  { words: ["prompt", "schedule"], follows: [["name"], [M.openParen, M.assign]] },
  { words: ["precision"], follows: [[M.openBrace]] },
  { words: ["test", "property"], follows: [["text"], [M.openBrace]] },
  { words: ["gradcheck"], follows: [["name"]] },
];
const headOf = new Map(heads.flatMap((head) => head.words.map((word) => [keyword(word), head] as const)));
const openerOf = new Map<TokenType, TokenType>([
  [M.closeParen, M.openParen],
  [M.closeBracket, M.openBracket],
  [M.closeBrace, M.openBrace],
]);
const openers: ReadonlySet<TokenType> = new Set(openerOf.values());

const isName = (token: IToken): boolean => token.tokenType === Id || (token.tokenType.CATEGORIES ?? []).includes(Id);
const isText = (token: IToken): boolean => token.tokenType === M.text || token.tokenType === M.openText;
function fits(token: IToken | undefined, follow: Follow): boolean {
  if (!token) return false;
  if (follow === "name") return isName(token);
  return follow === "text" ? isText(token) : token.tokenType === follow;
}

/** Whether the token at `at` begins an item. */
function isHead(tokens: readonly IToken[], at: number): boolean {
  const type = tokens[at]!.tokenType;
  // After a dot and before a colon every word is a name.
  if (tokens[at - 1]?.tokenType === M.dot || tokens[at + 1]?.tokenType === M.colon) return false;
  const head = headOf.get(type);
  if (!head?.follows.every((follows, i) => follows.some((follow) => fits(tokens[at + 1 + i], follow)))) return false;
  if (type === keyword("fn")) return tokens[at - 1]?.tokenType !== keyword("fused");
  if (type === keyword("surgery") && tokens[at + 2]!.tokenType === M.openParen) return !callsSurgery(tokens, at + 2);
  return true;
}
/** `model m from f surgery widen(noise: 0)` calls a surgery, `surgery widen(noise: Real) for Net {` defines one. */
function callsSurgery(tokens: readonly IToken[], open: number): boolean {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    if (tokens[at]!.tokenType === M.openParen) depth++;
    if (tokens[at]!.tokenType === M.closeParen && --depth === 0) return tokens[at + 1]?.tokenType !== keyword("for");
  }
  return true;
}

/** What is wrong with the brackets of a stretch, and how deep they go. */
export interface Brackets {
  readonly unclosed: readonly IToken[];
  /** A closing bracket that closes nothing. */
  readonly isBalanced: boolean;
  /** The first opening bracket deeper than `most`. */
  readonly tooDeep: IToken | undefined;
}
export function readBrackets(tokens: readonly IToken[], most: number, until = Number.POSITIVE_INFINITY): Brackets {
  const open: IToken[] = [];
  let isBalanced = true;
  let tooDeep: IToken | undefined;
  for (const token of tokens) {
    if (token.startOffset >= until) break;
    if (openers.has(token.tokenType)) {
      open.push(token);
      if (open.length > most) tooDeep ??= token;
    }
    const opener = openerOf.get(token.tokenType);
    if (!opener) continue;
    if (open.at(-1)?.tokenType === opener) open.pop();
    else isBalanced = false;
  }
  return { unclosed: open, isBalanced: isBalanced && open.length === 0, tooDeep };
}

/** The stretches of a file's items. */
export function cutIntoItems(tokens: readonly IToken[], text: string): IToken[][] {
  const { isBalanced } = readBrackets(tokens, Number.POSITIVE_INFINITY);
  const startsLine = (token: IToken): boolean => token.startOffset === 0 || text[token.startOffset - 1] === "\n";
  const stretches: IToken[][] = [];
  let depth = 0;
  tokens.forEach((token, at) => {
    const begins = (isBalanced ? depth === 0 : startsLine(token)) && isHead(tokens, at);
    if (begins || stretches.length === 0) stretches.push([]);
    stretches.at(-1)!.push(token);
    if (openers.has(token.tokenType)) depth++;
    if (openerOf.has(token.tokenType)) depth--;
  });
  return stretches;
}
