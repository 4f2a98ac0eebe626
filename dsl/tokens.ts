import { createToken, Lexer, type TokenType } from "chevrotain";

// The words and marks of `.ada`: one row per token. The lexer, the parser's vocabulary, the messages ("expected …") and the
// highlighter all read this table. Invariant: a hard keyword is never a name; a soft keyword is also a name (category `Id`), so a
// program may call a parameter `loss`, `from` or `step`. After `.` and before `:` every word is a name (category `Word`).

export type Highlight =
  | "declaration"
  | "control"
  | "modifier"
  | "constant"
  | "name"
  | "number"
  | "string"
  | "pattern"
  | "operator"
  | "bracket"
  | "punctuation"
  | "comment"
  | "documentation"
  | "none";
export type TokenRole = "hard" | "soft" | "mark" | "literal" | "name" | "trivia";
export interface TokenRow {
  readonly name: string;
  readonly role: TokenRole;
  /** The exact text of a keyword or mark. */
  readonly text?: string;
  readonly pattern?: RegExp;
  readonly highlight: Highlight;
  /** How a message calls it when it has no fixed text. */
  readonly words?: string;
}

const hard = (highlight: Highlight, list: string): TokenRow[] =>
  list.split(" ").map((text) => ({ name: `K_${text}`, role: "hard", text, highlight }));
const soft = (highlight: Highlight, list: string): TokenRow[] =>
  list.split(" ").map((text) => ({ name: `K_${text}`, role: "soft", text, highlight }));
const mark = (highlight: Highlight, name: string, text: string): TokenRow => ({ name, role: "mark", text, highlight });

/** Order matters: the first row that matches wins, so longer marks stand before their prefixes. */
export const tokenRows: readonly TokenRow[] = [
  { name: "Space", role: "trivia", pattern: /\s+/, highlight: "none" },
  { name: "Comment", role: "trivia", pattern: /\/\/[^\n]*/, highlight: "comment" },
  { name: "Text", role: "literal", pattern: /"(?:\\.|[^"\\\n])*"/, highlight: "string", words: "a text in quotes" },
  { name: "OpenText", role: "literal", pattern: /"(?:\\.|[^"\\\n])*\\?/, highlight: "string", words: "a text in quotes" },
  { name: "Pattern", role: "literal", pattern: /`[^`\n]*`/, highlight: "pattern", words: "a pattern in backquotes" },
  { name: "OpenPattern", role: "literal", pattern: /`[^`\n]*/, highlight: "pattern", words: "a pattern in backquotes" },
  { name: "Numeral", role: "literal", pattern: /\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?/, highlight: "number", words: "a number" },

  ...hard("declaration", "import fn"),
  ...hard("modifier", "fused"),
  ...hard("control", "let tap return minimize require update expect for in if else write measure forall"),
  ...hard("operator", "and or not"),
  ...hard("constant", "true false none"),

  ...soft(
    "declaration",
    "type const loss module part param state forward model keys surgery dataset source order field grammar prompt schedule step optimizer precision train evaluate test property gradcheck",
  ),
  ...soft("modifier", "host as from under frozen trained one of each like by with random updates when then to watch"),
  ...soft("control", "data batch accumulate micro_steps gradient save log preview seed compat remat every otherwise report"),

  { name: "Id", role: "name", pattern: /[A-Za-z_][A-Za-z0-9_]*/, highlight: "name", words: "a name" },

  mark("operator", "Arrow", "->"),
  mark("operator", "Pipe", "|>"),
  mark("operator", "Power", "**"),
  mark("punctuation", "Dots3", "..."),
  mark("operator", "Dots", ".."),
  mark("operator", "Equal", "=="),
  mark("operator", "NotEqual", "!="),
  mark("operator", "LessEqual", "<="),
  mark("operator", "GreaterEqual", ">="),
  mark("punctuation", "FatArrow", "=>"),
  mark("operator", "Less", "<"),
  mark("operator", "Greater", ">"),
  mark("operator", "Assign", "="),
  mark("operator", "Bar", "|"),
  mark("bracket", "OpenParen", "("),
  mark("bracket", "CloseParen", ")"),
  mark("bracket", "OpenBracket", "["),
  mark("bracket", "CloseBracket", "]"),
  mark("bracket", "OpenBrace", "{"),
  mark("bracket", "CloseBrace", "}"),
  mark("punctuation", "Colon", ":"),
  mark("punctuation", "Comma", ","),
  mark("punctuation", "Dot", "."),
  mark("operator", "Plus", "+"),
  mark("operator", "Minus", "-"),
  mark("operator", "Star", "*"),
  mark("operator", "Slash", "/"),
  mark("operator", "Question", "?"),
  mark("operator", "Caret", "^"),
];

/** Any word at all, hard keywords included. */
export const Word = createToken({ name: "Word", pattern: Lexer.NA });
const idRow = tokenRows.find((row) => row.role === "name")!;
export const Id = createToken({ name: idRow.name, pattern: idRow.pattern!, categories: [Word] });

const escapeText = (text: string): RegExp => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
function tokenTypeOf(row: TokenRow): TokenType {
  switch (row.role) {
    case "hard":
      return createToken({ name: row.name, pattern: escapeText(row.text!), longer_alt: Id, categories: [Word] });
    case "soft":
      return createToken({ name: row.name, pattern: escapeText(row.text!), longer_alt: Id, categories: [Id, Word] });
    case "mark":
      return createToken({ name: row.name, pattern: row.text! });
    case "name":
      return Id;
    case "literal":
      return createToken({ name: row.name, pattern: row.pattern!, categories: openForms[row.name] ?? [] });
    case "trivia":
      return createToken({
        name: row.name,
        pattern: row.pattern!,
        group: row.name === "Comment" ? "comments" : Lexer.SKIPPED,
        line_breaks: row.name === "Space",
      });
    default:
      return row.role satisfies never;
  }
}
// An unclosed text or pattern is read as one that ends with its line, so the parser goes on; the lexer step reports it.
const Text = createToken({ name: "Text", pattern: tokenRows.find((row) => row.name === "Text")!.pattern! });
const Pattern = createToken({ name: "Pattern", pattern: tokenRows.find((row) => row.name === "Pattern")!.pattern! });
const openForms: Readonly<Record<string, TokenType[]>> = { OpenText: [Text], OpenPattern: [Pattern] };
const made = new Map<string, TokenType>([
  ["Text", Text],
  ["Pattern", Pattern],
  ["Id", Id],
]);
const typeByName = new Map(tokenRows.map((row) => [row.name, made.get(row.name) ?? tokenTypeOf(row)] as const));
const rowByName = new Map(tokenRows.map((row) => [row.name, row] as const));

/** The token type of a keyword (`keyword("let")`); a word that is not in the table is our mistake. */
export function keyword(word: string): TokenType {
  const found = typeByName.get(`K_${word}`);
  if (!found) throw new Error(`internal: no keyword ${word}`);
  return found;
}
const markType = (name: string): TokenType => {
  const found = typeByName.get(name);
  if (!found) throw new Error(`internal: no token ${name}`);
  return found;
};
/** The marks and literals by name. */
export const M = {
  arrow: markType("Arrow"),
  pipe: markType("Pipe"),
  power: markType("Power"),
  dots3: markType("Dots3"),
  dots: markType("Dots"),
  equal: markType("Equal"),
  notEqual: markType("NotEqual"),
  lessEqual: markType("LessEqual"),
  greaterEqual: markType("GreaterEqual"),
  fatArrow: markType("FatArrow"),
  less: markType("Less"),
  greater: markType("Greater"),
  assign: markType("Assign"),
  bar: markType("Bar"),
  openParen: markType("OpenParen"),
  closeParen: markType("CloseParen"),
  openBracket: markType("OpenBracket"),
  closeBracket: markType("CloseBracket"),
  openBrace: markType("OpenBrace"),
  closeBrace: markType("CloseBrace"),
  colon: markType("Colon"),
  comma: markType("Comma"),
  dot: markType("Dot"),
  plus: markType("Plus"),
  minus: markType("Minus"),
  star: markType("Star"),
  slash: markType("Slash"),
  question: markType("Question"),
  caret: markType("Caret"),
  text: Text,
  openText: markType("OpenText"),
  pattern: Pattern,
  openPattern: markType("OpenPattern"),
  numeral: markType("Numeral"),
} as const;

// A keyword that begins another (`or`, `order`) must be tried after it.
const keywordsLongestFirst = tokenRows
  .filter((row) => row.role === "hard" || row.role === "soft")
  .sort((a, b) => b.text!.length - a.text!.length);
const others = (roles: readonly TokenRole[]): TokenType[] =>
  tokenRows.filter((row) => roles.includes(row.role)).map((row) => typeByName.get(row.name)!);
export const vocabulary: TokenType[] = [
  ...others(["trivia", "literal"]),
  ...keywordsLongestFirst.map((row) => typeByName.get(row.name)!),
  Id,
  ...others(["mark"]),
  Word,
];

/** How a message names a token type: `` `->` ``, "a name". */
export function tokenWords(type: TokenType): string {
  if (type === Word) return "a name";
  const row = rowByName.get(type.name);
  if (!row) return "the end of the file";
  return row.text ? `\`${row.text}\`` : (row.words ?? row.name);
}

/** The row of a token, for the highlighter. */
export function tokenRow(type: TokenType): TokenRow | undefined {
  return rowByName.get(type.name);
}

const hardWords = new Set(tokenRows.filter((row) => row.role === "hard").map((row) => row.text));
/** A word that can never be a name. */
export function isHardKeyword(word: string): boolean {
  return hardWords.has(word);
}
