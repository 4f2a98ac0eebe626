import type { ModelItem, ModuleItem, Stmt } from "../ast.ts";
import { didYouMean } from "../nearest.ts";
import type { Span } from "../span.ts";
import { describeType, type Type } from "../types/type.ts";
import { mentionsTraining } from "./expressions.ts";
import { modelType } from "./globals.ts";
import { moduleInfo } from "./modules.ts";
import type { Session } from "./session.ts";

// Models: instances of modules, and what a frozen one must not do.

/** Names of the models that a file defines or imports. */
function modelsOf(session: Session, file: string): string[] {
  return session.namesOf(file).filter((name) => session.lookup(file, name)?.item.kind === "model");
}
/** `isReplacement`: in a `train` or `evaluate` block, where it stands for a model of the file. */
export function checkModel(session: Session, item: ModelItem, file: string, isReplacement = false): void {
  if (!item.value && isReplacement) {
    const known = modelsOf(session, file);
    if (known.includes(item.name.name)) return;
    const help = didYouMean(item.name.name, known) ?? "a block replaces a model of its file; there is none of that name";
    session.report("name/unknown", item.name.span, { name: item.name.name }, { help });
    return;
  }
  const type = modelType(session, item, file);
  if (item.value && ["int", "realNumber", "tensor", "textValue", "function", "bool"].includes(type.kind)) {
    session.report("type/mismatch", item.value.span, {
      found: describeType(type),
      expected: "a module with its arguments, as `Linear(64)`",
    });
    return;
  }
  const surgery = item.surgery?.kind === "call" ? item.surgery.callee : item.surgery;
  if (item.keys) checkOwner(session, "keys", item.keys, type, file);
  if (surgery?.kind === "name") checkOwner(session, "surgery", surgery, type, file);
  if (item.mode === "frozen") frozenUpdates(session, type, item.name.name, item.name.span, new Set());
}
/** What a model is loaded with must be of its module. */
function checkOwner(
  session: Session,
  what: "keys" | "surgery",
  { name, span }: { name: string; span: Span },
  type: Type,
  file: string,
): void {
  const found = session.lookup(file, name);
  const isRules = found?.item.kind === "keys" || found?.item.kind === "surgery";
  const owner = isRules && found.item.kind === what ? session.lookup(found.file, found.item.for.name)?.item : undefined;
  if (type.kind !== "module" || owner?.kind !== "module" || owner === type.item) return;
  const of = (module: ModuleItem): string => `\`${what}\` of \`${module.name.name}\``;
  session.report("type/mismatch", span, { found: of(owner), expected: of(type.item) });
}
// State of a frozen model must stay: an `update` that does not ask whether the model is trained is a mistake.
function frozenUpdates(session: Session, type: Type, path: string, span: Span, seen: Set<object>): void {
  if (type.kind === "list") {
    for (const element of type.elements ?? [type.element]) frozenUpdates(session, element, `${path}[…]`, span, seen);
    return;
  }
  if (type.kind === "optional") {
    frozenUpdates(session, type.of, path, span, seen);
    return;
  }
  if (type.kind !== "module" || seen.has(type.item)) return;
  seen.add(type.item);
  const info = moduleInfo(session, type.item, type.file);
  if (!info) return;
  for (const member of type.item.members) {
    if (member.kind !== "forward") continue;
    for (const found of unguardedUpdates(member.body.statements)) {
      const name = found.target.kind === "name" ? found.target.name : "its state";
      session.report("module/frozen-update", span, { path: `${path}.${name}` }, { related: [{ span: found.span, label: "updated here" }] });
    }
  }
  for (const { part, type: inner } of info.partInstances)
    frozenUpdates(session, inner, `${path}.${part.path.map((p) => p.name).join(".")}`, span, seen);
}
function unguardedUpdates(statements: readonly Stmt[]): Extract<Stmt, { kind: "update" }>[] {
  return statements.flatMap((statement) => {
    if (statement.kind === "update") return [statement];
    if (statement.kind === "for") return unguardedUpdates(statement.body.statements);
    if (statement.kind !== "if") return [];
    const asks = mentionsTraining(statement.condition);
    return asks ? [] : [...unguardedUpdates(statement.then.statements), ...unguardedUpdates(statement.otherwise?.statements ?? [])];
  });
}
