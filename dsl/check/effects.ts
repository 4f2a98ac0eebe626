import type { Span } from "../span.ts";
import type { Scope } from "./scope.ts";
// Effects are part of a signature: a body that draws or changes state says so.

export function requireEffects(
  info: { readonly random: boolean; readonly updates: boolean; readonly name: string },
  span: Span,
  scope: Scope,
): void {
  if (info.random) requireRandom(`\`${info.name}\` draws`, span, scope);
  if (info.updates && info.name !== "forward") requireUpdates(`\`${info.name}\` updates state`, span, scope);
}
const contracts: ReadonlySet<string> = new Set(["fn", "loss", "forward"]);
export function requireRandom(what: string, span: Span, scope: Scope): void {
  const { body, session } = scope;
  if (!contracts.has(body.kind) || body.random) return;
  const related = body.span ? [{ span: body.span, label: "declared here, without `random`" }] : [];
  session.report("effect/undeclared", span, { what, body: body.name, effect: "random" }, { related });
}
export function requireUpdates(what: string, span: Span, scope: Scope): void {
  const { body, session } = scope;
  if (!contracts.has(body.kind) || body.updates) return;
  const related = body.span ? [{ span: body.span, label: "declared here, without `updates`" }] : [];
  session.report("effect/undeclared", span, { what, body: body.name, effect: "updates" }, { related });
}
