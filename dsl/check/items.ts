import type {
  Block,
  ConstItem,
  DatasetItem,
  EvaluateItem,
  FnItem,
  Item,
  LossItem,
  ModelItem,
  OptimizerItem,
  PropertyItem,
  ScheduleItem,
  StepItem,
  Stmt,
} from "../ast.ts";
import type { Span } from "../span.ts";
import { printSize } from "../types/printSize.ts";
import { anySize, variableSize } from "../types/size.ts";
import { type AxisItem, axis, describeType, isSilent, type Type, tensor, unknownType } from "../types/type.ts";
import type { Obligation } from "../types/unify.ts";
import { walk } from "../walk.ts";
import { checkedFunction, setFunctionCheck } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { bodyScope, type FunctionInfo, paramInfos } from "./functions.ts";
import { fileScope, modelType, valueOfItem } from "./globals.ts";
import { assign, CallState } from "./match.ts";
import { reportMismatch } from "./mismatch.ts";
import { type ModuleInfo, moduleInfo, setModuleBodyCheck } from "./modules.ts";
import { assignResult, checkResult } from "./results.ts";
import type { Body, Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { runBlock } from "./statements.ts";
import { checkTrain } from "./train.ts";
import { Declared, typeOfNode } from "./typeNodes.ts";

// Each item of a file, once.

export function checkItem(session: Session, item: Item, file: string): void {
  switch (item.kind) {
    case "const":
      checkConst(session, item, file);
      return;
    case "fn":
    case "loss":
      checkFunctionItem(session, item, file);
      return;
    case "module":
      moduleInfo(session, item, file);
      return;
    case "model":
      checkModel(session, item, file);
      return;
    case "dataset":
      checkDataset(session, item, file);
      return;
    case "schedule":
      checkSchedule(session, item, file);
      return;
    case "step":
      checkStep(session, item, file);
      return;
    case "optimizer":
      checkOptimizer(session, item, file);
      return;
    case "train":
      checkTrain(session, item, file);
      return;
    case "evaluate":
      checkEvaluate(session, item, file);
      return;
    case "test":
      runBlock(item.body, fileScope(session, file, bodyOf("test", item.title.value, item.span)));
      return;
    case "property":
      checkProperty(session, item, file);
      return;
    // Prompts, grammars, keys, surgery and tables are looked at when the program is compiled.
    case "import":
    case "type":
    case "prompt":
    case "grammar":
    case "keys":
    case "surgery":
    case "stateItem":
    case "precision":
    case "gradcheck":
    case "errorItem":
      return;
    default:
      item satisfies never;
  }
}

function bodyOf(kind: Body["kind"], name: string, span: Span | null, stateNames?: ReadonlySet<string>): Body {
  return { kind, name, random: true, updates: true, training: false, span, ...(stateNames ? { stateNames } : {}) };
}
/** True when the parser left something out of a body: then nothing is said about what is missing in it. */
export function isBroken(block: Block): boolean {
  let broken = false;
  walk(block, (node) => {
    if (node.kind === "error") broken = true;
    return !broken;
  });
  return broken;
}

// ---- functions and modules -------------------------------------------------------------------------------------------------------------
function checkFunctionItem(session: Session, item: FnItem | LossItem, file: string): void {
  checkedFunction(session, item, file);
}
setFunctionCheck((session, info, item) => checkFunction(session, info, item.name.span));

/** The body of a function, for all sizes: what it returns against what it declares. */
function checkFunction(session: Session, info: FunctionInfo, nameSpan: Span, stateNames?: ReadonlySet<string>): void {
  const { unifier } = session;
  const before = unifier.obligations.length;
  checkBodyOf(session, info, nameSpan, stateNames);
  const seen = new Set<string>();
  for (const obligation of settle(session, info.name, before)) {
    const key = `${obligation.left.key} = ${obligation.right.key}`;

    if (!seen.has(key) && seen.size < mostObligations) info.obligations.push(obligation);
    seen.add(key);
  }
}
const mostObligations = 32;

/** Looks again at equations that were not decided where they arose: false ones are reported, those still open returned. */
function settle(session: Session, name: string, from: number): Obligation[] {
  const { unifier } = session;
  return unifier.obligationsSince(from).flatMap((obligation) => {
    const [left, right] = [unifier.size(obligation.left), unifier.size(obligation.right)];
    const verdict = unifier.compare(left, right);
    if (verdict === "differ" && obligation.origin) {
      const equation = `${printSize(obligation.left)} = ${printSize(obligation.right)}`;
      session.report("shape/unmet", obligation.origin, { callee: name, equation, left: printSize(left), right: printSize(right) });
    }
    return verdict === "open" ? [{ left, right, origin: obligation.origin }] : [];
  });
}

function checkBodyOf(session: Session, info: FunctionInfo, nameSpan: Span, stateNames?: ReadonlySet<string>): void {
  const scope = bodyScope(info);
  checkDefaults(session, info.params, scope);
  if (info.body.kind !== "block") return;
  const inner = stateNames ? scope.child({}, { ...info.bodyContext, stateNames }) : scope;
  const result = runBlock(info.body, inner);
  if (!result.ends && !isBroken(info.body)) {
    const some = result.returns.length > 0 ? " on every path" : "";
    session.report(
      "body/no-return",
      nameSpan,
      { what: info.what === "module" ? "this `forward`" : `\`${info.name}\`` },
      some ? { help: "one path ends without a `return`" } : {},
    );
  }
  if (!info.result || !info.resultNode) return;
  for (const { type, span } of result.returns) checkResult(session, info.result, type, span, info.resultNode.span);
  undeterminedResult(
    session,
    info,
    result.returns.map((r) => r.type),
  );
}

// A size that only the result names must be said by the body.
function undeterminedResult(session: Session, info: FunctionInfo, returned: readonly Type[]): void {
  if (returned.length === 0 || returned.some((t) => isSilent(t))) return;
  for (const [id, { name, node }] of info.declared.fromBody) {
    if (name.startsWith("...") || session.unifier.isSolved(id)) continue;
    const solvable = info.declared.sizes.get(name);
    const known = returned.every((t) => t.kind === "int" || t.kind === "realNumber");
    if (solvable && known)
      session.report(
        "shape/not-determined",
        node.span,
        { size: name },
        { help: `a size is named by an axis of a parameter, or by a parameter \`${name}: Dim\`` },
      );
  }
}

function checkDefaults(session: Session, params: FunctionInfo["params"], scope: Scope): void {
  for (const param of params) {
    if (!param.default) continue;
    const type = evaluate(param.default, scope);
    if (param.type.kind === "int" && type.kind === "int") continue;
    const problem = assign(new CallState(session, new Set()), param.type, type);
    if (problem && problem.kind !== "size") {
      reportMismatch(session, problem, {
        span: param.default.span,
        have: type,
        want: param.type,
        name: param.name,
        declaredAt: param.span,
        callee: null,
      });
    }
  }
}

function checkModuleBodies(session: Session, info: ModuleInfo): void {
  const states = new Set(info.item.members.flatMap((m) => (m.kind === "leaf" && m.role === "state" ? [m.name.name] : [])));
  checkDefaults(session, info.params, info.scope);
  for (const member of info.item.members) {
    if (member.kind === "leaf") {
      if (member.when) condition(session, member.when, info.scope);
      if (member.init) checkInitial(session, info.members.get(member.name.name), member, info.scope);
    } else if (member.kind === "part") {
      if (member.when) condition(session, member.when, info.scope);
    } else if (member.kind === "fn") {
      const method = info.functions.get(member.name.name);
      if (method) checkFunction(session, method, member.name.span, states);
    }
  }
  const forward = info.item.members.find((m) => m.kind === "forward");
  if (info.forward && forward) checkFunction(session, info.forward, forward.signature.span, states);
}
setModuleBodyCheck(checkModuleBodies);

function condition(session: Session, expr: Parameters<typeof evaluate>[0], scope: Scope): void {
  const type = evaluate(expr, scope);
  if (isSilent(type) || type.kind === "bool") return;
  session.report("type/mismatch", expr.span, { found: describeType(type), expected: "a condition" });
}

/** The starting value of a leaf or state: a number for all elements, or a tensor of its axes. */
function checkInitial(
  session: Session,
  want: Type | undefined,
  leaf: { readonly init: Parameters<typeof evaluate>[0] | null; readonly name: { readonly name: string; readonly span: Span } },
  scope: Scope,
): void {
  if (!leaf.init || !want) return;
  const have = evaluate(leaf.init, scope);
  if (have.kind === "list") return;
  if (want.kind === "tensor" && have.kind === "tensor") {
    checkResult(session, want, have, leaf.init.span, leaf.name.span);
    return;
  }
  const problem = assignResult(session, want, have);
  if (problem)
    reportMismatch(session, problem, {
      span: leaf.init.span,
      have,
      want,
      name: leaf.name.name,
      declaredAt: leaf.name.span,
      callee: null,
    });
}

// ---- constants, models -------------------------------------------------------------------------------------------------------------------
function checkConst(session: Session, item: ConstItem, file: string): void {
  valueOfItem(session, { item, file });
  if (!item.type) return;
  const scope = fileScope(session, file);
  const want = typeOfNode(item.type, scope, new Declared());
  const have = evaluate(item.value, scope);
  if (want.kind === "tensor" && have.kind === "list") return;
  const problem = assignResult(session, want, have);
  if (problem)
    reportMismatch(session, problem, {
      span: item.value.span,
      have,
      want,
      name: item.name.name,
      declaredAt: item.type.span,
      callee: null,
    });
}

export function checkModel(session: Session, item: ModelItem, file: string): void {
  const type = modelType(session, item, file);
  if (item.value && ["int", "realNumber", "tensor", "textValue", "function", "bool"].includes(type.kind)) {
    session.report("type/mismatch", item.value.span, {
      found: describeType(type),
      expected: "a module with its arguments, as `Linear(64)`",
    });
    return;
  }
  if (item.mode === "frozen") frozenUpdates(session, type, item.name.name, item.name.span, new Set());
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
    let asks = false;
    walk(statement.condition, (node) => {
      if (node.kind === "name" && (node as { readonly name?: string }).name === "training") asks = true;
      return undefined;
    });
    return asks ? [] : [...unguardedUpdates(statement.then.statements), ...unguardedUpdates(statement.otherwise?.statements ?? [])];
  });
}

// ---- data, steps -------------------------------------------------------------------------------------------------------------------------
function checkDataset(session: Session, item: DatasetItem, file: string): void {
  const declared = new Declared();
  const outer = fileScope(session, file, bodyOf("host", item.name.name, item.span));
  const params = paramInfos(item.params, outer, declared);
  let scope = outer.child({ values: new Map(params.map((p) => [p.name, p.type])), sizes: declared.sizes });
  checkDefaults(session, params, scope);
  for (const member of item.members) {
    const type = evaluate(member.value, scope);
    if (member.kind === "letMember") scope = scope.with(member.name.name, type);
    if (member.kind === "source" && member.when) condition(session, member.when, scope);
    if (member.kind === "fieldDecl") {
      const want = typeOfNode(member.type, scope, new Declared());
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
      scope = scope.with(member.name.name, unknownType);
    }
  }
}

/** What a step sees of a data set: each field, with an axis `batch` unless it reads one item. */
export function sampleOf(session: Session, item: DatasetItem, file: string, lead: readonly AxisItem[]): Type {
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

function checkStep(session: Session, item: StepItem, file: string): void {
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

function checkEvaluate(session: Session, item: EvaluateItem, file: string): void {
  const body = bodyOf("evaluate", item.name.name, item.span);
  const batch = batchAxis(session);
  let scope = fileScope(session, file, body).child({ sizes: new Map([["batch", batch.kind === "axis" ? batch.size : anySize()]]) });
  for (const member of item.members) {
    switch (member.kind) {
      case "model":
        checkModel(session, member, file);
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

// ---- optimisers, schedules, properties -----------------------------------------------------------------------------------------------------
function checkOptimizer(session: Session, item: OptimizerItem, file: string): void {
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
  for (const state of item.states) checkInitial(session, states.get(state.name.name), state, inner);
  const result = runBlock(item.body, inner);
  if (!result.ends && !isBroken(item.body)) session.report("body/no-return", item.name.span, { what: `\`${item.name.name}\`` });
  const want = typeOfNode(item.signature.result, inner, declared);
  for (const { type, span } of result.returns) checkResult(session, want, type, span, item.signature.result.span);
}

function checkSchedule(session: Session, item: ScheduleItem, file: string): void {
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

function checkProperty(session: Session, item: PropertyItem, file: string): void {
  const declared = new Declared();
  const outer = fileScope(session, file, bodyOf("property", item.title.value, item.span));
  const values = new Map(item.forall.map((f) => [f.name.name, typeOfNode(f.type, outer, declared, f.name.name)]));
  const scope = outer.child({ values, sizes: declared.sizes, rows: declared.rows });
  for (const f of item.forall) if (f.in) evaluate(f.in, scope);
  runBlock({ kind: "block", statements: item.body, span: item.span }, scope);
}
