import type { Axis, NamedType, TypeNode } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { renameAxes } from "./axes.ts";
import { fail } from "./failure.ts";
import { scalarType } from "./hostExpr.ts";
import type { Scope } from "./scope.ts";
import { numbersOf, tableOf } from "./tables.ts";
import { describe, describeTensor, isNumeric, list, type TensorVal, type Val } from "./values.ts";

// Types as written: aliases followed, values checked against them, and how a message shows them.

type TensorDType = "f32" | "i32" | "bool";
const tensorTypes = new Map<string, TensorDType>([
  ["real", "f32"],
  ["f32", "f32"],
  ["f16", "f32"],
  ["i32", "i32"],
  ["bool", "bool"],
]);
const perSample = new Map<string, TensorDType>([
  ["Int", "i32"],
  ["Real", "f32"],
  ["Bool", "bool"],
]);

/** Follows `type` aliases; a record or tuple type stands for itself. */
export function resolveType(type: TypeNode, scope: Scope): { readonly type: TypeNode; readonly scope: Scope } {
  if (type.kind !== "namedType" || tensorTypes.has(type.name.name)) return { type, scope };
  const alias = scope.lookup(type.name.name);
  return alias?.kind === "type" ? resolveType(alias.node, alias.scope) : { type, scope };
}

/** The dtype of a tensor type; undefined for other types. `Bool[batch]` is a tensor too. */
export function tensorDtype(type: NamedType): TensorDType | undefined {
  const { name } = type.name;
  return tensorTypes.get(name) ?? (type.axes === null ? undefined : perSample.get(name));
}

/** A list of numbers where a tensor is declared. */
export function listAsTensor(
  type: NamedType,
  dtype: "f32" | "i32" | "bool",
  value: Extract<Val, { kind: "list" }>,
  span: Span,
  scope: Scope,
): Val {
  const axes = (type.axes ?? []).map((axis) => ({ name: axisName(axis), size: null }));
  if (numbersOf(value) === undefined || (type.axes ?? []).some((a) => a.kind === "rowAxis")) return value;
  return tableOf(scope.session, value, axes, span, dtype === "i32" ? "i32" : "f32");
}

export function isDim(type: TypeNode): boolean {
  return type.kind === "namedType" && type.name.name === "Dim" && type.axes === null;
}

export function isOptional(type: TypeNode): boolean {
  return type.kind !== "error" && type.optional;
}

/** What an axis that falls into a row is called on the other side. */
export type RowNames = (name: string) => string;
const sameNames: RowNames = (name) => name;

/** Checks a value that is no tensor against its declared type; tensors inside lists and records take the declared names. */
export function bindValue(type: TypeNode, scope: Scope, value: Val, span: Span, rowName: RowNames = sameNames): Val {
  if (type.kind === "recordType" && value.kind === "record") return bindElement(type, scope, value, span, rowName);
  if (type.kind === "tupleType" && value.kind === "tuple" && value.items.length === type.elements.length)
    return { kind: "tuple", items: value.items.map((item, i) => bindElement(type.elements[i]!, scope, item, span, rowName)) };
  if (type.kind !== "namedType") return value;
  const mismatch = (expected: string): never => fail("type/mismatch", span, { found: describe(value), expected });
  switch (type.name.name) {
    case "Int":
    case "Dim":
      if (value.kind === "number" && !Number.isInteger(value.value)) mismatch("a whole number");
      if (value.kind === "host" && value.type === "real") mismatch("a whole number");
      if (value.kind === "text" || value.kind === "list") mismatch("a whole number");
      return value;
    case "Real":
      if (value.kind !== "schedule" && value.kind !== "scheduleItem" && !isNumeric(value)) mismatch("a number");
      return value;
    case "Bool":
      if (scalarType(value) !== "bool") mismatch("a Bool");
      return value;
    case "Text":
    case "Path":
      if (scalarType(value) !== "text") mismatch("a text");
      return value;
    case "List": {
      if (value.kind !== "list") mismatch("a list");
      const element = type.args[0]?.value;
      if (value.kind !== "list" || element === undefined || element.kind === "number") return value;
      return list(value.items.map((item) => bindElement(element, scope, item, span, rowName)));
    }
    default:
      return value;
  }
}

/** An element of a declared list, or a record: tensors take the declared axis names, and size variables are bound for this element alone. */
function bindElement(element: TypeNode, scope: Scope, item: Val, span: Span, rowName: RowNames): Val {
  const { type, scope: typeScope } = resolveType(element, scope);
  if (type.kind === "recordType" && item.kind === "record") {
    const sizes = new Map<string, number>();
    const fields = new Map(item.fields);
    for (const field of type.fields) {
      const value = item.fields.get(field.name.name);
      if (value === undefined)
        fail(
          "type/no-field",
          span,
          { what: describe(item), name: field.name.name },
          { related: [{ span: field.name.span, label: "declared here" }] },
        );
      const bound = bindElement(field.type, typeScope, value, span, rowName);
      fields.set(field.name.name, bound);
      if (bound.kind === "tensor") for (const [name, size] of namedSizes(field.type, bound)) sizes.set(name, size);
    }
    return { kind: "record", fields, sizes };
  }
  if (type.kind !== "namedType" || tensorDtype(type) === undefined || item.kind !== "tensor")
    return bindValue(type, typeScope, item, span, rowName);
  const axes = type.axes ?? [];
  const rowAt = axes.findIndex((a) => a.kind === "rowAxis");
  const fixed = axes.length - (rowAt < 0 ? 0 : 1);
  if (rowAt < 0 ? fixed !== item.axes.length : fixed > item.axes.length)
    fail("shape/rank", span, { found: describeTensor(item), expected: showType(type) });
  const declared = new Map(placedAxes(axes, item).map(({ axis, name }) => [name, axisName(axis)]));
  return renameAxes(item, new Map(item.axes.map((name) => [name, declared.get(name) ?? rowName(name)])));
}

/** The declared axes of a type with the axes of a tensor that stand in their places, counted around the row. */
function placedAxes(axes: readonly Axis[], x: TensorVal): { readonly axis: Axis; readonly name: string; readonly size: number }[] {
  const rowAt = axes.findIndex((a) => a.kind === "rowAxis");
  return axes.flatMap((axis, i) => {
    if (axis.kind === "rowAxis") return [];
    const place = rowAt < 0 || i < rowAt ? i : x.axes.length - axes.length + i;
    return [{ axis, name: x.axes[place]!, size: x.value.shape[place]! }];
  });
}

/** The sizes that a type gives names to: `h2` of `real[c, h: h2]`. */
function namedSizes(type: TypeNode, x: TensorVal): [string, number][] {
  if (type.kind !== "namedType") return [];
  return placedAxes(type.axes ?? [], x).flatMap(({ axis, size }): [string, number][] =>
    axis.kind === "namedAxis" && axis.value.kind === "name" ? [[axis.value.name, size]] : [],
  );
}

export function axisName(axis: Axis): string {
  if (axis.kind === "rowAxis") return axis.name.name;
  if (axis.name) return axis.name.name;
  if (axis.value.kind === "name") return axis.value.name;
  fail("shape/unnamed-axis", axis.span, {});
}

/** A type as written, shortened to what a message needs. */
export function showType(type: TypeNode): string {
  if (type.kind !== "namedType") return type.kind === "recordType" ? "a record" : type.kind === "tupleType" ? "a tuple" : "?";
  if (type.axes === null) return type.name.name;
  const axes = type.axes.map((a) => {
    if (a.kind === "rowAxis") return `...${a.name.name}`;
    const size = a.value.kind === "number" ? String(a.value.value) : a.value.kind === "name" ? a.value.name : "…";
    return a.name === null || a.name.name === size ? size : `${a.name.name}: ${size}`;
  });
  return `${type.name.name}[${axes.join(", ")}]`;
}
