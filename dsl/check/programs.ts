import type {
  DatasetItem,
  DatasetMember,
  EvaluateItem,
  OptimizerItem,
  Param,
  PropertyItem,
  ScheduleItem,
  StepItem,
  TypeNode,
} from "../ast.ts";
import type { Span } from "../span.ts";
import { anySize, type Size, variableSize, wholeOf } from "../types/size.ts";
import { type AxisItem, axis, describeType, errorType, isSilent, type Type, tensor, unknownType } from "../types/type.ts";
import { checkDefaults, checkInitial, condition, isBroken } from "./bodies.ts";
import { evaluate } from "./expressions.ts";
import { paramInfos } from "./functions.ts";
import { fileScope, modelType } from "./globals.ts";
import { reportMismatch } from "./mismatch.ts";
import { checkModel } from "./models.ts";
import { assignResult, checkResult } from "./results.ts";
import type { Body, Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { runBlock } from "./statements.ts";
import { Declared, typeOfNode } from "./typeNodes.ts";

// Data sets, steps, evaluations, optimisers, schedules and properties.

export function bodyOf(kind: Body["kind"], name: string, span: Span | null, stateNames?: ReadonlySet<string>): Body {
  return { kind, name, random: true, updates: true, training: false, span, ...(stateNames ? { stateNames } : {}) };
}
export function checkDataset(session: Session, item: DatasetItem, file: string): void {
  const declared = new Declared();
  const outer = fileScope(session, file, bodyOf("host", item.name.name, item.span));
  const params = paramInfos(item.params, outer, declared);
  let scope = outer.child({ values: new Map(params.map((p) => [p.name, p.type])), sizes: declared.sizes });
  checkDefaults(session, params, scope);
  // Members may use each other in any order. A parameter keeps its name; inside of itself a field's name is what the data set calls so.
  const own = new Set(params.map((p) => p.name));
  const types = new Map(
    item.members.flatMap((m) =>
      m.kind === "fieldDecl" && !own.has(m.name.name) ? [[m.name.name, fieldType(session, m, scope)] as const] : [],
    ),
  );
  scope = scope.child({ values: types });
  for (const member of item.members) {
    const inside = member.kind === "fieldDecl" && !own.has(member.name.name) ? scope.with(member.name.name, unknownType) : scope;
    const type = evaluate(member.value, inside);
    if (member.kind === "letMember") scope = scope.with(member.name.name, type);
    if (member.kind === "source" && member.when) condition(session, member.when, scope);
    if (member.kind !== "fieldDecl") continue;
    const want = types.get(member.name.name) ?? fieldType(session, member, scope);
    const problem = assignResult(session, want, type);
    if (problem)
      reportMismatch(session, problem, {
        span: member.value.span,
        have: type,
        want,
        name: member.name.name,
        declaredAt: member.type.span,
        callee: null,
      });
  }
}

/** The declared type of a field, of one item. */
function fieldType(session: Session, member: Extract<DatasetMember, { kind: "fieldDecl" }>, scope: Scope): Type {
  const sizes = new Declared();
  const want = typeOfNode(member.type, scope, sizes);
  const [unsaid] = sizes.sizes.keys();
  if (unsaid !== undefined)
    session.report("shape/not-determined", member.type.span, { size: unsaid }, { help: `write the size: \`${unsaid}: 4\`` });
  return want;
}

/** What a step sees of a data set: each field, with an axis `batch` unless it reads one item. */
function sampleOf(session: Session, item: DatasetItem, file: string, lead: readonly AxisItem[]): Type {
  if (session.isBroken(item.span)) return errorType;
  const scope = fileScope(session, file);
  const fields = new Map<string, Type>();
  for (const member of item.members) {
    if (member.kind !== "fieldDecl") continue;
    const type = typeOfNode(member.type, scope, new Declared());
    fields.set(member.name.name, type.kind === "tensor" ? { ...type, axes: [...lead, ...type.axes] } : perItem(type, lead));
  }
  return { kind: "record", name: item.name.name, fields };
}
function perItem(type: Type, lead: readonly AxisItem[]): Type {
  if (lead.length === 0) return type.kind === "int" ? { kind: "int", value: anySize() } : type;
  switch (type.kind) {
    case "int":
      return tensor("i32", lead, "host");
    case "realNumber":
      return tensor("real", lead, "host");
    case "bool":
      return tensor("bool", lead, "host");
    case "textValue":
      return tensor("text", lead, "host");
    default:
      return unknownType;
  }
}
function batchAxis(session: Session): AxisItem {
  return axis("batch", variableSize(session.unifier.fresh("batch", "rigid")));
}

export function checkStep(session: Session, item: StepItem, file: string): void {
  const batch = batchAxis(session);
  const place = session.lookup(file, item.dataset.name);
  const sample = place?.item.kind === "dataset" ? sampleOf(session, place.item, place.file, item.oneOf ? [] : [batch]) : unknownType;
  const sizes = new Map([["batch", batch.kind === "axis" ? batch.size : anySize()]]);
  const scope = fileScope(session, file, bodyOf("step", item.name.name, item.span)).child({
    values: new Map([[item.batch.name, sample]]),
    sizes,
  });
  const result = runBlock(item.body, scope);
  for (const { span } of result.returns)
    session.report(
      "effect/not-here",
      span,
      { what: "`return`", place: "a `step`" },
      { help: "a step has no result: `minimize`, `log` and `update` say what it does" },
    );
}

export function checkEvaluate(session: Session, item: EvaluateItem, file: string): void {
  const isWalk = !item.members.some((member) => member.kind === "dataMember");
  const body: Body = { ...bodyOf("evaluate", item.name.name, item.span), isWalk };
  const batch = batchAxis(session);
  let scope = fileScope(session, file, body).child({ sizes: new Map([["batch", batch.kind === "axis" ? batch.size : anySize()]]) });
  for (const member of item.members) {
    switch (member.kind) {
      case "model":
        checkModel(session, member, file, true);
        if (member.value) scope = scope.with(member.name.name, modelType(session, member, file));
        break;
      case "dataMember": {
        const data = evaluate(member.value, scope);
        scope = scope.with(member.name.name, data.kind === "dataset" ? sampleOf(session, data.item, data.file, [batch]) : unknownType);
        break;
      }
      case "seedMember":
      case "report":
        break;
      default:
        scope = runBlock({ kind: "block", statements: [member], span: member.span }, scope).scope;
    }
  }
}
export function checkOptimizer(session: Session, item: OptimizerItem, file: string): void {
  const stateNames = new Set(item.states.map((s) => s.name.name));
  const outer = fileScope(session, file, bodyOf("optimizer", item.name.name, item.signature.span, stateNames));
  const declared = new Declared();
  const params = paramInfos(item.params, outer, declared);
  const withParams = outer.child({ values: new Map(params.map((p) => [p.name, p.type])), sizes: declared.sizes });
  checkDefaults(session, params, withParams);
  const step = paramInfos(item.signature.params, withParams, declared);
  const states = new Map(item.states.map((s) => [s.name.name, typeOfNode(s.type, withParams, declared)]));
  const inner = withParams.child({
    values: new Map([...step.map((p) => [p.name, p.type] as const), ...states]),
    sizes: declared.sizes,
    rows: declared.rows,
  });
  for (const { type } of item.states) {
    const isState =
      type.kind === "error" || (type.kind === "namedType" && type.name.name === "f32" && !type.optional && (type.axes ?? []).length <= 1);
    if (!isState)
      session.report("type/mismatch", type.span, {
        found: `\`${session.textOf(type.span)}\``,
        expected: "`f32[n]`, or `f32` for one number,",
      });
  }
  for (const state of item.states) checkInitial(session, states.get(state.name.name), state, inner);
  const result = runBlock(item.body, inner);
  if (!result.ends && !isBroken(item.body)) session.report("body/no-return", item.name.span, { what: `\`${item.name.name}\`` });
  const want = typeOfNode(item.signature.result, inner, declared);
  for (const { type, span } of result.returns) checkResult(session, want, type, span, item.signature.result.span);
}

export function checkSchedule(session: Session, item: ScheduleItem, file: string): void {
  const outer = fileScope(session, file, bodyOf("host", item.name.name, item.span));
  const declared = new Declared();
  const params = paramInfos(item.params, outer, declared);
  const scope = outer.child({ values: new Map(params.map((p) => [p.name, p.type])), sizes: declared.sizes });
  checkDefaults(session, params, scope);
  item.spans.forEach((span, i) => {
    const value = evaluate(span.value, scope);
    if (!isSilent(value) && !["schedule", "scheduleKind", "int", "realNumber"].includes(value.kind)) {
      session.report("type/mismatch", span.value.span, { found: describeType(value), expected: "a schedule or a number" });
    }
    if (span.length) {
      const length = evaluate(span.length, scope);
      if (!isSilent(length) && length.kind !== "int" && length.kind !== "realNumber") {
        session.report("type/mismatch", span.length.span, { found: describeType(length), expected: "a number of updates" });
      }
    }
    const updates = span.length && evaluate(span.length, scope);
    const count = updates?.kind === "int" ? wholeOf(updates.value) : undefined;
    if (span.length && count !== undefined && count < 0)
      session.report("train/bad-number", span.length.span, {
        setting: "a number of updates",
        expected: "a whole number from 0 on",
        found: count,
      });
    const last = i === item.spans.length - 1;
    if (!last && span.length === null)
      session.report(
        "schedule/span",
        span.span,
        { problem: "nothing can follow this part, because it has no end" },
        { help: "write how many updates it takes: `… for 600 then …`" },
      );
  });
}

export function checkProperty(session: Session, item: PropertyItem, file: string): void {
  const declared = new Declared();
  const outer = fileScope(session, file, bodyOf("property", item.title.value, item.span));
  const values = new Map<string, Type>();
  let known = outer;
  const isNumber = (type: TypeNode): boolean => type.kind === "namedType" && type.axes === null && /^(?:Int|Dim)$/.test(type.name.name);
  // Whole numbers first: sizes may be made of them.
  for (const f of [...item.forall].sort((a, b) => Number(isNumber(b.type)) - Number(isNumber(a.type)))) {
    const param: Param = { kind: "param", each: false, name: f.name, type: f.type, default: null, span: f.name.span };
    for (const { name, type } of paramInfos([param], known, declared)) {
      values.set(name, type);
      known = known.child({ axisSizes: axisSizesOf(type), ...(isNumber(f.type) ? { values: new Map([[name, type]]) } : {}) });
    }
  }
  const scope = known.child({ values, sizes: declared.sizes, rows: declared.rows });
  for (const f of item.forall) if (f.in) evaluate(f.in, scope);
  runBlock({ kind: "block", statements: item.body, span: item.span }, scope);
}

/** The sizes of a drawn value's axes: what is drawn after it may name them. */
export function axisSizesOf(type: Type): ReadonlyMap<string, Size> {
  const parts = type.kind === "record" ? [...type.fields.values()] : type.kind === "tuple" ? type.elements : [];
  if (type.kind === "tensor") return new Map(type.axes.flatMap((one) => (one.kind === "axis" ? [[one.name, one.size] as const] : [])));
  return new Map(parts.flatMap((part) => [...axisSizesOf(part)]));
}
