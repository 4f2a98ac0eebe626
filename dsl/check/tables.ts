import type { StateItem, UpdateStmt } from "../ast.ts";
import { meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { wholeOf } from "../types/size.ts";
import { axisKey, describeType, errorType, isSilent, type RecordType, type TableType, type Type, unknownType } from "../types/type.ts";
import { argType, type CallArg, matchParams } from "./arguments.ts";
import { reportMissing } from "./bindArguments.ts";
import { evaluate } from "./expressions.ts";
import { fileScope } from "./globals.ts";
import { showAxes } from "./match.ts";
import { reportAlign, reportMismatch } from "./mismatch.ts";
import { assignResult } from "./results.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { allowed } from "./statements.ts";
import { Declared, typeOfNode } from "./typeNodes.ts";

// Tables: records of fixed shapes by a text that the host knows. `has` and `take` are calls, `update t[key] = { … }` stores a record.

/** A table as a value. */
export function tableOf(session: Session, item: StateItem, file: string): TableType {
  return session.once(item, "value", { kind: "table", item, record: null }, (): TableType => {
    const node = item.type.kind === "namedType" && item.type.name.name === "Table" ? item.type.args[0]?.value : undefined;
    const type = node && node.kind !== "number" ? typeOfNode(node, fileScope(session, file), new Declared(), item.name.name) : unknownType;
    const record: RecordType | null = type.kind === "record" ? { ...type, name: `the record of \`${item.name.name}\`` } : null;
    return { kind: "table", item, record };
  });
}

const kinds: ReadonlySet<Type["kind"]> = new Set(["tensor", "int", "realNumber", "bool", "textValue", "unknown", "error"]);
/** The declaration: a table of records whose shapes are fixed, with a bound on their number. */
export function checkTable(session: Session, item: StateItem, file: string): void {
  const scope = fileScope(session, file);
  const { type } = item;
  const node = type.kind === "namedType" && type.name.name === "Table" && type.args.length === 1 ? type.args[0]!.value : undefined;
  if (type.kind !== "error" && (!node || node.kind === "number")) {
    session.report("type/mismatch", type.span, {
      found: "no table",
      expected: "a table of records, `Table<{ … }>`,",
    });
    return;
  }
  const { record } = tableOf(session, item, file);
  if (node && node.kind !== "number" && node.kind !== "error" && record === null) {
    session.report("type/mismatch", node.span, { found: "no record", expected: "a record `{ … }`" });
    return;
  }
  for (const field of node?.kind === "recordType" ? node.fields : []) {
    const sizes = new Declared();
    const own = typeOfNode(field.type, scope, sizes, "");
    const plain = own.kind === "optional" ? own.of : own;
    const [unsaid] = sizes.sizes.keys();
    if (!kinds.has(plain.kind))
      session.report("type/mismatch", field.type.span, {
        found: describeType(plain),
        expected: "a tensor, `Text`, `Int`, `Real` or `Bool`",
      });
    else if (sizes.rows.size > 0)
      session.report("type/mismatch", field.type.span, { found: "of no fixed shape", expected: "a record of fixed shapes" });
    else if (unsaid !== undefined)
      session.report("shape/not-determined", field.type.span, { size: unsaid }, { help: `write the size: \`${unsaid}: 4\`` });
  }
  const known = ["key", "at_most", "evict"];
  const given = new Map<string, Span>();
  for (const arg of item.args) {
    const name = arg.name?.name ?? "";
    if (arg.name && !known.includes(name)) {
      const extra = meant(name, known, arg.name.span, `it takes ${known.map((k) => `\`${k}\``).join(", ")}`);
      session.report("call/unknown-argument", arg.name.span, { callee: "Table", name }, extra);
      return;
    }
    given.set(name, arg.span);
    const fixed = name === "evict" ? "random" : name === "key" ? "Text" : null;
    if (fixed !== null && !(arg.value.kind === "name" && arg.value.name === fixed))
      session.report("type/mismatch", arg.value.span, {
        found: `\`${session.textOf(arg.value.span)}\``,
        expected: `\`${fixed}\``,
      });
    if (name !== "at_most") continue;
    const most = evaluate(arg.value, scope);
    const value = most.kind === "int" ? wholeOf(most.value) : undefined;
    if (isSilent(most) || (most.kind === "int" && (value === undefined || value >= 1))) continue;
    session.report("train/bad-number", arg.value.span, {
      setting: "`at_most`",
      expected: "a whole number from 1 on",
      found: value ?? describeType(most),
    });
  }
  if (!given.has("at_most")) {
    const help = "say how many records are kept: `at_most: 100`";
    session.report("call/missing-argument", item.name.span, { callee: "Table", name: "at_most" }, { help });
  }
}

/** `lessons.has`, `lessons.take`. */
export function tableField(table: TableType, name: string, span: Span, session: Session): Type {
  if (name === "has" || name === "take") return { kind: "tableMethod", table, name };
  const extra = meant(name, ["has", "take"], span, "a table has `has` and `take`");
  session.report("type/no-field", span, { what: `the table \`${table.item.name.name}\``, name }, extra);
  return errorType;
}
/** `lessons.has(key)` asks the host's index, `lessons.take(key)` gives the record and removes it. */
export function callTable(table: TableType, method: "has" | "take", args: readonly CallArg[], span: Span, scope: Scope): Type {
  const { session } = scope;
  const name = `${table.item.name.name}.${method}`;
  if (method === "take" && !allowed("take", span, ["step"], scope)) return errorType;
  const key = matchParams(name, ["key"], args, session).get("key");
  if (!key) {
    reportMissing(session, name, "key", span, table.item.name.span);
    return errorType;
  }
  if (!isKey(argType(key), key.span, session)) return errorType;
  return method === "has" ? { kind: "bool", truth: session.unifier.freshFlag(`${name}(…)`).truth } : (table.record ?? unknownType);
}
function isKey(type: Type, span: Span, session: Session): boolean {
  if (isSilent(type) || type.kind === "textValue" || type.kind === "path") return true;
  if (type.kind === "tensor" && type.dtype === "text" && type.axes.length === 0) return true;
  const perSample = type.kind === "tensor" && type.dtype === "text";
  session.report(
    "type/mismatch",
    span,
    { found: describeType(type), expected: "a key, which is a text that the host knows," },
    perSample ? { help: "the step takes one sample at a time with `(face: one of faces)`" } : {},
  );
  return false;
}

/** `update lessons[key] = { … }`. */
export function updateTable(table: TableType, statement: UpdateStmt, value: Type, scope: Scope): void {
  const { session } = scope;
  const { target } = statement;
  if (target.kind !== "index" || !allowed("update", statement.span, ["step"], scope)) return;
  const [index] = target.indices;
  if (index?.value && !index.row && !isKey(evaluate(index.value, scope), index.value.span, session)) return;
  if (isSilent(value) || table.record === null) return;
  const name = table.item.name.name;
  if (value.kind !== "record") {
    session.report("type/mismatch", statement.value.span, { found: describeType(value), expected: "a record with the table's fields" });
    return;
  }
  const written = statement.value.kind === "record" ? statement.value.fields : [];
  const spanOf = (field: string) => {
    const own = written.find((f) => f.name.name === field);
    return { value: own?.value?.span ?? own?.name.span ?? statement.value.span, name: own?.name.span ?? statement.value.span };
  };
  const declared = { span: table.item.name.span, label: "the table" };
  const known = [...table.record.fields.keys()];
  for (const field of value.fields.keys()) {
    if (table.record.fields.has(field)) continue;
    const at = spanOf(field).name;
    const all = `it has ${known.map((k) => `\`${k}\``).join(", ")}`;
    session.report(
      "type/no-field",
      at,
      { what: `the record of \`${name}\``, name: field },
      { related: [declared], ...meant(field, known, at, all) },
    );
    return;
  }
  for (const [field, want] of table.record.fields) {
    const have = value.fields.get(field);
    if (have === undefined || have.kind === "none") {
      if (want.kind === "optional") continue;
      session.report("type/missing-field", have ? spanOf(field).value : statement.value.span, { name: field }, { related: [declared] });
      return;
    }
    checkField(field, want, have, spanOf(field).value, declared, session);
  }
}
function checkField(
  name: string,
  want: Type,
  have: Type,
  span: Span,
  declared: { readonly span: Span; readonly label: string },
  session: Session,
): void {
  if (want.kind === "optional") {
    checkField(name, want.of, have.kind === "optional" ? have.of : have, span, declared, session);
    return;
  }
  if (have.kind === "optional") {
    checkField(name, want, have.of, span, declared, session);
    return;
  }
  if (want.kind !== "tensor" || have.kind !== "tensor" || want.dtype === "text" || have.dtype === "text") {
    const number = have.kind === "int" || have.kind === "realNumber" || have.kind === "bool";
    if (want.kind === "tensor" && want.dtype !== "text" && number) return; // fills the field
    const problem = assignResult(session, want, have);
    if (problem) reportMismatch(session, problem, { span, have, want, name, declaredAt: declared.span, callee: null });
    return;
  }
  // Along axes that the value lacks it is repeated, as state is everywhere.
  const { unifier } = session;
  const place = { span, left: want.axes, right: have.axes, leftSpan: declared.span, leftLabel: `\`${name}: ${showAxes(want.axes)}\`` };
  const aligned = unifier.align(want.axes, have.axes);
  if (aligned.kind === "problem") reportAlign(session, aligned.problem, place);
  else if (aligned.kind === "axes" && aligned.axes.length > want.axes.length) {
    const own = new Set(want.axes.map(axisKey));
    const alien = aligned.axes.flatMap((a) => (a.kind === "axis" && !own.has(a.name) ? [a.name] : []));
    reportAlign(session, { kind: "missing", inLeft: alien, inRight: [] }, place);
  }
}
