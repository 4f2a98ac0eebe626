import type { Expr, StringLit } from "../ast.ts";
import { meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { holesOf } from "../template.ts";
import { evaluate } from "./expressions.ts";
import type { Scope } from "./scope.ts";

/** Looks at the names that a text of a walk has in braces. `kept`: names that the statement around it gives a meaning. */
export function checkHoles(text: StringLit, scope: Scope, kept: readonly string[] = []): void {
  if (scope.body.isWalk !== true) return;
  for (const { path, start } of holesOf(text.value)) {
    const [first, ...fields] = path as [string, ...string[]];
    if (kept.includes(first)) continue;
    let at = text.span.start + 1 + start + 1;
    const next = (name: string): Span => {
      const span: Span = { file: text.span.file, start: at, end: at + name.length };
      at += name.length + 1;
      return span;
    };
    const span = next(first);
    if (scope.lookup(first) === undefined) {
      scope.session.report("name/unknown", span, { name: first }, meant(first, scope.names(), span));
      continue;
    }
    let expr: Expr = { kind: "name", name: first, span };
    for (const field of fields) {
      const place = next(field);
      expr = { kind: "field", base: expr, name: { kind: "ident", name: field, span: place }, span: { ...span, end: place.end } };
    }
    evaluate(expr, scope);
  }
}
