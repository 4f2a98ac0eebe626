import type { DatasetItem } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import type { DType, Value } from "../ir/value.ts";
import type { HostExpr } from "../plan/host.ts";
import type { PlanDataset, PlanField, PlanOrder, PlanSource } from "../plan/plan.ts";
import { matchArguments } from "./arguments.ts";
import { castTo } from "./arithmetic.ts";
import { dataBuiltinNames } from "./builtins/table.ts";
import { argumentValue, type CallArg } from "./calls.ts";
import { compileCondition, evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import { fromHost } from "./hostExpr.ts";
import { ItemFields } from "./itemFields.ts";
import { itemFact, plainPicture } from "./itemPictures.ts";
import type { Scope } from "./scope.ts";
import { type BatchVal, type DatasetVal, describe, type HostVal, type RecordVal, tensor, type Val } from "./values.ts";

// Data sets as plain data for the runtime, and their batches in steps. Only fields that somebody reads are asked for.

/** What a data set knows of an item, by the names that programs use. */
function itemValues(): [string, Val][] {
  const fact = (name: string, of: Parameters<typeof itemFact>[0], type: HostVal["type"]): [string, Val] => [
    name,
    fromHost(itemFact(of, type), type),
  ];
  return [
    fact("file", "file", "text"),
    fact("stem", "stem", "text"),
    fact("folder_name", "subject", "text"),
    fact("subject", "subject", "text"),
    fact("source", "source", "int"),
    fact("images", "images", "int"),
    fact("index", "index", "int"),
    ["white", plainPicture("white")],
    ["black", plainPicture("black")],
    ["area", { kind: "text", value: "area" }],
    ["shuffled", { kind: "order", order: "shuffled" }],
    ["sequential", { kind: "order", order: "sequential" }],
  ];
}

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
  // What the file defines or imports keeps its name; the prelude's function of a name is reached through that of the data set.
  const free = [...dataBuiltinNames()].filter((name) => name === "resize_nearest" || dataset.scope.lookupCallable(name) === undefined);
  let scope = dataset.scope.child({
    values: new Map<string, Val>([
      ...free.map((name): [string, Val] => [name, { kind: "builtin", name: `dataset.${name}` }]),
      ...itemValues(),
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
  return { ...dataset, bound: { scope, fields: new ItemFields(item, scope) } };
}

function boundOf(dataset: DatasetVal, span: Span): NonNullable<DatasetVal["bound"]> {
  return (
    dataset.bound ??
    fail("type/mismatch", span, { found: describe(dataset), expected: `a data set with its arguments: \`${dataset.item.name.name}(…)\`` })
  );
}

/** The sources and order of a data set, with the fields that were read, in the order of declaration. */
export function datasetSpec(dataset: DatasetVal, read: ReadonlySet<string>, span: Span): PlanDataset {
  const { item } = dataset;
  const { fields } = boundOf(dataset, span);
  const { scope } = fields;
  return scope.session.inBody("dataset", [item.name.name], () => {
    const sources = item.members.filter((m) => m.kind === "source").filter((m) => m.when === null || compileCondition(m.when, scope));
    const [source, ...more] = sources.map((one) => {
      const value = evaluate(one.value, scope);
      if (value.kind !== "record")
        fail("type/mismatch", one.value.span, { found: describe(value), expected: "`folders(…)` or `folder(…)`" });
      return readSource(value);
    });
    if (!source) fail("elaborate/missing-setting", item.name.span, { name: `dataset ${item.name.name}`, setting: "a `source`" });
    const order = readOrder(item, scope);
    if (typeof order === "object" && order.kind === "drawn" && order.of === "source" && order.weights) {
      const { length } = order.weights;
      if (length !== sources.length)
        fail("data/weights", item.members.find((m) => m.kind === "order")!.span, { weights: length, sources: sources.length });
    }
    const declared = item.members.flatMap((m) => (m.kind === "fieldDecl" ? [m.name.name] : []));
    const names = [...declared, ...fields.hidden].filter((name) => read.has(name));
    return {
      name: item.name.name,
      source,
      ...(more.length === 0 ? {} : { more }),
      order,
      fields: names.map((name) => fields.spec(name)),
    };
  }).value;
}

function readSource(source: RecordVal): PlanSource {
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

function readOrder(item: DatasetItem, scope: Scope): PlanOrder {
  const order = item.members.find((m) => m.kind === "order");
  if (!order) return "sequential";
  const value = evaluate(order.value, scope);
  if (value.kind === "order") return value.order;
  fail("type/mismatch", order.value.span, {
    found: describe(value),
    expected: "`shuffled`, `sequential`, `weighted(subject, by: images)`, `weighted(source, by: [3, 1])` or `alternate(source)`",
  });
}

/** The batch of a step: reading a field makes the input leaves `binder.field` that it needs and notes them. */
export function batchOf(dataset: DatasetVal, binder: string, batch: number, oneOf: boolean, read: Set<string>, span: Span): BatchVal {
  const { item } = dataset;
  const { fields } = boundOf(dataset, span);
  const { session } = fields.scope;
  const members = new Map(item.members.flatMap((m) => (m.kind === "fieldDecl" ? [[m.name.name, m] as const] : [])));
  const inputOf = (name: string): Value => {
    read.add(name);
    const spec = fields.spec(name);
    const member = members.get(name);
    const made = member === undefined ? undefined : fields.made(name);
    const shape = shapeOf(spec, made?.kind === "loaded" ? made.axes.length : null);
    const labels = ["batch", ...(made?.axes ?? ["c", "h", "w"].slice(3 - shape.length))];
    const origin = { span: member?.span ?? item.span };
    return session.builder.input(`${binder}.${name}`, [batch, ...shape], { role: "data", dtype: dtypeOf(spec), labels, origin });
  };
  return {
    kind: "batch",
    binder,
    read: (name, at) => {
      if (!members.has(name)) {
        const known = [...members.keys()];
        const near = nearest(name, known);
        return fail(
          "type/no-field",
          at,
          { what: `the data set \`${item.name.name}\``, name },
          { help: near ? `did you mean \`${near}\`?` : `it has ${known.map((k) => `\`${k}\``).join(", ")}` },
        );
      }
      const made = fields.made(name);
      const { axes } = made;
      if (made.kind === "computed") {
        const value = session.at(members.get(name)!.span, () => fields.lifted(made.value, batch, oneOf, inputOf));
        return tensor(value, oneOf ? axes : ["batch", ...axes]);
      }
      read.add(name);
      const { spec } = made;
      const path = `${binder}.${name}`;
      const type = spec.kind === "made" ? spec.type : null;
      if (spec.kind === "subjectName" || type === "text" || (type === "bool" && oneOf))
        return hostField(path, type === "bool" ? "bool" : "text", batch, oneOf);
      const input = inputOf(name);
      if (oneOf) {
        const { builder } = session;
        const first = session.at(at, () => builder.reshape(builder.sliceAxis(input, 0, 0, 1), input.shape.slice(1), axes));
        return { ...tensor(first, axes), field: name };
      }
      if (type === "bool") {
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

function dtypeOf(spec: PlanField): DType {
  if (spec.kind === "image") return "f32";
  return spec.kind === "made" && spec.type === "f32" ? "f32" : "i32";
}

/** The shape of one item's value; `rank` says whether a grey picture has an axis for its one channel. */
function shapeOf(spec: PlanField, rank: number | null): readonly number[] {
  if (spec.kind !== "image") return [];
  const hasChannels = rank === null ? spec.channels === 3 : rank === 3;
  return hasChannels ? [spec.channels, spec.height, spec.width] : [spec.height, spec.width];
}
