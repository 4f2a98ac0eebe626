import type { CstNode } from "chevrotain";
import type { Block, Stmt } from "../ast.ts";
import { type BuildContext, node, nodes, token } from "./cst.ts";
import { buildBinder, buildExpr, buildPostfix, buildRange, buildRecord } from "./expressions.ts";
import { buildText } from "./literals.ts";

/** The statements between braces; a missing block has none. */
export function buildBlock(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Block {
  const built = cst ? ctx.deeper(1, cst, () => buildStatements(ctx, cst)) : [];
  const statements = Array.isArray(built) ? built : [built];
  return { kind: "block", statements, span: cst ? ctx.spanOf(cst, within) : ctx.spanAfter(within) };
}

export function buildStatements(ctx: BuildContext, cst: CstNode): Stmt[] {
  return nodes(cst, "statement").map((one) => buildStatement(ctx, one));
}

type StatementBuilder = (ctx: BuildContext, cst: CstNode) => Stmt;
/** One row per statement rule of the grammar. */
const builders: Readonly<Record<string, StatementBuilder>> = {
  letStmt: (ctx, cst) => ({
    kind: "let",
    binder: buildBinder(ctx, node(cst, "binder"), cst),
    value: buildExpr(ctx, node(cst, "expr"), cst),
    span: ctx.spanOf(cst),
  }),
  tapStmt: (ctx, cst) => ({
    kind: "tap",
    name: ctx.ident(token(cst, "Id"), cst),
    value: buildExpr(ctx, node(cst, "expr"), cst),
    span: ctx.spanOf(cst),
  }),
  returnStmt: (ctx, cst) => ({ kind: "return", value: buildExpr(ctx, node(cst, "expr"), cst), span: ctx.spanOf(cst) }),
  minimizeStmt: (ctx, cst) => ({ kind: "minimize", value: buildExpr(ctx, node(cst, "expr"), cst), span: ctx.spanOf(cst) }),
  updateStmt: (ctx, cst) => ({
    kind: "update",
    target: buildPostfix(ctx, node(cst, "postfix"), cst),
    value: buildExpr(ctx, node(cst, "expr"), cst),
    span: ctx.spanOf(cst),
  }),
  requireStmt: (ctx, cst) => {
    const reason = token(cst, "Text");
    return {
      kind: "require",
      condition: buildExpr(ctx, node(cst, "expr"), cst),
      reason: reason ? buildText(ctx, reason) : null,
      span: ctx.spanOf(cst),
    };
  },
  expectStmt: (ctx, cst) => ({ kind: "expect", condition: buildExpr(ctx, node(cst, "expr"), cst), span: ctx.spanOf(cst) }),
  logStmt: (ctx, cst) => {
    const record = node(cst, "record");
    return record ? { kind: "logStmt", record: buildRecord(ctx, record), span: ctx.spanOf(cst) } : { kind: "error", span: ctx.spanOf(cst) };
  },
  ifStmt: (ctx, cst) => ({
    kind: "if",
    condition: buildExpr(ctx, node(cst, "expr"), cst),
    then: buildBlock(ctx, node(cst, "then"), cst),
    otherwise: token(cst, "K_else") ? buildBlock(ctx, node(cst, "otherwise"), cst) : null,
    span: ctx.spanOf(cst),
  }),
  forStmt: (ctx, cst) => ({
    kind: "for",
    binder: buildBinder(ctx, node(cst, "binder"), cst),
    over: buildRange(ctx, node(cst, "range"), cst),
    body: buildBlock(ctx, node(cst, "block"), cst),
    span: ctx.spanOf(cst),
  }),
  writeStmt: (ctx, cst) => {
    const path = token(cst, "Text");
    if (!path) return { kind: "error", span: ctx.spanOf(cst) };
    return { kind: "write", value: buildExpr(ctx, node(cst, "expr"), cst), path: buildText(ctx, path), span: ctx.spanOf(cst) };
  },
  measureStmt: (ctx, cst) => {
    const when = node(cst, "when");
    return {
      kind: "measure",
      name: ctx.ident(token(cst, "Id"), cst),
      value: buildExpr(ctx, node(cst, "expr"), cst),
      when: when ? buildExpr(ctx, when, cst) : null,
      span: ctx.spanOf(cst),
    };
  },
};

export function buildStatement(ctx: BuildContext, cst: CstNode): Stmt {
  for (const [rule, build] of Object.entries(builders)) {
    const found = node(cst, rule);
    if (found) return ctx.deeper(1, found, () => build(ctx, found));
  }
  return { kind: "error", span: ctx.spanOf(cst) };
}
