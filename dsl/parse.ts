import { type CstNode, type ILexingError, type ILexingResult, type IRecognitionException, type IToken, Lexer } from "chevrotain";
import type { File, Item } from "./ast.ts";
import { BuildContext } from "./build/cst.ts";
import { buildItem } from "./build/items.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { diagnose } from "./diagnostics.ts";
import { readExpectation, startCountingErrors, TooManyErrors } from "./expected.ts";
import { adaParser, TooDeep } from "./grammar.ts";
import { cutIntoItems, readBrackets } from "./segments.ts";
import type { Span } from "./span.ts";
import { characterAdvice, closeOf, syntaxAdvice } from "./syntaxAdvice.ts";
import { M, tokenRow, vocabulary } from "./tokens.ts";

// Text in, abstract tree out. Invariants: it never throws, whatever the text; its time is linear in the text; every span lies within the
// text; a text without error diagnostics has no error nodes. Where a name is missing after a mistake, the tree holds a name without letters.

/** A comment as it stands; `isDoc` for `///`. The formatter puts them back by position. */
export interface Comment {
  readonly span: Span;
  readonly isDoc: boolean;
}
export interface Parsed {
  readonly file: File;
  readonly diagnostics: readonly Diagnostic[];
  readonly comments: readonly Comment[];
}

const mostCharacters = 4_000_000;
const mostBrackets = 40;
/** Of one file; nobody reads more at once, and a file of noise should not take long to print. */
const mostDiagnostics = 100;
let lexer: Lexer | undefined;

/** Reads one file. `file` is the path that spans carry. */
export function parse(file: string, text: string): Parsed {
  const whole: Span = { file, start: 0, end: text.length };
  if (text.length > mostCharacters) {
    const diagnostic = diagnose("syntax/file-too-large", { file, start: 0, end: 0 }, { size: text.length, most: mostCharacters });
    return { file: { kind: "file", items: [], span: whole }, diagnostics: [diagnostic], comments: [] };
  }
  const lexed = tokenize(text);
  const commentTokens = lexed.groups.comments ?? [];
  const context = new BuildContext(file, docReader(text, commentTokens));
  const lexical: Diagnostic[] = [
    ...lexed.errors.flatMap((one, i) => (closesQuote(text, lexed.errors[i - 1], one) ? [] : [unknownCharacter(file, text, one)])),
    ...lexed.tokens.flatMap((one) => unclosedLiteral(context, one) ?? []),
  ];
  lexical.sort(byPlace);
  const diagnostics = [...lexical];
  const stretches = cutIntoItems(lexed.tokens, text);
  const items = stretches.map((stretch, i) => {
    const found: Diagnostic[] = [];
    const next = stretches[i + 1]?.[0];
    const item = parseItem(context, found, stretch, next);
    // Text that could not be cut into tokens is the cause of what the parser says behind it.
    const cause = firstFrom(lexical, stretch[0]!.startOffset) ?? Number.POSITIVE_INFINITY;
    const isEcho = (one: Diagnostic): boolean =>
      cause < (next?.startOffset ?? Number.POSITIVE_INFINITY) && (one.code === "syntax/unclosed-bracket" || one.span.start >= cause);
    diagnostics.push(...found.filter((one) => !isEcho(one)));
    return item;
  });
  diagnostics.push(...context.diagnostics);
  diagnostics.sort(byPlace);
  const comments = commentTokens.map((one) => ({ span: context.spanOfToken(one), isDoc: isDoc(one.image) }));
  return { file: { kind: "file", items, span: whole }, diagnostics: diagnostics.slice(0, mostDiagnostics), comments };
}

/** Tokens, comments and what is no token. */
export function tokenize(text: string): ILexingResult {
  lexer ??= new Lexer(vocabulary);
  return lexer.tokenize(text);
}

/** The tokens of an item and the concrete tree over them. */
export interface ItemTokens {
  readonly tokens: readonly IToken[];
  readonly tree: CstNode;
}
/** A text without syntax errors as the formatter sees it: items with all their tokens, and the comments. */
export function readItems(text: string): { readonly items: readonly ItemTokens[]; readonly comments: readonly IToken[] } {
  const lexed = tokenize(text);
  const parser = adaParser();
  const items = cutIntoItems(lexed.tokens, text).map((tokens): ItemTokens => {
    parser.input = tokens;
    return { tokens, tree: parser.item() };
  });
  return { items, comments: lexed.groups.comments ?? [] };
}

const byPlace = (a: Diagnostic, b: Diagnostic): number => a.span.start - b.span.start || a.span.end - b.span.end;
/** Where the first of them at or behind an offset begins. */
function firstFrom(sorted: readonly Diagnostic[], offset: number): number | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.span.start < offset) low = middle + 1;
    else high = middle;
  }
  return sorted[low]?.span.start;
}

/** One item from its tokens. `next` is what stands behind it. */
function parseItem(context: BuildContext, diagnostics: Diagnostic[], stretch: IToken[], next: IToken | undefined): Item {
  const last = stretch.at(-1)!;
  const errorItem: Item = { kind: "errorItem", doc: null, span: context.span(stretch[0]!.startOffset, context.spanOfToken(last).end) };
  const { tooDeep } = readBrackets(stretch, mostBrackets);
  if (tooDeep) {
    diagnostics.push(diagnose("syntax/too-deep", context.spanOfToken(tooDeep), { most: mostBrackets }));
    return errorItem;
  }
  const parser = adaParser();
  parser.input = stretch;
  startCountingErrors();
  try {
    const tree = parser.item();
    diagnostics.push(...syntaxErrors(context, parser.errors, stretch, next));
    return tree ? buildItem(context, tree) : errorItem;
  } catch (thrown) {
    if (thrown instanceof TooDeep) {
      const at = Number.isNaN(thrown.offset) ? errorItem.span.end - 1 : thrown.offset;
      diagnostics.push(diagnose("syntax/too-deep", context.span(at, at + 1), { most: mostBrackets }));
    } else if (thrown instanceof TooManyErrors) {
      diagnostics.push(...syntaxErrors(context, parser.errors, stretch, next));
    } else throw thrown;
    return errorItem;
  }
}

// ---- messages ------------------------------------------------------------------------------------------------------------------
/** Words at which reading starts anew after a mistake; a second error before the next of them is an echo of the first. */
const startsAnew = (token: IToken): boolean => {
  const row = tokenRow(token.tokenType);
  return (
    row !== undefined && (row.role === "hard" || row.role === "soft") && (row.highlight === "declaration" || row.highlight === "control")
  );
};

function syntaxErrors(
  context: BuildContext,
  errors: readonly IRecognitionException[],
  stretch: readonly IToken[],
  next: IToken | undefined,
): Diagnostic[] {
  const placed = errors
    .map((error) => ({ error, at: Number.isNaN(error.token.startOffset) ? Number.POSITIVE_INFINITY : error.token.startOffset }))
    .sort((a, b) => a.at - b.at);
  const found: Diagnostic[] = [];
  let quietUntil = -1;
  let before: IRecognitionException | undefined;
  for (const { error, at } of placed) {
    if (at < quietUntil || (before && continues(before, error))) continue;
    // What stands behind an item that broke off is no mistake of its own.
    if (before && error.name === "NotAllInputParsedException") continue;
    // After an earlier mistake the end is only worth a word when a bracket is open there.
    if (before && at === Number.POSITIVE_INFINITY && readBrackets(stretch, at).isBalanced) continue;
    before = error;
    found.push(at === Number.POSITIVE_INFINITY ? endsTooEarly(context, error, stretch, next) : unexpected(context, error, stretch));
    quietUntil = stretch.find((token) => token.startOffset > at && startsAnew(token))?.startOffset ?? Number.POSITIVE_INFINITY;
    if (quietUntil === Number.POSITIVE_INFINITY) break;
  }
  return found;
}

/** Rules that hold a list in braces: a mistake between two entries says nothing about the entries behind it. */
const lists: ReadonlySet<string> = new Set(
  "block moduleItem trainItem evaluateItem datasetItem keysItem surgeryItem grammarItem optimizerItem propertyItem".split(" "),
);
/** Whether the second error arose inside the very construct that the first one broke. */
function continues(first: IRecognitionException, second: IRecognitionException): boolean {
  const broken = first.context.ruleStack;
  return !lists.has(broken.at(-1) ?? "") && broken.every((rule, i) => second.context.ruleStack[i] === rule);
}

function words(token: IToken | undefined): string {
  if (!token) return "the end of the file";
  return `\`${token.image.length > 30 ? `${token.image.slice(0, 27)}…` : token.image}\``;
}

function unexpected(context: BuildContext, error: IRecognitionException, stretch: readonly IToken[]): Diagnostic {
  const { token } = error;
  const { expected, place, help } = readExpectation(error.message);
  const opener = readBrackets(stretch, Number.POSITIVE_INFINITY, token.startOffset).unclosed.at(-1);
  const isCloser = [")", "]", "}"].includes(token.image);
  const related =
    opener && isCloser && closeOf[opener.image] !== token.image ? [{ span: context.spanOfToken(opener), label: "opened here" }] : [];
  const advice = syntaxAdvice({
    tokens: stretch,
    at: stretch.indexOf(token),
    expected,
    place,
    opener,
    spanOf: (one) => context.spanOfToken(one),
  });
  const general = help === undefined ? {} : { help };
  return diagnose(
    "syntax/unexpected",
    context.spanOfToken(token),
    { found: words(token), expected, place },
    { related, ...general, ...advice },
  );
}

function endsTooEarly(
  context: BuildContext,
  error: IRecognitionException,
  stretch: readonly IToken[],
  next: IToken | undefined,
): Diagnostic {
  const opener = readBrackets(stretch, Number.POSITIVE_INFINITY).unclosed.at(-1);
  if (opener)
    return diagnose("syntax/unclosed-bracket", context.spanOfToken(opener), { open: opener.image, close: closeOf[opener.image] ?? "" });
  const { end } = context.spanOfToken(stretch.at(-1)!);
  const { expected, place, help } = readExpectation(error.message);
  const span = next ? context.spanOfToken(next) : context.span(end, end);
  return diagnose("syntax/unexpected", span, { found: words(next), expected, place }, help === undefined ? {} : { help });
}

function unknownCharacter(file: string, text: string, error: ILexingError): Diagnostic {
  const span = { file, start: error.offset, end: error.offset + Math.max(1, error.length) };
  const found = text.slice(span.start, span.end);
  return diagnose(
    "syntax/unknown-character",
    span,
    { text: found.length > 2 ? "this text" : `\`${found}\`` },
    characterAdvice(found, span),
  );
}

/** Whether this is the second of two single quotes around a text. */
function closesQuote(text: string, before: ILexingError | undefined, { offset }: ILexingError): boolean {
  return before !== undefined && text[offset] === "'" && text[before.offset] === "'" && !text.slice(before.offset, offset).includes("\n");
}

function unclosedLiteral(context: BuildContext, token: IToken): Diagnostic | undefined {
  if (token.tokenType === M.openText) return diagnose("syntax/unclosed-text", context.spanOfToken(token), {});
  if (token.tokenType === M.openPattern) return diagnose("syntax/unclosed-pattern", context.spanOfToken(token), {});
  return undefined;
}

// ---- documentation -------------------------------------------------------------------------------------------------------------
const isDoc = (image: string): boolean => image.startsWith("///") && !image.startsWith("////");

/** Finds the `///` lines right before an offset: only white space and other comments on lines of their own may stand between. */
function docReader(text: string, comments: readonly IToken[]): (offset: number) => string | null {
  const endsAt = new Map(comments.map((one, at) => [one.startOffset + one.image.length, at] as const));
  const skipSpace = (offset: number): number => {
    let at = offset;
    while (at > 0 && /\s/.test(text[at - 1]!)) at -= 1;
    return at;
  };
  return (offset) => {
    const lines: string[] = [];
    let comment = comments[endsAt.get(skipSpace(offset)) ?? -1];
    while (comment) {
      const before = skipSpace(comment.startOffset);
      const isOwnLine = before === 0 || text.slice(before, comment.startOffset).includes("\n");
      if (!isOwnLine) break;
      if (isDoc(comment.image)) lines.unshift(comment.image.slice(3).trim());
      comment = comments[endsAt.get(before) ?? -1];
    }
    return lines.length === 0 ? null : lines.join("\n");
  };
}
