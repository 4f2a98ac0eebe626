import type { StateItem, TypeNode } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import type { HostExpr } from "../plan/host.ts";
import type { PlanTable } from "../plan/plan.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { spreadTo } from "./axes.ts";
import { argumentValue, type CallArg, readArgs } from "./calls.ts";
import { fail } from "./failure.ts";
import { fromHost, scalarType, toHost } from "./hostExpr.ts";
import { putRows } from "./indexing.ts";
import type { Leaf } from "./program.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { compileNumber, sizeOf } from "./sizes.ts";
import { axisName, resolveType, tensorDtype } from "./typeNodes.ts";
import { type AxisItem, describe, isNumeric, isScalar, none, plainAxis, type TableVal, tensor, type Val } from "./values.ts";

// Tables: `state lessons: Table<{…}>(key: Text, at_most: 100, evict: random)`. Records of fixed shapes by host key. What is a tensor lies in
// one buffer per field, a row per record; the index, and the fields that the host knows, are kept by the runtime. Whole numbers are stored as
// real ones (exact up to 2^24).

/** The axis along which the records of a table lie. */
const rowAxis = "row";

interface TableField {
  readonly name: string;
  readonly optional: boolean;
  readonly span: Span;
  readonly axes: readonly AxisItem[]; // of a device field
  readonly dtype: "f32" | "i32" | "bool";
  /** Set for what the host keeps. */
  readonly host: "bool" | "int" | "real" | "text" | null;
}
export interface TableRoot {
  readonly name: string;
  readonly atMost: number;
  readonly fields: readonly TableField[];
  readonly span: Span;
}

const hostTypes: Readonly<Record<string, TableField["host"]>> = { Text: "text", Bool: "bool", Int: "int", Real: "real" };

/** A table as it is declared; its buffers become state of the program. */
export function declareTable(item: StateItem, scope: Scope): TableVal {
  const { session } = scope;
  const name = item.name.name;
  if (session.tables.has(name)) return { kind: "table", name };
  const { type } = item;
  if (type.kind !== "namedType" || type.name.name !== "Table" || type.args.length !== 1 || type.args[0]!.value.kind === "number")
    fail("type/mismatch", type.span, { found: "this type", expected: "`Table<{ … }>`: state of a program is a table of records" });
  const { type: record, scope: recordScope } = resolveType(type.args[0]!.value as TypeNode, scope);
  if (record.kind !== "recordType") fail("type/mismatch", record.span, { found: "this type", expected: "a record `{ … }`" });
  const args = new Map(readArgs(item.args, scope).map((arg) => [arg.name ?? "", arg]));
  const atMost = args.get("at_most");
  if (!atMost) fail("call/missing-argument", item.name.span, { callee: "Table", name: "at_most" });
  const size = compileNumber(argumentValue(atMost), atMost.span, scope, "`at_most`");
  if (!Number.isInteger(size) || size < 1) fail("shape/not-whole", atMost.span, { what: "`at_most`", value: size });
  const fields = record.fields.map(({ name: field, type: declared }): TableField => {
    const { type: own, scope: ownScope } = resolveType(declared, recordScope);
    if (own.kind !== "namedType")
      fail("type/mismatch", declared.span, { found: "this type", expected: "a tensor, `Text`, `Int`, `Real` or `Bool`" });
    const base = { name: field.name, optional: own.optional, span: field.span };
    const host = own.axes === null ? hostTypes[own.name.name] : undefined;
    if (host) return { ...base, axes: [], dtype: "f32", host };
    const dtype = tensorDtype(own);
    if (dtype === undefined)
      fail("type/mismatch", declared.span, { found: `\`${own.name.name}\``, expected: "a tensor, `Text`, `Int`, `Real` or `Bool`" });
    const axes = (own.axes ?? []).map((axis): AxisItem => {
      if (axis.kind === "rowAxis")
        return fail("type/mismatch", axis.span, { found: "a row", expected: "axes with sizes: records have fixed shapes" });
      return { name: axisName(axis), size: sizeOf(axis.value, ownScope) };
    });
    return { ...base, axes, dtype, host: null };
  });
  session.tables.set(name, { name, atMost: size, fields, span: item.name.span });
  for (const field of fields) {
    if (field.host !== null) continue;
    const shape = [size, ...field.axes.map((a) => a.size!)];
    const axes = [rowAxis, ...field.axes.map((a) => a.name)];
    const input = session.builder.input(`${name}.${field.name}`, shape, {
      role: "state",
      dtype: "f32",
      labels: axes.map(plainAxis),
      origin: { span: field.span },
    });
    session.cells.set(cellKey(name, field.name), tensor(input, axes));
  }
  return { kind: "table", name };
}

const cellKey = (table: string, field: string) => `${table}.${field}`;

/** The buffers of all tables as leaves of the program. */
export function tableLeaves(session: Session): Leaf[] {
  return [...session.tables.values()].flatMap((table) =>
    table.fields.flatMap((field): Leaf[] => {
      if (field.host !== null) return [];
      const cell = session.cells.get(cellKey(table.name, field.name))!;
      return [
        {
          path: cellKey(table.name, field.name),
          key: cellKey(table.name, field.name),
          role: "state",
          shape: cell.value.shape,
          labels: cell.axes.map(plainAxis),
          trained: false,
          group: 0,
          init: session.builder.splat(0, cell.value.shape),
          span: field.span,
        },
      ];
    }),
  );
}

/** The tables of a program as the runtime sees them. */
export function planTables(session: Session): PlanTable[] {
  return [...session.tables.values()].map((table) => ({
    name: table.name,
    atMost: table.atMost,
    fields: table.fields.map(({ name, optional, host }) =>
      host === null ? { kind: "device", name, optional, stored: cellKey(table.name, name) } : { kind: "host", name, optional, type: host },
    ),
  }));
}

function keyOf(value: Val, span: Span): HostExpr {
  if (isScalar(value) && scalarType(value) === "text") return toHost(value);
  fail("type/mismatch", span, { found: describe(value), expected: "a text known on the host: the key of a record" });
}

/** `lessons.has(key)` and `lessons.take(key)`. */
export function callTable(table: string, method: "has" | "take", args: readonly CallArg[], span: Span, scope: Scope): Val {
  const { session } = scope;
  const [arg] = args;
  if (!arg || args.length !== 1) fail("call/missing-argument", span, { callee: `${table}.${method}`, name: "key" });
  const key = keyOf(argumentValue(arg), arg.span);
  if (method === "has") return fromHost({ kind: "held", table, key }, "bool");
  if (session.body !== "step") fail("elaborate/misplaced", span, { what: "take", where: "a `step`" });
  session.effects.tables.push({ kind: "take", table, key });
  const row = toTensor(session, fromHost({ kind: "row", table, key, use: "take" }, "int"), "i32");
  const fields = new Map<string, Val>();
  for (const field of session.tables.get(table)!.fields) {
    const fact = (present: boolean): HostExpr => ({ kind: "taken", table, key, field: field.name, present });
    const value: Val = field.host !== null ? fromHost(fact(false), field.host) : record(session, table, field, row.value, span);
    fields.set(field.name, field.optional ? { kind: "maybe", present: fact(true), value } : value);
  }
  return { kind: "record", fields };
}

function record(session: Session, table: string, field: TableField, row: Parameters<Session["builder"]["gather"]>[1], span: Span): Val {
  const { builder } = session;
  const cell = session.effects.cells.get(cellKey(table, field.name)) ?? session.cells.get(cellKey(table, field.name))!;
  if (cell.kind !== "tensor") throw new Error("internal: a table's buffer is no tensor");
  const names = field.axes.map((a) => a.name);
  return session.at(span, () => castTo(session, tensor(builder.gather(cell.value, row, 0, 0), names), field.dtype));
}

/** `update lessons[key] = { … }`: stores a record without waiting. */
export function updateTable(table: string, keyValue: Val, keySpan: Span, value: Val, span: Span, scope: Scope): void {
  const { session } = scope;
  if (session.body !== "step") fail("elaborate/misplaced", span, { what: "update of a table", where: "a `step`" });
  if (value.kind !== "record") fail("type/mismatch", span, { found: describe(value), expected: "a record with the table's fields" });
  const key = keyOf(keyValue, keySpan);
  const root = session.tables.get(table)!;
  const row = fromHost({ kind: "row", table, key, use: "put" }, "int");
  const host: Record<string, HostExpr> = {};
  const present: string[] = [];
  for (const name of value.fields.keys())
    if (!root.fields.some((f) => f.name === name)) fail("type/no-field", span, { what: `a record of the table \`${table}\``, name });
  for (const field of root.fields) {
    const given: Val = value.fields.get(field.name) ?? none;
    if (given.kind === "none") {
      if (!field.optional)
        fail(
          "call/missing-argument",
          span,
          { callee: table, name: field.name },
          { related: [{ span: field.span, label: "declared here" }] },
        );
      continue;
    }
    present.push(field.name);
    if (field.host !== null) {
      if (!isScalar(given))
        fail("type/mismatch", span, { found: `\`${field.name}\`: ${describe(given)}`, expected: `a ${field.host} known on the host` });
      host[field.name] = toHost(given);
      continue;
    }
    if (!isNumeric(given)) fail("type/mismatch", span, { found: `\`${field.name}\`: ${describe(given)}`, expected: "a tensor" });
    const own = toTensor(session, given, field.dtype);
    const stored = session.at(span, () => castTo(session, spreadTo(session.builder, own, field.axes, span), "f32"));
    const cell = session.effects.cells.get(cellKey(table, field.name)) ?? session.cells.get(cellKey(table, field.name))!;
    if (cell.kind !== "tensor") throw new Error("internal: a table's buffer is no tensor");
    session.effects.cells.set(cellKey(table, field.name), putRows(session, cell, rowAxis, row, stored, span));
    session.effects.updated.add(cellKey(table, field.name));
  }
  session.effects.tables.push({ kind: "put", table, key, host, present });
}
