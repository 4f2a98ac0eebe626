import type { CstNode, IToken } from "chevrotain";
import type {
  Arg,
  Axis,
  BinaryOp,
  Binder,
  Block,
  Expr,
  IndexItem,
  ListComp,
  PartPath,
  PathSegment,
  RecordExpr,
  WatchExpr,
} from "../ast.ts";
import { diagnose } from "../diagnostics.ts";
import { coverSpans, type Span } from "../span.ts";
import { type BuildContext, node, nodes, token, tokens } from "./cst.ts";
import { buildNumber, buildPattern, buildText } from "./literals.ts";
import { buildBlock } from "./statements.ts";
import { buildType } from "./types.ts";

/** An `expr` of the concrete tree: operands with operators, then pipes. `within` is the node that should have held it. */
export function buildExpr(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Expr {
  if (!cst) return ctx.missing(within);
  const targets = nodes(cst, "postfix");
  return ctx.deeper(1 + targets.length, cst, () => {
    const whole = { ...ctx.spanOf(cst), end: ctx.spanOf(cst).start };
    let value = buildOperators(ctx, node(cst, "operators"), cst);
    for (const target of targets) {
      const built = buildPostfix(ctx, target, cst);
      value = { kind: "pipe", value, target: built, span: coverSpans(whole, ctx.spanOf(target)) };
    }
    return value;
  });
}

/** `a`, `a..b`, `a..` */
export function buildRange(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Expr {
  const from = buildExpr(ctx, node(cst, "from"), cst ?? within);
  if (!cst || !token(cst, "Dots")) return from;
  const end = node(cst, "to");
  return { kind: "range", from, to: end ? buildExpr(ctx, end, cst) : null, arrow: false, span: ctx.spanOf(cst, within) };
}

// ---- operators: from weak to strong; `**` groups to the right, all others to the left. A sign before an operand binds less than `**` and
// more than `*`, so `-x ** 2` is -(x ** 2), as in mathematics ----
const ranks: Readonly<Record<BinaryOp, number>> = {
  or: 1,
  and: 2,
  "==": 3,
  "!=": 3,
  "<": 3,
  "<=": 3,
  ">": 3,
  ">=": 3,
  "+": 4,
  "-": 4,
  "*": 5,
  "/": 5,
  "**": 7,
};
const signRank = 6;

function buildOperators(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Expr {
  if (!cst) return ctx.missing(within);
  const operators = tokens(cst, "operator");
  const unaries = nodes(cst, "unary");
  const signs = unaries.reduce((count, one) => count + tokens(one, "sign").length, 0);
  return ctx.deeper(operators.length + signs, cst, () => {
    // An operand's place is that of the concrete node: it includes parentheses, which the expression itself does not.
    const operands = unaries.map((one): Operand => {
      const postfix = node(one, "postfix");
      return {
        signs: tokens(one, "sign"),
        value: { expr: buildPostfix(ctx, postfix, one), span: ctx.spanOf(postfix, one) },
      };
    });
    while (operands.length < operators.length + 1)
      operands.push({ signs: [], value: { expr: ctx.missing(cst), span: ctx.spanAfter(cst) } });
    return groupByRank(ctx, operands, operators);
  });
}

interface Placed {
  readonly expr: Expr;
  readonly span: Span;
}
interface Operand {
  readonly signs: readonly IToken[];
  readonly value: Placed;
}
function groupByRank(ctx: BuildContext, operands: readonly Operand[], operators: readonly IToken[]): Expr {
  const values: Placed[] = [];
  const waiting: { readonly op: BinaryOp | null; readonly token: IToken }[] = [];
  const rankOf = (op: BinaryOp | null): number => (op === null ? signRank : ranks[op]);
  const join = (): void => {
    const { op, token: sign } = waiting.pop()!;
    const right = values.pop()!;
    if (op === null) {
      const span = coverSpans(ctx.spanOfToken(sign), right.span);
      values.push({ expr: { kind: "unary", op: sign.image === "-" ? "-" : "not", operand: right.expr, span }, span });
      return;
    }
    const left = values.pop()!;
    const span = coverSpans(left.span, right.span);
    values.push({ expr: { kind: "binary", op, opSpan: ctx.spanOfToken(sign), left: left.expr, right: right.expr, span }, span });
  };
  const take = ({ signs, value }: Operand): void => {
    for (const sign of signs) waiting.push({ op: null, token: sign });
    values.push(value);
  };
  take(operands[0]!);
  operators.forEach((sign, i) => {
    const op = sign.image as BinaryOp;
    const yields = (other: BinaryOp | null): boolean => rankOf(other) > ranks[op] || (rankOf(other) === ranks[op] && op !== "**");
    while (waiting.length > 0 && yields(waiting.at(-1)!.op)) join();
    waiting.push({ op, token: sign });
    take(operands[i + 1]!);
  });
  while (waiting.length > 0) join();
  return values[0]!.expr;
}

// ---- calls, indices, fields, `watch`, `with` ----
export function buildPostfix(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Expr {
  if (!cst) return ctx.missing(within);
  const suffixes = nodes(cst, "suffix");
  return ctx.deeper(suffixes.length, cst, () => {
    let base = buildPrimary(ctx, node(cst, "primary"), cst);
    const { start } = ctx.spanOf(cst);
    for (const suffix of suffixes) base = buildSuffix(ctx, base, ctx.span(start, ctx.spanOf(suffix).end), suffix);
    return base;
  });
}

function buildSuffix(ctx: BuildContext, base: Expr, span: Span, cst: CstNode): Expr {
  const args = node(cst, "args");
  if (args) return { kind: "call", callee: base, args: buildArgs(ctx, args), span };
  const indices = node(cst, "indices");
  if (indices) return { kind: "index", base, indices: nodes(indices, "index").map((one) => buildIndex(ctx, one)), span };
  const watch = node(cst, "watch");
  if (watch) return buildWatch(ctx, base, span, watch);
  const changes = node(cst, "record");
  if (changes) return { kind: "with", base, changes: buildRecord(ctx, changes), span };
  if (token(cst, "Dot")) return { kind: "field", base, name: ctx.ident(token(cst, "Word"), cst), span };
  return { kind: "error", span };
}

function buildWatch(ctx: BuildContext, base: Expr, span: Span, cst: CstNode): WatchExpr {
  return {
    kind: "watch",
    base,
    paths: nodes(cst, "partPath").map((path) => buildPartPath(ctx, path, cst)),
    as: ctx.ident(token(cst, "Id"), cst),
    span,
  };
}

/** The arguments between parentheses, of `args` or of any rule that holds `arg`s itself. */
export function buildArgs(ctx: BuildContext, cst: CstNode | undefined): Arg[] {
  return nodes(cst, "arg").map((one) => buildArg(ctx, one));
}

function buildArg(ctx: BuildContext, cst: CstNode): Arg {
  const named = token(cst, "argName");
  const name = named ? ctx.ident(named, cst) : null;
  const span = ctx.spanOf(cst);
  if (token(cst, "Dots3")) {
    const row = ctx.ident(token(cst, "Id"), cst);
    return { kind: "arg", name, row: true, value: { kind: "name", name: row.name, span: row.span }, alternatives: [], span };
  }
  let value = buildRange(ctx, node(cst, "range"), cst);
  if (token(cst, "Arrow")) {
    const to = buildExpr(ctx, node(cst, "end"), cst);
    value = {
      kind: "range",
      from: value,
      to,
      arrow: true,
      span: coverSpans(ctx.spanOf(node(cst, "range"), cst), ctx.spanOf(node(cst, "end"), cst)),
    };
  }
  return { kind: "arg", name, row: false, value, alternatives: nodes(cst, "alternative").map((one) => buildExpr(ctx, one, cst)), span };
}

export function buildIndex(ctx: BuildContext, cst: CstNode): IndexItem {
  const named = token(cst, "argName");
  const name = named ? ctx.ident(named, cst) : null;
  const span = ctx.spanOf(cst);
  if (token(cst, "Dots3")) {
    const row = ctx.ident(token(cst, "Id"), cst);
    return { kind: "indexItem", name, row: true, value: { kind: "name", name: row.name, span: row.span }, span };
  }
  if (token(cst, "Star")) return { kind: "indexItem", name, row: false, value: null, span };
  return { kind: "indexItem", name, row: false, value: buildRange(ctx, node(cst, "range"), cst), span };
}

// ---- primaries ----
function buildPrimary(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Expr {
  if (!cst) return ctx.missing(within);
  const span = ctx.spanOf(cst, within);
  const numeral = token(cst, "Numeral");
  if (numeral) return buildNumber(ctx, numeral);
  const text = token(cst, "Text");
  if (text) return buildText(ctx, text);
  const pattern = token(cst, "Pattern");
  if (pattern) return buildPattern(ctx, pattern);
  const name = token(cst, "Id");
  if (name) return { kind: "name", name: name.image, span };
  if (token(cst, "K_true")) return { kind: "bool", value: true, span };
  if (token(cst, "K_false")) return { kind: "bool", value: false, span };
  if (token(cst, "K_none")) return { kind: "none", span };
  const parens = node(cst, "parens");
  if (parens) return buildParens(ctx, parens);
  const brackets = node(cst, "brackets");
  if (brackets) return buildBrackets(ctx, brackets);
  const record = node(cst, "record");
  if (record) return buildRecord(ctx, record);
  const choice = node(cst, "ifExpr");
  if (choice) return buildIf(ctx, choice, false);
  const fn = node(cst, "fnExpr");
  if (fn) return buildFn(ctx, fn);
  return { kind: "error", span };
}

function buildParens(ctx: BuildContext, cst: CstNode): Expr {
  const elements = nodes(cst, "expr").map((one) => buildExpr(ctx, one, cst));
  if (elements.length === 1) return elements[0]!;
  if (elements.length === 0) return { kind: "error", span: ctx.spanOf(cst) };
  return { kind: "tuple", elements, span: ctx.spanOf(cst) };
}

function buildBrackets(ctx: BuildContext, cst: CstNode): Expr {
  const comprehension = node(cst, "comprehension");
  if (comprehension) return buildComprehension(ctx, comprehension, cst);
  return { kind: "bracket", elements: nodes(cst, "axis").map((one) => buildAxis(ctx, one)), span: ctx.spanOf(cst) };
}

/** One entry between brackets of an expression or a type. An `if` without `else` may stand here alone: present or not. */
export function buildAxis(ctx: BuildContext, cst: CstNode): Axis {
  const span = ctx.spanOf(cst);
  if (token(cst, "Dots3")) return { kind: "rowAxis", name: ctx.ident(token(cst, "Id"), cst), span };
  const named = token(cst, "argName");
  const range = node(cst, "range");
  const choice = range && !token(range, "Dots") ? loneIf(node(range, "from")) : undefined;
  const value = choice ? buildIf(ctx, choice, true) : buildRange(ctx, range, cst);
  return { kind: "namedAxis", name: named ? ctx.ident(named, cst) : null, value, span };
}

/** The `if` that an expression consists of, when it is nothing else. */
function loneIf(expr: CstNode | undefined): CstNode | undefined {
  if (!expr || nodes(expr, "postfix").length > 0) return undefined;
  const operators = node(expr, "operators");
  const unary = node(operators, "unary");
  const postfix = node(unary, "postfix");
  if (tokens(operators, "operator").length > 0 || nodes(postfix, "suffix").length > 0) return undefined;
  return node(node(postfix, "primary"), "ifExpr");
}

function buildComprehension(ctx: BuildContext, cst: CstNode, brackets: CstNode): ListComp {
  const where = node(cst, "where");
  const block = node(cst, "block");
  const element = node(cst, "expr");
  const choice = loneIf(element);
  return {
    kind: "listComp",
    binder: buildBinder(ctx, node(cst, "binder"), cst),
    over: buildRange(ctx, node(cst, "range"), cst),
    where: where ? buildExpr(ctx, where, cst) : null,
    body: block ? buildBlock(ctx, block, cst) : choice ? buildIf(ctx, choice, true) : buildExpr(ctx, element, cst),
    span: ctx.spanOf(brackets),
  };
}

export function buildRecord(ctx: BuildContext, cst: CstNode): RecordExpr {
  const fields = nodes(cst, "fieldValue").map((field) => ({
    name: ctx.ident(token(field, "Word"), field),
    value: token(field, "Colon") ? buildExpr(ctx, node(field, "expr"), field) : null,
  }));
  return { kind: "record", fields, span: ctx.spanOf(cst) };
}

function buildIf(ctx: BuildContext, cst: CstNode, isElement: boolean): Expr {
  const span = ctx.spanOf(cst);
  const otherwise = node(cst, "otherwise");
  if (!token(cst, "K_else") && !isElement && !cst.recoveredNode) {
    const word = token(cst, "K_if");
    ctx.diagnostics.push(diagnose("syntax/if-without-else", word ? ctx.spanOfToken(word) : span, {}));
  }
  return ctx.deeper(1, cst, () => ({
    kind: "ifExpr",
    condition: buildExpr(ctx, node(cst, "expr"), cst),
    then: buildBody(ctx, node(cst, "then"), cst),
    otherwise: token(cst, "K_else") ? buildBody(ctx, otherwise, cst) : null,
    span,
  }));
}

function buildBody(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Expr | Block {
  if (!cst) return ctx.missing(within);
  if (nodes(cst, "statement").length > 0) return buildBlock(ctx, cst, within);
  return buildExpr(ctx, node(cst, "expr"), cst);
}

function buildFn(ctx: BuildContext, cst: CstNode): Expr {
  const params = nodes(cst, "fnParam").map((param) => {
    const type = node(param, "type");
    return { binder: buildBinder(ctx, node(param, "binder"), param), type: type ? buildType(ctx, type, param) : null };
  });
  const block = node(cst, "block");
  return ctx.deeper(1, cst, () => ({
    kind: "fnExpr",
    params,
    body: block ? buildBlock(ctx, block, cst) : buildExpr(ctx, node(cst, "expr"), cst),
    span: ctx.spanOf(cst),
  }));
}

/** A name or a tuple of binders; a missing one is a name without letters. */
export function buildBinder(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Binder {
  const nameless = (at: CstNode): Binder => ({ kind: "ident", name: "", span: ctx.spanAfter(at) });
  if (!cst) return nameless(within);
  const name = token(cst, "Id");
  if (name) return ctx.ident(name, cst);
  const built = ctx.deeper(1, cst, () => nodes(cst, "binder").map((one) => buildBinder(ctx, one, cst)));
  if (!Array.isArray(built) || built.length === 0) return nameless(cst);
  if (built.length === 1) return built[0]!;
  return { kind: "tupleBinder", elements: built, span: ctx.spanOf(cst) };
}

// ---- part paths ----
export function buildPartPath(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): PartPath {
  return { kind: "partPath", segments: nodes(cst, "segment").map((one) => buildSegment(ctx, one)), span: ctx.spanOf(cst, within) };
}

function buildSegment(ctx: BuildContext, cst: CstNode): PathSegment {
  const indices = nodes(cst, "index").map((one) => buildIndex(ctx, one));
  return { kind: "pathSegment", head: segmentHead(ctx, cst), indices, span: ctx.spanOf(cst) };
}

function segmentHead(ctx: BuildContext, cst: CstNode): PathSegment["head"] {
  const name = token(cst, "Word");
  if (name) return { kind: "name", name: name.image };
  if (token(cst, "Star")) return { kind: "any" };
  if (token(cst, "Power")) return { kind: "deep" };
  const paths = ctx.deeper(1, cst, () => nodes(cst, "partPath").map((path) => buildPartPath(ctx, path, cst)));
  return { kind: "oneOf", paths: Array.isArray(paths) ? paths : [] };
}
