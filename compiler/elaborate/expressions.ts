import type { Axis, BracketExpr, Expr, IfExpr, ListComp } from "../../dsl/ast.ts";
import { builtins } from "../../dsl/builtins.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import { applyBinary, applyNot, applyUnary, castTo } from "./arithmetic.ts";
import { axisItems } from "./axes.ts";
import { call, readArgs, rowOf, valueArg } from "./calls.ts";
import { Failure, fail, PathEnd, unsupported } from "./failure.ts";
import { constantOf, fromHost, hostIf, scalarType, toHost } from "./hostExpr.ts";
import { indexValue } from "./indexing.ts";
import { NoLoop } from "./loopBody.ts";
import { memberOf } from "./modules.ts";
import { applyPrompt, promptField } from "./prompts.ts";
import { applySchedule, combineSchedules, scheduleOf } from "./schedules.ts";
import type { Scope } from "./scope.ts";
import { copyEffects, restoreEffects, sameEffects } from "./session.ts";
import { compileNumber, sizeOf } from "./sizes.ts";
import { bindNames, runBody } from "./statements.ts";
import {
  type AxesVal,
  type AxisItem,
  axesOf,
  bool,
  describe,
  isScalar,
  list,
  none,
  number,
  type RecordVal,
  text,
  tuple,
  type Val,
} from "./values.ts";
import { filledText } from "./walkTexts.ts";
import { tappedField, watchValue } from "./watch.ts";

// Expressions -> values. Every construct of the language is one case; what a value can do is said by the file of its kind.

/** The value of an expression. */
export function evaluate(expr: Expr, scope: Scope): Val {
  const { session } = scope;
  switch (expr.kind) {
    case "number":
      return number(expr.value);
    case "string":
      return isWalked(session) ? filledText(expr.value, expr.span, scope) : text(expr.value);
    case "bool":
      return bool(expr.value);
    case "none":
      return none;
    case "pattern":
      return { kind: "pattern", node: expr };
    case "name":
      return settle(nameValue(expr.name, expr.span, scope), scope);
    case "tuple":
      return tuple(expr.elements.map((e) => evaluate(e, scope)));
    case "bracket":
      return bracketValue(expr, scope);
    case "listComp":
      return comprehension(expr, scope);
    case "record": {
      const fields = new Map<string, Val>();
      for (const field of expr.fields)
        fields.set(
          field.name.name,
          field.value ? evaluate(field.value, scope) : settle(nameValue(field.name.name, field.name.span, scope), scope),
        );
      return { kind: "record", fields };
    }
    case "ifExpr":
      return ifValue(expr, scope);
    case "fnExpr":
      return { kind: "closure", node: expr, scope };
    case "unary": {
      const operand = evaluate(expr.operand, scope);
      return expr.op === "not" ? applyNot(session, operand, expr.span) : negate(operand, expr.span, scope);
    }
    case "binary":
      return binaryValue(expr, scope);
    case "pipe":
      return settle(pipeValue(expr, scope), scope);
    case "range":
      return { kind: "range", from: evaluate(expr.from, scope), to: expr.to ? evaluate(expr.to, scope) : null, arrow: expr.arrow };
    case "call":
      return settle(call(calleeValue(expr.callee, scope), readArgs(expr.args, scope), expr.span, scope), scope);
    case "index":
      return indexValue(evaluate(expr.base, scope), expr.indices, expr.span, scope);
    case "field":
      return settle(fieldValue(evaluate(expr.base, scope), expr.name.name, expr.name.span, scope), scope);
    case "with": {
      const base = evaluate(expr.base, scope);
      if (base.kind !== "record") fail("type/mismatch", expr.base.span, { found: describe(base), expected: "a record" });
      const changes = evaluate(expr.changes, scope) as RecordVal;
      for (const [name] of changes.fields) if (!base.fields.has(name)) unknownField(base, name, expr.changes.span);
      return { kind: "record", fields: new Map([...base.fields, ...changes.fields]) };
    }
    case "watch":
      return watchValue(expr, scope);
    case "error":
      throw new Error("internal: an expression that could not be read reached elaboration");
    default:
      expr satisfies never;
      throw new Error("internal: unknown expression");
  }
}

// ---- names -------------------------------------------------------------------------------------------------------------------------

function nameValue(name: string, span: Span, scope: Scope): Val {
  const val = scope.lookup(name);
  if (val !== undefined) return val;
  if (scope.isOpenSize(name))
    fail(
      "shape/not-determined",
      span,
      { size: name },
      { label: "no use of it says so", help: "a part takes its sizes from what goes through it: call it first, or give the size" },
    );
  if (builtins.has(name)) unsupported(`\`${name}\` here`, span);
  const near = nearest(name, scope.names());
  fail("name/unknown", span, { name }, near ? { help: `did you mean \`${near}\`?` } : {});
}

/** State stands for its newest value; where a step runs, a schedule stands for its number now. */
function settle(val: Val, scope: Scope): Val {
  const { session } = scope;
  if (val.kind === "cell") return session.effects.cells.get(val.key) ?? session.cells.get(val.key)!;
  if (val.kind === "promptItem" && val.item.params.every((p) => p.default !== null)) return applyPrompt(val, [], val.item.span);
  if (val.kind === "maybe") {
    const known = constantOf(settled(val.present, scope));
    return known === undefined ? val : known ? val.value : none;
  }
  if (session.body === "step" || session.body === "optimizer") {
    if (val.kind === "schedule") return applySchedule(session, val, { kind: "counter", name: "update" });
    if (val.kind === "scheduleItem" && val.item.params.every((p) => p.default !== null))
      return applySchedule(session, scheduleOf(val, val.item.span), { kind: "counter", name: "update" });
  }
  return val;
}

export function calleeValue(callee: Expr, scope: Scope): Val {
  // a schedule that is applied must not turn into its number first
  if (callee.kind === "name") return scope.lookupCallable(callee.name) ?? nameValue(callee.name, callee.span, scope);
  return evaluate(callee, scope);
}

function fieldValue(base: Val, name: string, span: Span, scope: Scope): Val {
  switch (base.kind) {
    case "record": {
      const field = base.fields.get(name);
      return field ?? unknownField(base, name, span);
    }
    case "instance":
      return memberOf(base.instance, name, span);
    case "batch":
      return base.read(name, span);
    case "prompt":
      return promptField(base, name, span, scope);
    case "tapped":
      return tappedField(base, name, span);
    case "table":
      if (name === "has" || name === "take") return { kind: "tableMethod", table: base.name, method: name };
      return fail("type/no-field", span, { what: "a table", name }, { help: "it has `has(key)` and `take(key)`" });
    case "none":
      return fail(
        "type/mismatch",
        span,
        { found: "`none`", expected: `something with a field \`${name}\`` },
        { help: "ask `has(…)` first" },
      );
    default:
      return fail("type/no-field", span, { what: describe(base), name });
  }
}

function unknownField(base: RecordVal, name: string, span: Span): never {
  const known = [...base.fields.keys()];
  const near = nearest(name, known);
  fail("type/no-field", span, { what: describe(base), name }, near ? { help: `did you mean \`${near}\`?` } : {});
}

// ---- operators ---------------------------------------------------------------------------------------------------------------------

function negate(operand: Val, span: Span, scope: Scope): Val {
  if (operand.kind === "schedule") return combineSchedules("*", operand, number(-1), span);
  return applyUnary(scope.session, "neg", operand, span);
}

function binaryValue(expr: Extract<Expr, { kind: "binary" }>, scope: Scope): Val {
  const { session } = scope;
  const left = evaluate(expr.left, scope);
  if (expr.op === "and" || expr.op === "or") {
    // the other side is not looked at when this one decides
    const known = isScalar(left) && left.kind !== "text" ? constantOf(settled(toHost(left), scope)) : undefined;
    if (known === (expr.op === "or")) return bool(known);
    if (known === (expr.op === "and")) {
      const right = evaluate(expr.right, scope);
      return right.kind === "tensor" ? castTo(session, right, "bool") : right;
    }
  }
  const right = evaluate(expr.right, scope);
  if ([left, right].some((x) => x.kind === "schedule" || x.kind === "scheduleItem") && (expr.op === "*" || expr.op === "+"))
    return combineSchedules(expr.op, left, right, expr.span);
  if (left.kind === "list" && right.kind === "list" && expr.op === "+") return list([...left.items, ...right.items]);
  return applyBinary(session, expr.op, left, right, expr.span, [expr.left.span, expr.right.span]);
}

function settled(expr: ReturnType<typeof toHost>, scope: Scope): ReturnType<typeof toHost> {
  return scope.session.choices?.known(expr) ?? expr;
}

function pipeValue(expr: Extract<Expr, { kind: "pipe" }>, scope: Scope): Val {
  const piped = valueArg(evaluate(expr.value, scope), expr.value.span);
  const { target } = expr;
  if (target.kind === "call") return call(calleeValue(target.callee, scope), [piped, ...readArgs(target.args, scope)], expr.span, scope);
  return call(calleeValue(target, scope), [piped], expr.span, scope);
}

// ---- conditions --------------------------------------------------------------------------------------------------------------------

/** A Bool known when compiling. A host Bool makes alternatives; a device value cannot choose a graph. */
export function compileCondition(expr: Expr, scope: Scope): boolean {
  return conditionOf(evaluate(expr, scope), expr.span, scope);
}

function conditionOf(condition: Val, span: Span, scope: Scope): boolean {
  if (condition.kind === "bool") return condition.value;
  if (condition.kind === "tensor") {
    const what = "a tensor cannot choose a graph: the condition";
    const help = "`where` chooses values, `if` chooses a graph";
    fail("time/host-value-needed", span, { what }, { label: `device value (\`${condition.value.dtype}\`)`, help });
  }
  if (condition.kind === "host" && scope.session.items !== null) {
    const help = "`where` chooses values: the items of a batch go through one graph";
    fail("time/host-value-needed", span, { what: "the condition of an `if`" }, { label: "another one for each item", help });
  }
  if (scalarType(condition) === "bool") return compileNumber(condition, span, scope, "the condition of an `if`") !== 0;
  fail("type/mismatch", span, { found: describe(condition), expected: "a Bool" });
}

function ifValue(expr: IfExpr, scope: Scope): Val {
  const branch = (body: Expr | IfExpr["then"]): Val => (body.kind === "block" ? runBody(body, scope) : evaluate(body as Expr, scope));
  const otherwise = (): Val => (expr.otherwise === null ? none : branch(expr.otherwise));
  const condition = evaluate(expr.condition, scope);
  if (condition.kind === "host" && constantOf(settled(condition.expr, scope)) === undefined && expr.otherwise !== null) {
    const asHost = hostBranches(condition.expr, () => branch(expr.then), otherwise, scope);
    if (asHost) return asHost;
  }
  return conditionOf(condition, expr.condition.span, scope) ? branch(expr.then) : otherwise();
}

/** An `if` whose branches hold no device work is plain host evaluation: both are tried, and dropped if they do more. */
function hostBranches(condition: ReturnType<typeof toHost>, then: () => Val, otherwise: () => Val, scope: Scope): Val | null {
  const { session } = scope;
  const before = copyEffects(session.effects);
  const counts = session.loops.map((loop) => loop.count);
  const values: Val[] = [];
  const both = () => {
    for (const branch of [then, otherwise]) values.push(branch());
  };
  try {
    if (session.choices) session.choices.trying(both);
    else both();
  } catch (error) {
    if (!(error instanceof Failure) && !(error instanceof PathEnd) && !(error instanceof NoLoop)) throw error;
  }
  const [a, b] = values;
  const quiet = sameEffects(before, session.effects);
  if (a && b && quiet && isScalar(a) && isScalar(b) && compatible(scalarType(a)!, scalarType(b)!)) {
    const type = scalarType(a) === scalarType(b) ? scalarType(a)! : "real";
    return fromHost(hostIf(condition, toHost(a), toHost(b)), type);
  }
  restoreEffects(session.effects, before);
  for (const [i, loop] of session.loops.entries()) loop.count = counts[i]!;
  return null;
}

function compatible(a: string, b: string): boolean {
  return a === b || (a !== "text" && b !== "text" && a !== "bool" && b !== "bool");
}

// ---- lists and axes ----------------------------------------------------------------------------------------------------------------

function bracketValue(expr: BracketExpr, scope: Scope): Val {
  if (expr.elements.some((e) => e.kind === "rowAxis" || e.name !== null)) return evaluateAxes(expr, scope);
  const items: Val[] = [];
  for (const element of expr.elements as readonly Extract<Axis, { kind: "namedAxis" }>[]) {
    if (element.value.kind === "ifExpr" && element.value.otherwise === null) {
      optionalElement(element.value, scope, items);
    } else items.push(evaluate(element.value, scope));
  }
  return list(items);
}

/** The only `if` without `else`: an element that is present or not. */
function optionalElement(expr: IfExpr, scope: Scope, items: Val[]): void {
  if (!compileCondition(expr.condition, scope)) return;
  items.push(expr.then.kind === "block" ? runBody(expr.then, scope) : evaluate(expr.then as Expr, scope));
}

/** An expression read as axes: a name is an axis unless it stands for axes. */
export function evaluateAxes(expr: Expr, scope: Scope): AxesVal {
  if (expr.kind === "name") {
    const val = scope.lookup(expr.name);
    return val?.kind === "axes" ? val : axesOf([{ name: expr.name, size: scope.lookupSize(expr.name) ?? null }]);
  }
  if (expr.kind === "bracket") return axesOf(expr.elements.flatMap((axis) => axisElement(axis, scope)));
  const val = evaluate(expr, scope);
  if (val.kind === "axes") return val;
  fail("type/mismatch", expr.span, { found: describe(val), expected: "axes" }, { help: "one axis `h`, several `[h, w]`, a row `...b`" });
}

function axisElement(axis: Axis, scope: Scope): readonly AxisItem[] {
  if (axis.kind === "rowAxis") return rowOf(axis.name.name, scope, axis.span);
  if (axis.name !== null) return [{ name: axis.name.name, size: sizeOf(axis.value, scope) }];
  return evaluateAxes(axis.value, scope).axes;
}

/** Lists are unrolled, so a longer one can only be a mistake. */
const mostElements = 65_536;

/** The whole numbers of `from..to` as a list. */
export function wholeNumbers(from: number, to: number, span: Span): readonly Val[] {
  const length = Math.max(0, Math.ceil(to - from));
  if (!(length <= mostElements)) fail("elaborate/too-long", span, { length, most: mostElements });
  return Array.from({ length }, (_, i) => number(from + i));
}

/** What a `for` runs over: a list, or a range of whole numbers known when compiling. */
export function loopItems(over: Val, span: Span, scope: Scope): readonly Val[] {
  if (over.kind === "list" || over.kind === "tuple") return over.items;
  if (over.kind === "range") {
    const from = compileNumber(over.from, span, scope, "a loop's bound");
    if (over.to === null) fail("type/mismatch", span, { found: "a range without an end", expected: "a range `a..b`" });
    const to = compileNumber(over.to, span, scope, "a loop's bound");
    return wholeNumbers(from, to, span);
  }
  fail("type/mismatch", span, { found: describe(over), expected: "a list or a range" });
}

function comprehension(expr: ListComp, scope: Scope): Val {
  const { session } = scope;
  const over = evaluate(expr.over, scope);
  const items = loopItems(over, expr.over.span, scope);
  // Over a list that only a walk knows, each element is made by a leg of its own, which is compiled once.
  const walk = over.kind === "list" && isWalked(session) ? over.walk : undefined;
  const element = (value: Val): Val => (walk === undefined ? value : session.walk!.cut(value, session.stream.at(-1) ?? "element"));
  const within = (i: number, run: () => void): void =>
    walk === undefined ? session.inStream(`[${i}]`, run) : session.walk!.within(i, run);
  const results: Val[] = [];
  items.forEach((item, i) => {
    within(i, () => {
      const inner = bindNames(expr.binder, item, withElementSizes(item, scope));
      if (expr.where !== null && !compileCondition(expr.where, inner)) return;
      if (expr.body.kind === "ifExpr" && expr.body.otherwise === null) {
        optionalElement(expr.body, inner, results);
        return;
      }
      results.push(element(expr.body.kind === "block" ? runBody(expr.body, inner) : evaluate(expr.body, inner)));
    });
  });
  return walk === undefined ? list(results) : { ...list(results), walk };
}

/** Whether this is the text of a walk itself, and not of a function that it calls. */
const isWalked = (session: Scope["session"]): boolean => session.walk !== null && session.body === "evaluate" && session.chain.length === 0;

/** Binding an element of a list brings its axes' sizes into scope. */
export function withElementSizes(item: Val, scope: Scope): Scope {
  const tensors = item.kind === "tuple" ? item.items : [item];
  const sizes = new Map<string, number>();
  for (const one of tensors) {
    if (one.kind === "tensor") for (const axis of axisItems(one)) sizes.set(axis.name, axis.size!);
    if (one.kind === "record") for (const [name, size] of one.sizes ?? []) sizes.set(name, size);
  }
  return sizes.size === 0 ? scope : scope.child({ sizes });
}
