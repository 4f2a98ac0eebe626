import type { Span } from "../span.ts";
import type { Scope } from "./scope.ts";
// Effects are part of a signature: a body that draws or changes state says so.

export function requireEffects(
  info: { readonly random: boolean; readonly updates: boolean; readonly name: string },
  span: Span,
  scope: Scope,
): void {
  if (info.random) requireRandom(`\`${info.name}\` draws`, span, scope);
  if (info.updates) requireUpdates(`\`${info.name}\` updates state`, span, scope);
}
const contracts: ReadonlySet<string> = new Set(["fn", "loss", "forward"]);
export function requireRandom(what: string, span: Span, scope: Scope): void {
  const { body } = scope;
  if (!contracts.has(body.kind) || body.random) return;
  reportUndeclared("random", what, span, scope);
}
export function requireUpdates(what: string, span: Span, scope: Scope): void {
  const { body } = scope;
  if (!contracts.has(body.kind) || body.updates) return;
  reportUndeclared("updates", what, span, scope);
}
function reportUndeclared(effect: "random" | "updates", what: string, span: Span, { body, session }: Scope): void {
  const at = body.span;
  const related = at ? [{ span: at, label: `declared here, without \`${effect}\`` }] : [];
  // The last arrow of a signature is the one before its result: a default may hold others.
  const arrow = at ? session.program.files.get(at.file)!.text.slice(at.start, at.end).lastIndexOf("->") : -1;
  const fix = at && arrow >= 0 ? { fix: { span: { ...at, start: at.start + arrow, end: at.start + arrow }, text: `${effect} ` } } : {};
  session.report("effect/undeclared", span, { what, body: body.name, effect }, { related, ...fix });
}
