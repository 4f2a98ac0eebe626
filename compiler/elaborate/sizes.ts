import type { Expr } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import { constantOf } from "./hostExpr.ts";
import type { Scope } from "./scope.ts";
import { describe, type Val } from "./values.ts";

// Numbers that must be known when compiling: sizes, bounds, indices.

/** Every name that an expression mentions. */
export function namesIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(namesIn);
  if (typeof node !== "object" || node === null) return [];
  const record = node as Readonly<Record<string, unknown>>;
  if (record.kind === "name") return [record.name as string];
  return Object.entries(record).flatMap(([key, value]) => (key === "span" ? [] : namesIn(value)));
}

/** A size: a compile-time whole number that is not negative. */
export function sizeOf(expr: Expr, scope: Scope): number {
  if (expr.kind === "name") {
    const known = scope.lookupSize(expr.name);
    if (known !== undefined) return known;
    const val = scope.lookup(expr.name);
    if (val === undefined) fail("shape/not-determined", expr.span, { size: expr.name });
  }
  const val = compileNumber(evaluate(expr, scope), expr.span, scope, "a size");
  if (!Number.isInteger(val) || val < 0) fail("shape/not-whole", expr.span, { what: "this size", value: val });
  return val;
}

/** A number known when compiling; a host number of finite domain makes alternatives. */
export function compileNumber(val: Val, span: Span, scope: Scope, what: string): number {
  if (val.kind === "number") return val.value;
  if (val.kind === "bool") return Number(val.value);
  if (val.kind === "host" && val.type !== "text") {
    const expr = scope.session.assumed(val.expr);
    const known = constantOf(expr);
    if (known !== undefined) return Number(known);
    if (scope.session.choices) return Number(scope.session.choices.settle(expr, val.type === "bool", what, span));
  }
  if (val.kind === "host") fail("time/host-value-needed", span, { what });
  fail("type/mismatch", span, { found: describe(val), expected: `${what} known when compiling` });
}
