import type { DatasetItem, DatasetMember, TypeNode } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import type { HostExpr } from "../plan/host.ts";
import type { PlanDataset, PlanDataValue, PlanField } from "../plan/plan.ts";
import { matchArguments } from "./arguments.ts";
import { castTo } from "./arithmetic.ts";
import { dataBuiltinNames } from "./builtins/table.ts";
import { argumentValue, type CallArg } from "./calls.ts";
import { dataCall, dataOf } from "./dataValues.ts";
import { compileCondition, evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import { fromHost } from "./hostExpr.ts";
import { Scope } from "./scope.ts";
import { sizeOf } from "./sizes.ts";
import { type BatchVal, type DatasetVal, describe, type ItemFactVal, isScalar, type RecordVal, tensor, type Val } from "./values.ts";

// Data sets as plain data for the runtime. Only fields that somebody reads are asked for.

type Field = Extract<DatasetMember, { kind: "fieldDecl" }>;

/** A data set with its arguments. */
export function applyDataset(dataset: DatasetVal, args: readonly CallArg[], span: Span): DatasetVal {
  const { item } = dataset;
  const given = matchArguments(
    item.name.name,
    item.params.map((p) => ({ name: p.name.name })),
    args,
    span,
  );
  const { session } = dataset.scope;
  const fact = (name: ItemFactVal["fact"]): Val => ({ kind: "itemFact", fact: name });
  const told = (name: string): [string, Val] => [name, dataCall(name, {}, item.span)];
  let scope = dataset.scope.child({
    values: new Map<string, Val>([
      ...[...dataBuiltinNames()].map((name): [string, Val] => [name, { kind: "builtin", name: `dataset.${name}` }]),
      ["file", fact("file")],
      ["folder_name", fact("folder_name")],
      ["subject", fact("subject")],
      ...["source", "white", "images", "area"].map(told),
      ["shuffled", { kind: "text", value: "shuffled" }],
      ["sequential", { kind: "text", value: "sequential" }],
    ]),
  });
  session.inBody("dataset", [], () => {
    for (const param of item.params) {
      const arg = given.get(param.name.name);
      const value = arg ? argumentValue(arg) : param.default ? evaluate(param.default, scope) : undefined;
      if (value === undefined) fail("call/missing-argument", span, { callee: item.name.name, name: param.name.name });
      scope = scope.with(param.name.name, value);
    }
  });
  return { ...dataset, bound: lazyMembers(item, scope) };
}

/** `let` members are names for what they say; a field stands for its value of the same item. */
function lazyMembers(item: DatasetItem, scope: Scope): Scope {
  const members = new Map(
    item.members.flatMap((m) => (m.kind === "letMember" || m.kind === "fieldDecl" ? [[m.name.name, m] as const] : [])),
  );
  const inner: Scope = new Scope(scope.session, scope, {
    resolve: (name) => {
      const member = members.get(name);
      if (!member || item.params.some((p) => p.name.name === name) || scope.lookup(name)?.kind === "itemFact") return undefined;
      if (member.kind === "fieldDecl") return { kind: "data", value: { call: "field", args: { name } } };
      return scope.session.inBody("dataset", [name], () => evaluate(member.value, inner)).value;
    },
  });
  return inner;
}

/** The fields that a value of a data set is made of. */
function fieldsIn(value: PlanDataValue): string[] {
  if (Array.isArray(value)) return value.flatMap(fieldsIn);
  if (typeof value !== "object" || value === null) return [];
  const { call, args } = value as Extract<PlanDataValue, { readonly call: string }>;
  return call === "field" ? [String(args.name)] : Object.values(args).flatMap(fieldsIn);
}

/** The source and order of a data set, with the fields that were read, in the order of declaration. */
export function datasetSpec(dataset: DatasetVal, read: ReadonlySet<string>, span: Span): PlanDataset {
  const { item, bound } = dataset;
  if (bound === null)
    fail("type/mismatch", span, { found: describe(dataset), expected: `a data set with its arguments: \`${item.name.name}(…)\`` });
  return bound.session.inBody("dataset", [], () => {
    const sources = item.members.filter((m) => m.kind === "source").filter((m) => m.when === null || compileCondition(m.when, bound));
    const [first] = sources;
    if (!first) fail("elaborate/missing-setting", item.name.span, { name: `dataset ${item.name.name}`, setting: "a `source`" });
    const [source, ...more] = sources.map((one) => {
      const value = evaluate(one.value, bound);
      if (value.kind !== "record")
        fail("type/mismatch", one.value.span, { found: describe(value), expected: "`folders(…)` or `folder(…)`" });
      return readSource(value);
    });
    const declared = new Map(item.members.flatMap((m) => (m.kind === "fieldDecl" ? [[m.name.name, m] as const] : [])));
    const needed = new Set(read);
    const specs = new Map<string, PlanField>();
    for (const name of needed) {
      const spec = fieldSpec(declared.get(name)!, bound);
      specs.set(name, spec);
      if (spec.kind === "made") for (const other of fieldsIn(spec.value)) needed.add(other);
    }
    return {
      name: item.name.name,
      source: source!,
      ...(more.length === 0 ? {} : { more }),
      order: readOrder(item, bound),
      fields: [...declared.keys()].flatMap((name) => specs.get(name) ?? []),
    };
  }).value;
}

function readSource(source: RecordVal): PlanDataset["source"] {
  const textOf = (name: string) => {
    const value = source.fields.get(name);
    return value?.kind === "text" ? value.value : null;
  };
  const first = source.fields.get("first");
  const perSubject = source.fields.get("per_subject");
  return {
    root: textOf("root")!,
    perSubject: perSubject?.kind === "bool" && perSubject.value,
    files: textOf("files") ?? "*.{png,jpg,jpeg}",
    skip: textOf("skip"),
    first: first?.kind === "number" ? first.value : null,
    onBroken: textOf("on_broken") === "fatal" ? "fatal" : "skip",
    ...(textOf("subject") === null ? {} : { subject: textOf("subject")! }),
  };
}

/** A subject as likely as it has pictures, then one of them: every picture equally likely. */
const weightedByImages = JSON.stringify({
  call: "weighted",
  args: { of: { call: "subject", args: {} }, by: { call: "images", args: {} } },
});

function readOrder(item: DatasetItem, scope: Scope): PlanDataset["order"] {
  const order = item.members.find((m) => m.kind === "order");
  if (!order) return "sequential";
  const value = evaluate(order.value, scope);
  if (value.kind === "text" && (value.value === "shuffled" || value.value === "sequential")) return value.value;
  if (value.kind === "data" && JSON.stringify(value.value) === weightedByImages) return "weighted";
  fail("type/mismatch", order.value.span, {
    found: describe(value),
    expected: "`shuffled`, `sequential` or `weighted(subject, by: images)`",
  });
}

function namedType(type: TypeNode, expected: string): Extract<TypeNode, { kind: "namedType" }> {
  if (type.kind !== "namedType") fail("type/mismatch", type.span, { found: "this type", expected });
  return type;
}

/** What the runtime must prepare for a field. */
export function fieldSpec(field: Field, scope: Scope): PlanField {
  const name = field.name.name;
  const type = namedType(field.type, "a tensor, `Int` or `Text`");
  const value = evaluate(field.value, scope);
  if (value.kind === "itemFact" && (value.fact === "subject" || value.fact === "folder_name")) {
    if (type.name.name === "Text") return { name, kind: "subjectName" };
    if (["Int", "i32"].includes(type.name.name) && (type.axes ?? []).length === 0) return { name, kind: "subjectIndex" };
    fail("type/mismatch", type.span, { found: "this type", expected: "`Int` (the subject's number) or `Text` (its name)" });
  }
  if (value.kind === "data" || (value.kind !== "picture" && (isScalar(value) || value.kind === "none")))
    return madeField(field, type, value, scope);
  if (value.kind !== "picture")
    fail("type/mismatch", field.value.span, { found: describe(value), expected: "a picture, `subject` or `folder_name`" });
  const sizes = (type.axes ?? []).map((axis) =>
    axis.kind === "rowAxis"
      ? fail("type/mismatch", axis.span, { found: "a row", expected: "an axis with its size" })
      : sizeOf(axis.value, scope),
  );
  const channels = sizes.length === 3 ? sizes[0] : 1;
  const [height, width] = sizes.slice(-2);
  if (sizes.length < 2 || sizes.length > 3 || (channels !== 1 && channels !== 3)) {
    fail("type/mismatch", type.span, { found: "this type", expected: "`f32[c: 3, h: 32, w: 32]`, or without `c` for a grey picture" });
  }
  if (value.size !== null) {
    for (const [axis, declared, resized] of [
      ["h", height!, value.size[0]],
      ["w", width!, value.size[1]],
    ] as const) {
      if (declared !== resized)
        fail(
          "shape/axis-mismatch",
          field.value.span,
          { axis, left: resized, right: declared },
          { related: [{ span: type.span, label: "declared here" }] },
        );
    }
  }
  return { name, kind: "image", channels, height: height!, width: width!, range: value.range, file: value.file };
}

/** A field that the runtime makes by calling functions of the data set. */
function madeField(field: Field, type: Extract<TypeNode, { kind: "namedType" }>, value: Val, scope: Scope): PlanField {
  const dtype = ({ Text: "text", Bool: "bool", Int: "i32", i32: "i32", f32: "f32", real: "f32", Real: "f32" } as const)[type.name.name];
  if (dtype === undefined)
    fail("type/mismatch", type.span, { found: `\`${type.name.name}\``, expected: "a tensor, `Bool`, `Int` or `Text`" });
  const shape = (type.axes ?? []).map((axis) =>
    axis.kind === "rowAxis"
      ? fail("type/mismatch", axis.span, { found: "a row", expected: "an axis with its size" })
      : sizeOf(axis.value, scope),
  );
  return { name: field.name.name, kind: "made", type: dtype, shape, value: dataOf(value, field.value.span) };
}

/** The batch of a step: reading a field makes the input leaf `binder.field` and notes that it is needed. */
export function batchOf(dataset: DatasetVal, binder: string, batch: number, oneOf: boolean, read: Set<string>, span: Span): BatchVal {
  const { item, bound } = dataset;
  if (bound === null)
    fail("type/mismatch", span, { found: describe(dataset), expected: `a data set with its arguments: \`${item.name.name}(…)\`` });
  const { session } = bound;
  return {
    kind: "batch",
    binder,
    read: (name, at) => {
      const field = item.members.find((m): m is Field => m.kind === "fieldDecl" && m.name.name === name);
      if (!field) {
        const known = item.members.flatMap((m) => (m.kind === "fieldDecl" ? [m.name.name] : []));
        const near = nearest(name, known);
        return fail(
          "type/no-field",
          at,
          { what: `the data set \`${item.name.name}\``, name },
          { help: near ? `did you mean \`${near}\`?` : `it has ${known.map((k) => `\`${k}\``).join(", ")}` },
        );
      }
      const spec = session.inBody("dataset", [], () => fieldSpec(field, bound)).value;
      read.add(name);
      const path = `${binder}.${name}`;
      const made = spec.kind === "made" ? spec.type : null;
      if (spec.kind === "subjectName" || made === "text" || (made === "bool" && oneOf))
        return hostField(path, made === "bool" ? "bool" : "text", batch, oneOf);
      const type = namedType(field.type, "a tensor");
      const axes = (type.axes ?? []).map((axis) =>
        axis.kind === "namedAxis" ? (axis.name?.name ?? (axis.value as { name: string }).name) : "",
      );
      const input = session.builder.input(path, [batch, ...shapeOf(spec, axes.length)], {
        role: "data",
        dtype: spec.kind === "subjectIndex" || made === "i32" || made === "bool" ? "i32" : "f32",
        labels: ["batch", ...axes],
        origin: { span: field.span },
      });
      if (oneOf) {
        const { builder } = session;
        const first = session.at(at, () => builder.reshape(builder.sliceAxis(input, 0, 0, 1), input.shape.slice(1), axes));
        return { ...tensor(first, axes), field: name };
      }
      if (made === "bool") {
        const host = Array.from({ length: batch }, (_, i): HostExpr => ({ kind: "field", field: path, at: i, type: "bool" }));
        return { ...session.at(at, () => castTo(session, tensor(input, ["batch"]), "bool")), field: name, host };
      }
      return { ...tensor(input, ["batch", ...axes]), field: name };
    },
  };
}

/** A field that only the host knows: one value, or one per sample. */
function hostField(field: string, type: "bool" | "text", batch: number, oneOf: boolean): Val {
  const one = (at: number): HostExpr => ({ kind: "field", field, at, type });
  if (oneOf) return fromHost(one(0), type);
  return { kind: "texts", axes: [{ name: "batch", size: batch }], items: Array.from({ length: batch }, (_, i) => one(i)) };
}

function shapeOf(spec: Exclude<PlanField, { kind: "subjectName" }>, rank: number): readonly number[] {
  if (spec.kind === "subjectIndex") return [];
  if (spec.kind === "made") return spec.shape;
  return rank === 3 ? [spec.channels, spec.height, spec.width] : [spec.height, spec.width];
}
