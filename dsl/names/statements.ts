import type { Block, Stmt } from "../ast.ts";
import type { NameContext } from "./context.ts";
import { bindBinder, resolveExpr, resolveRecord } from "./expressions.ts";
import { Scope } from "./scope.ts";

/** The statements of a block, in order: each `let` is known to those behind it, and to nobody outside. */
export function resolveBlock(ctx: NameContext, block: Block, scope: Scope): void {
  resolveStatements(ctx, block.statements, new Scope(scope));
}
export function resolveStatements(ctx: NameContext, statements: readonly Stmt[], scope: Scope): void {
  for (const statement of statements) resolveStatement(ctx, statement, scope);
}

export function resolveStatement(ctx: NameContext, statement: Stmt, scope: Scope): void {
  switch (statement.kind) {
    case "let":
      resolveExpr(ctx, statement.value, scope);
      bindBinder(ctx, statement.binder, scope);
      return;
    case "tap":
    case "return":
    case "minimize":
      resolveExpr(ctx, statement.value, scope);
      return;
    case "update":
      resolveExpr(ctx, statement.target, scope);
      resolveExpr(ctx, statement.value, scope);
      return;
    case "require":
    case "expect":
      resolveExpr(ctx, statement.condition, scope);
      return;
    case "logStmt":
      resolveRecord(ctx, statement.record, scope);
      return;
    case "if":
      resolveExpr(ctx, statement.condition, scope);
      resolveBlock(ctx, statement.then, scope);
      if (statement.otherwise) resolveBlock(ctx, statement.otherwise, scope);
      return;
    case "for": {
      resolveExpr(ctx, statement.over, scope);
      const inner = new Scope(scope);
      bindBinder(ctx, statement.binder, inner);
      resolveBlock(ctx, statement.body, inner);
      return;
    }
    case "write":
      resolveExpr(ctx, statement.value, scope);
      return;
    case "measure":
      resolveExpr(ctx, statement.value, scope);
      if (statement.when) resolveExpr(ctx, statement.when, scope);
      return;
    case "error":
      return;
    default:
      statement satisfies never;
  }
}
