import type { TypeNode } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import { holesOf, usualLength } from "../../dsl/template.ts";
import type { HostExpr } from "../plan/host.ts";
import type { PromptPiece } from "../plan/plan.ts";
import { fail } from "./failure.ts";
import { fromHost, hostConstant, hostJoin, toHost } from "./hostExpr.ts";
import type { Scope } from "./scope.ts";
import { resolveType } from "./typeNodes.ts";
import { describe, isScalar, type ScalarVal, text, type Val } from "./values.ts";

// Texts of a walk: what stands in braces in them, and the lines of files as records.

/** A text with the values that it names: `"samples/{subject.name}.txt"`. Names in `kept` stay as they are written. */
export function filledText(written: string, span: Span, scope: Scope, kept: readonly string[] = []): ScalarVal {
  const parts: HostExpr[] = [];
  let from = 0;
  for (const hole of holesOf(written)) {
    const [name] = hole.path as [string, ...string[]];
    if (kept.includes(name)) continue;
    if (hole.width !== null)
      fail("type/mismatch", span, {
        found: `\`${written.slice(hole.start, hole.end)}\``,
        expected: "`{name}`: only `{i:05}` is filled up",
      });
    parts.push(hostConstant(written.slice(from, hole.start)), textOf(hole.path, span, scope));
    from = hole.end;
  }
  if (from === 0) return text(written);
  return fromHost(hostJoin([...parts, hostConstant(written.slice(from))]), "text");
}

function textOf([name, ...fields]: readonly string[], span: Span, scope: Scope): HostExpr {
  let value = scope.lookup(name!);
  if (value === undefined) {
    const near = nearest(name!, scope.names());
    fail("name/unknown", span, { name: name! }, near ? { help: `did you mean \`{${near}}\`?` } : {});
  }
  for (const field of fields) value = fieldOf(value, field, span);
  if (!isScalar(value)) fail("type/mismatch", span, { found: describe(value), expected: "a text or a number in braces" });
  return toHost(value);
}
function fieldOf(value: Val, name: string, span: Span): Val {
  const field = value.kind === "record" ? value.fields.get(name) : undefined;
  if (field !== undefined) return field;
  const near = value.kind === "record" ? nearest(name, value.fields.keys()) : undefined;
  return fail("type/no-field", span, { what: describe(value), name }, near ? { help: `did you mean \`${near}\`?` } : {});
}

/** What a value is called in a report: a text, a number, the `name` of a record or its first text. */
export function labelOf(value: Val, span: Span): HostExpr {
  if (isScalar(value)) return toHost(value);
  if (value.kind === "record") {
    const own = value.fields.get("name") ?? [...value.fields.values()].find((one) => isScalar(one) && one.kind !== "number");
    if (own !== undefined) return labelOf(own, span);
  }
  return fail("type/mismatch", span, { found: describe(value), expected: "something with a text or a number to group by" });
}

/** The lines of a file as values of a type: a record has one tab-separated field for each of its own. Empty lines are passed over. */
export function linesAs(
  type: { readonly node: TypeNode; readonly scope: Scope } | null,
  file: string,
  lines: readonly string[],
  span: Span,
): Val[] {
  return lines.flatMap((line, i) => {
    if (line.trim() === "") return [];
    const wrong = (problem: string): never => fail("elaborate/bad-line", span, { file, line: i + 1, problem });
    if (type === null) return [text(line)];
    const { type: node, scope } = resolveType(type.node, type.scope);
    if (node.kind !== "recordType") return [valueAs(node, line, scope, wrong)];
    const parts = line.split("\t");
    if (parts.length !== node.fields.length)
      wrong(`it has ${parts.length} fields, and ${node.fields.length} are wanted: ${node.fields.map((f) => f.name.name).join(", ")}`);
    return [
      {
        kind: "record",
        fields: new Map(node.fields.map((f, at) => [f.name.name, valueAs(f.type, parts[at]!, scope, wrong)])),
      } satisfies Val,
    ];
  });
}

/** What stands for a line where no file is read. */
export function lineAs(type: { readonly node: TypeNode; readonly scope: Scope } | null, binder: string, span: Span): Val {
  if (type === null) return text(`{${binder}}`);
  const { type: node, scope } = resolveType(type.node, type.scope);
  if (node.kind !== "recordType") return standIn(node, binder, scope, span);
  return {
    kind: "record",
    fields: new Map(node.fields.map((f) => [f.name.name, standIn(f.type, `${binder}.${f.name.name}`, scope, span)])),
  };
}
function standIn(type: TypeNode, name: string, scope: Scope, span: Span): Val {
  const { type: node } = resolveType(type, scope);
  const word = node.kind === "namedType" ? node.name.name : "";
  if (word === "Int" || word === "Real" || word === "Dim") return { kind: "number", value: 1 };
  if (word === "Bool") return { kind: "bool", value: true };
  const slots = node.kind === "namedType" ? slotsOf(node) : [];
  const written = `{${name}}${slots.map(([slot]) => ` {${slot}}`).join("")}`;
  return valueAs(node, written, scope, (problem) =>
    fail("type/mismatch", span, { found: problem, expected: "fields that a line can hold" }),
  );
}

type NamedType = Extract<TypeNode, { kind: "namedType" }>;
const slotsOf = (type: NamedType): readonly (readonly [string, number])[] =>
  type.args.flatMap((arg) => (arg.name !== null && arg.value.kind === "number" ? [[arg.name.name, arg.value.value] as const] : []));

function valueAs(type: TypeNode, written: string, scope: Scope, wrong: (problem: string) => never): Val {
  const { type: node } = resolveType(type, scope);
  const word = node.kind === "namedType" && node.axes === null ? node.name.name : "";
  switch (word) {
    case "Int":
    case "Real": {
      const value = Number(written);
      if (written.trim() === "" || !Number.isFinite(value)) return wrong(`\`${written}\` is no number`);
      return word === "Int" && !Number.isInteger(value) ? wrong(`\`${written}\` is no whole number`) : { kind: "number", value };
    }
    case "Bool":
      return written === "true" || written === "false"
        ? { kind: "bool", value: written === "true" }
        : wrong(`\`${written}\` is neither true nor false`);
    case "Text":
    case "Path":
      return text(written);
    case "Prompt":
      return promptAs(node as NamedType, written, wrong);
    default:
      return wrong("its type is none that a line can hold: Int, Real, Bool, Text, Path or Prompt");
  }
}

/** How old prompt lists write a slot: a letter and as many commas as it has positions but one. */
const oldSlot = /\bz(?:\s*,)+/;

/** A prompt with slots as a line writes it: `{face}` where its vectors go. */
function promptAs(type: NamedType, written: string, wrong: (problem: string) => never): Val {
  const slots = slotsOf(type);
  const elements: PromptPiece[] = [];
  const piece = (part: string) => elements.push({ kind: "text", text: hostConstant(part) });
  let rest = written;
  for (const [name, count] of slots) {
    const named = rest.indexOf(`{${name}}`);
    const old = named < 0 && slots.length === 1 ? oldSlot.exec(rest) : null;
    if (named < 0 && old === null) wrong(`the slot \`{${name}}\` stands nowhere in "${written}"`);
    const [start, length] = old === null ? [named, name.length + 2] : [old.index, old[0].length];
    piece(rest.slice(0, start));
    elements.push({ kind: "slot", name, count });
    rest = rest.slice(start + length);
  }
  piece(rest);
  return {
    kind: "prompt",
    axes: [],
    elements: [elements],
    slots: new Map(slots.map(([name, count]) => [name, { count, words: false }])),
    length: usualLength,
    span: type.span,
  };
}
