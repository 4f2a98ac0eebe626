import type { IToken } from "chevrotain";
import type { NumberLit, PatternItem, PatternLit, StringLit } from "../ast.ts";
import { diagnose } from "../diagnostics.ts";
import type { Span } from "../span.ts";
import { M } from "../tokens.ts";
import type { BuildContext } from "./cst.ts";

// Numbers, texts with their escapes, and the small language of patterns between backquotes.

/** A numeral as it is written; one that a float64 cannot keep is reported and becomes 0. */
export function buildNumber(ctx: BuildContext, numeral: IToken): NumberLit {
  const span = ctx.spanOfToken(numeral);
  const value = Number(numeral.image.replaceAll("_", ""));
  const isWhole = /^[\d_]+$/.test(numeral.image);
  if (Number.isFinite(value) && (!isWhole || Number.isSafeInteger(value))) return { kind: "number", value, text: numeral.image, span };
  const text = numeral.image.length > 24 ? `${numeral.image.slice(0, 20)}…` : numeral.image;
  ctx.diagnostics.push(diagnose("syntax/number-too-large", span, { text, most: Number.MAX_SAFE_INTEGER }));
  return { kind: "number", value: 0, text: numeral.image, span };
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", '"': '"', "\\": "\\" };

export function buildText(ctx: BuildContext, literal: IToken): StringLit {
  const span = ctx.spanOfToken(literal);
  const isClosed = literal.image.length > 1 && literal.image.endsWith('"');
  const inner = literal.image.slice(1, isClosed ? -1 : undefined);
  const value = inner.replace(
    /\\u\{([0-9a-fA-F]{1,6})\}|\\(.|$)/g,
    (whole, hex: string | undefined, letter: string | undefined, offset: number) => {
      if (hex !== undefined && Number.parseInt(hex, 16) <= 0x10ffff) return String.fromCodePoint(Number.parseInt(hex, 16));
      const known = escapes[letter ?? ""];
      if (known !== undefined) return known;
      if (letter !== "") {
        const start = span.start + 1 + offset;
        ctx.diagnostics.push(diagnose("syntax/unknown-escape", ctx.span(start, start + whole.length), { escape: whole.slice(1) }));
      }
      return whole;
    },
  );
  return { kind: "string", value, span };
}

// ---- patterns ------------------------------------------------------------------------------------------------------------------
interface PatternToken {
  readonly text: string;
  readonly span: Span;
}
const patternToken = /\s+|->|\.\.\.[A-Za-z_]\w*|[A-Za-z_]\w*|1(?!\w)|[()=]|[^\s]/g;
const isName = (text: string | undefined): text is string => text !== undefined && /^[A-Za-z_]\w*$/.test(text);
const isRow = (text: string | undefined): text is string => text?.startsWith("...") ?? false;

/** `` `...b c h w -> ...b f=(c h w)` `` as its two sides. */
export function buildPattern(ctx: BuildContext, literal: IToken): PatternLit {
  const span = ctx.spanOfToken(literal);
  const inner = literal.image.replace(/^`|`$/g, "");
  const found: PatternToken[] = [...inner.matchAll(patternToken)]
    .filter((match) => match[0].trim() !== "")
    .map((match) => ({ text: match[0], span: ctx.span(span.start + 1 + match.index, span.start + 1 + match.index + match[0].length) }));
  const arrow = found.findIndex((one) => one.text === "->");
  let reported = literal.tokenType === M.openPattern; // then it has been reported as unclosed
  const complain = (at: Span, problem: string): void => {
    if (!reported) ctx.diagnostics.push(diagnose("syntax/bad-pattern", at, { problem }));
    reported = true;
  };
  if (arrow < 0) {
    complain(span, "it has no `->`");
    return { kind: "pattern", left: readSide(ctx, found, complain), right: [], span };
  }
  return {
    kind: "pattern",
    left: readSide(ctx, found.slice(0, arrow), complain),
    right: readSide(ctx, found.slice(arrow + 1), complain),
    span,
  };
}

function readSide(ctx: BuildContext, found: readonly PatternToken[], complain: (at: Span, problem: string) => void): PatternItem[] {
  const items: PatternItem[] = [];
  let at = 0;
  while (at < found.length) {
    const first = found[at]!;
    if (isRow(first.text)) {
      items.push({ kind: "row", name: first.text.slice(3), span: first.span });
      at += 1;
    } else if (first.text === "1") {
      items.push({ kind: "unit", name: null, span: first.span });
      at += 1;
    } else if (first.text === "(") {
      const group = readGroup(found, at, complain);
      items.push({ kind: "group", name: null, parts: group.parts, span: ctx.span(first.span.start, group.end) });
      at = group.next;
    } else if (isName(first.text) && found[at + 1]?.text === "=") {
      const value = found[at + 2];
      if (value?.text === "(") {
        const group = readGroup(found, at + 2, complain);
        items.push({ kind: "group", name: first.text, parts: group.parts, span: ctx.span(first.span.start, group.end) });
        at = group.next;
      } else if (value?.text === "1") {
        items.push({ kind: "unit", name: first.text, span: ctx.span(first.span.start, value.span.end) });
        at += 3;
      } else if (isName(value?.text) || isRow(value?.text)) {
        items.push({ kind: "group", name: first.text, parts: [value!.text], span: ctx.span(first.span.start, value!.span.end) });
        at += 3;
      } else {
        complain(value?.span ?? found[at + 1]!.span, "after `=` stands an axis, `1` or axes in parentheses");
        at += 2;
      }
    } else if (isName(first.text)) {
      items.push({ kind: "axis", name: first.text, span: first.span });
      at += 1;
    } else {
      complain(first.span, `\`${first.text}\` has no meaning in it`);
      at += 1;
    }
  }
  return items;
}

/** `(head d)` beginning at the parenthesis; a row inside keeps its dots. */
function readGroup(
  found: readonly PatternToken[],
  open: number,
  complain: (at: Span, problem: string) => void,
): { readonly parts: string[]; readonly next: number; readonly end: number } {
  const parts: string[] = [];
  let at = open + 1;
  while (at < found.length && found[at]!.text !== ")") {
    const one = found[at]!;
    if (isName(one.text) || isRow(one.text)) parts.push(one.text);
    else complain(one.span, `\`${one.text}\` cannot stand in a group`);
    at += 1;
  }
  if (at >= found.length) complain(found[open]!.span, "`(` is never closed");
  else if (parts.length === 0) complain(found[at]!.span, "a group needs at least one axis");
  return { parts, next: at + 1, end: found[Math.min(at, found.length - 1)]!.span.end };
}
