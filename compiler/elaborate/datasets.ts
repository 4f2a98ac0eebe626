import type { DatasetItem, DatasetMember, TypeNode } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import type { PlanDataset, PlanField } from "../plan/plan.ts";
import { matchArguments } from "./arguments.ts";
import { dataBuiltinNames } from "./builtins/table.ts";
import { argumentValue, type CallArg } from "./calls.ts";
import { compileCondition, evaluate } from "./expressions.ts";
import { fail, unsupported } from "./failure.ts";
import { Scope } from "./scope.ts";
import { sizeOf } from "./sizes.ts";
import { type BatchVal, type DatasetVal, describe, type ItemFactVal, type RecordVal, tensor, type Val } from "./values.ts";

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
  let scope = dataset.scope.child({
    values: new Map<string, Val>([
      ...[...dataBuiltinNames()].map((name): [string, Val] => [name, { kind: "builtin", name: `dataset.${name}` }]),
      ["file", fact("file")],
      ["folder_name", fact("folder_name")],
      ["subject", fact("subject")],
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

/** `let` members are names for the fields below them. */
function lazyMembers(item: DatasetItem, scope: Scope): Scope {
  const lets = new Map(item.members.flatMap((m) => (m.kind === "letMember" ? [[m.name.name, m] as const] : [])));
  const inner: Scope = new Scope(scope.session, scope, {
    resolve: (name) => {
      const member = lets.get(name);
      return member && evaluate(member.value, scope);
    },
  });
  return inner;
}

/** The source and order of a data set, with the fields that were read, in the order of declaration. */
export function datasetSpec(dataset: DatasetVal, read: ReadonlySet<string>, span: Span): PlanDataset {
  const { item, bound } = dataset;
  if (bound === null)
    fail("type/mismatch", span, { found: describe(dataset), expected: `a data set with its arguments: \`${item.name.name}(…)\`` });
  return bound.session.inBody("dataset", [], () => {
    const sources = item.members.filter((m) => m.kind === "source").filter((m) => m.when === null || compileCondition(m.when, bound));
    const [first, second] = sources;
    if (!first) fail("elaborate/missing-setting", item.name.span, { name: `dataset ${item.name.name}`, setting: "a `source`" });
    if (second) unsupported("a data set with several sources", second.span);
    const source = evaluate(first.value, bound);
    if (source.kind !== "record")
      fail("type/mismatch", first.value.span, { found: describe(source), expected: "`folders(…)` or `folder(…)`" });
    return {
      name: item.name.name,
      source: readSource(source),
      order: readOrder(item, bound),
      fields: item.members.flatMap((m) => (m.kind === "fieldDecl" && read.has(m.name.name) ? [fieldSpec(m, bound)] : [])),
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
  };
}

function readOrder(item: DatasetItem, scope: Scope): PlanDataset["order"] {
  const order = item.members.find((m) => m.kind === "order");
  if (!order) return "sequential";
  const value = evaluate(order.value, scope);
  if (value.kind === "text" && (value.value === "shuffled" || value.value === "sequential")) return value.value;
  fail("type/mismatch", order.value.span, { found: describe(value), expected: "`shuffled` or `sequential`" });
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
      if (spec.kind === "subjectName") return unsupported("a text of the data set in a step", at);
      read.add(name);
      const type = namedType(field.type, "a tensor");
      const axes = (type.axes ?? []).map((axis) =>
        axis.kind === "namedAxis" ? (axis.name?.name ?? (axis.value as { name: string }).name) : "",
      );
      const shape =
        spec.kind === "subjectIndex" ? [] : axes.length === 3 ? [spec.channels, spec.height, spec.width] : [spec.height, spec.width];
      const input = session.builder.input(`${binder}.${name}`, [batch, ...shape], {
        role: "data",
        dtype: spec.kind === "subjectIndex" ? "i32" : "f32",
        labels: ["batch", ...axes],
        origin: { span: field.span },
      });
      if (oneOf)
        return {
          ...tensor(
            session.at(at, () => session.builder.reshape(input, shape, axes)),
            axes,
          ),
          field: name,
        };
      return { ...tensor(input, ["batch", ...axes]), field: name };
    },
  };
}
