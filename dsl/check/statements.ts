import type { Block, Expr, RecordExpr, Stmt, UpdateStmt } from "../ast.ts";
import type { Span } from "../span.ts";
import { anySize, type Size } from "../types/size.ts";
import { axisKey, describeType, errorType, isSilent, type Type } from "../types/type.ts";
import { requireUpdates } from "./effects.ts";
import {
  checkCounted,
  conditionOf,
  elementOf,
  evaluate,
  knownTruth,
  mentionsTraining,
  presentIn,
  rangeHelp,
  taken,
} from "./expressions.ts";
import { checkHoles } from "./holes.ts";
import { join } from "./join.ts";
import { showAxes } from "./match.ts";
import { reportAlign, reportMismatch } from "./mismatch.ts";
import { assignResult } from "./results.ts";
import { type Body, bind, type Scope } from "./scope.ts";
import { updateTable } from "./tables.ts";

// Statements of a body, in order. A `let` is in force below itself; the result is what `return` gives.

export interface BlockResult {
  /** null: no path returns. */
  readonly type: Type | null;
  /** Every path through the block ends in a `return`. */
  readonly ends: boolean;
  /** The names that are in force at its end. */
  readonly scope: Scope;
  readonly returns: readonly Returned[];
}
export interface Returned {
  readonly type: Type;
  readonly span: Span;
}

export function runBlock(block: Block, outer: Scope): BlockResult {
  let scope = outer;
  const returns: Returned[] = [];
  let type: Type | null = null;
  let ends = false;
  let truth: Size = anySize();
  const add = (next: Type) => {
    type = type === null ? next : join(scope.session, type, next, truth);
  };
  for (const statement of block.statements) {
    if (ends) {
      scope.session.report("body/unreachable", statement.span, {});
      break;
    }
    if (statement.kind === "return") {
      const value = evaluate(statement.value, scope);
      returns.push({ type: value, span: statement.value.span });
      add(value);
      ends = true;
    } else if (statement.kind === "if") {
      const condition = conditionOf(statement.condition, scope) ?? anySize();
      const inner = mentionsTraining(statement.condition) ? scope.child({}, { ...scope.body, training: true }) : scope;
      const known = knownTruth(condition, scope);
      const branch = (block: Block, holds: boolean) =>
        taken(known, holds, scope, () => runBlock(block, presentIn(statement.condition, holds, inner)));
      const then = branch(statement.then, true);
      const otherwise = statement.otherwise ? branch(statement.otherwise, false) : null;
      if (scope.session.isQuiet && known !== undefined) {
        // For this call only one branch is there.
        const only = known ? then : otherwise;
        if (!only) continue;
        returns.push(...only.returns);
        if (only.type) add(only.type);
        if (only.ends) return { type, ends: true, scope, returns };
        continue;
      }
      returns.push(...then.returns, ...(otherwise?.returns ?? []));
      if (then.type && otherwise?.type) add(join(scope.session, then.type, otherwise.type, condition));
      else if (then.type) {
        truth = condition;
        add(then.type);
      } else if (otherwise?.type) add(otherwise.type);
      ends = then.ends && (otherwise?.ends ?? false);
    } else if (statement.kind === "for") {
      const over = evaluate(statement.over, scope);
      const element = elementOf(over);
      checkCounted(over, scope);
      if (element === null)
        scope.session.report(
          "type/mismatch",
          statement.over.span,
          { found: describeType(over), expected: "a list or a range" },
          rangeHelp(over, statement.over.span),
        );
      const body = runBlock(statement.body, bind(statement.binder, element ?? errorType, scope));
      returns.push(...body.returns);
      if (body.type) add(body.type);
    } else scope = runStatement(statement, scope);
  }
  return { type, ends, scope, returns };
}

function runStatement(statement: Exclude<Stmt, { kind: "return" | "if" | "for" }>, scope: Scope): Scope {
  switch (statement.kind) {
    case "error":
      return scope;
    case "let": {
      const value = evaluate(statement.value, scope);
      if (statement.binder.kind === "tupleBinder") checkTuple(value, statement.binder.elements.length, statement.value, scope);
      return bind(statement.binder, value, scope);
    }
    case "tap": {
      const value = evaluate(statement.value, scope);
      return scope.with(statement.name.name, value);
    }
    case "minimize": {
      allowed("minimize", statement.span, ["step"], scope);
      const value = evaluate(statement.value, scope);
      checkScalar(value, statement.value, scope);
      return scope;
    }
    case "update":
      return runUpdate(statement, scope);
    case "require":
      allowed("require", statement.span, ["step", "evaluate", "property", "test"], scope);
      if (scope.body.kind === "property" || scope.body.kind === "test") evaluate(statement.condition, scope);
      else conditionOf(statement.condition, scope, true);
      if (statement.reason !== null) checkHoles(statement.reason, scope);
      return scope;
    case "expect":
      allowed("expect", statement.span, ["test", "property"], scope);
      evaluate(statement.condition, scope);
      return scope;
    case "logStmt":
      allowed("log", statement.span, ["step", "evaluate", "optimizer"], scope);
      checkLogged(evaluate(statement.record, scope), statement.record, scope);
      return scope;
    case "write":
      allowed("write", statement.span, ["evaluate", "test"], scope);
      evaluate(statement.value, scope);
      checkHoles(statement.path, scope, ["i"]);
      return scope;
    case "measure":
      allowed("measure", statement.span, ["evaluate"], scope);
      evaluate(statement.value, scope);
      if (statement.when) conditionOf(statement.when, scope);
      return scope;
    default:
      return statement satisfies never;
  }
}

const notLogged: ReadonlySet<Type["kind"]> = new Set([
  "record",
  "module",
  "function",
  "closure",
  "dataset",
  "prompt",
  "tapped",
  "tableMethod",
]);
/** What is logged are numbers, short vectors and texts. */
function checkLogged(record: Type, node: RecordExpr, { session }: Scope): void {
  if (record.kind !== "record") return;
  for (const field of node.fields) {
    const type = record.fields.get(field.name.name);
    if (!type || !notLogged.has(type.kind)) continue;
    session.report("type/mismatch", (field.value ?? field.name).span, {
      found: describeType(type),
      expected: "a number, a short vector or a text",
    });
  }
}

const places: Readonly<Record<Body["kind"], string>> = {
  fn: "a `fn`",
  loss: "a `loss`",
  forward: "a module's `forward`",
  step: "a `step`",
  optimizer: "an optimizer's `step`",
  evaluate: "an `evaluate` block",
  test: "a `test`",
  property: "a `property`",
  initial: "this place",
  host: "this place",
};
/** Reports what may not stand in this kind of body. */
export function allowed(word: string, span: Span, where: readonly Body["kind"][], scope: Scope): boolean {
  if (where.includes(scope.body.kind)) return true;
  const help = `\`${word}\` belongs in ${where.map((kind) => places[kind]).join(" or ")}; a function receives its result as an argument`;
  scope.session.report("effect/not-here", span, { what: `\`${word}\``, place: places[scope.body.kind] }, { help });
  return false;
}

function checkTuple(value: Type, count: number, expr: Expr, scope: Scope): void {
  if (isSilent(value) || value.kind === "optional") return;
  if (value.kind === "tuple" && value.elements.length === count) return;
  if (value.kind === "list" && (value.elements === null || value.elements.length === count)) return;
  const found =
    value.kind === "tuple"
      ? `a tuple of ${value.elements.length}`
      : value.kind === "list"
        ? `a list of ${value.elements?.length}`
        : describeType(value);
  scope.session.report("type/mismatch", expr.span, { found, expected: `a tuple of ${count}` });
}

function checkScalar(value: Type, expr: Expr, scope: Scope): void {
  const type = value.kind === "optional" ? value.of : value;
  if (isSilent(type) || ["int", "realNumber", "schedule"].includes(type.kind)) return;
  if (type.kind === "tensor") {
    const axes = scope.session.unifier.axes(type.axes);
    if ((axes.length === 0 && type.dtype !== "bool") || axes.some((a) => a.kind === "row")) return;
  }
  scope.session.report("shape/not-scalar", expr.span, { what: "what is minimised", found: describeType(scope.session.unifier.type(type)) });
}

function runUpdate(statement: UpdateStmt, scope: Scope): Scope {
  const { session } = scope;
  const value = evaluate(statement.value, scope);
  const { target } = statement;
  const table = target.kind === "index" ? evaluate(target.base, scope) : null;
  if (table?.kind === "table") {
    updateTable(table, statement, value, scope);
    return scope;
  }
  if (scope.body.kind === "fn" || scope.body.kind === "loss" || scope.body.kind === "forward")
    requireUpdates("`update` changes state", statement.span, scope);
  else allowed("update", statement.span, ["step", "optimizer", "forward"], scope);
  if (target.kind !== "name") {
    evaluate(target, scope);
    return scope;
  }
  const known = evaluate(target, scope);
  if (scope.body.kind === "step" && known.kind !== "error" && known.kind !== "unknown") {
    const help = `values do not change: a new one of that name is \`let ${target.name} = …\`; a step updates records of tables`;
    session.report("effect/not-state", target.span, { name: target.name }, { help });
    return scope;
  }
  if (isSilent(known) || isSilent(value)) return scope;
  const what = scope.body.stateNames?.has(target.name);
  if (what === false) {
    const names = [...scope.body.stateNames!].map((n) => `\`${n}\``).join(", ");
    const help = names === "" ? `declare it: \`state ${target.name}: … = …\`` : `state here: ${names}`;
    session.report("effect/not-state", target.span, { name: target.name }, { help });
    return scope;
  }
  if (known.kind === "tensor" && value.kind === "tensor") {
    // A state is updated by the names of its axes; along those it has and the value lacks, the value is repeated.
    const aligned = session.unifier.align(known.axes, value.axes);
    const place = {
      span: statement.value.span,
      left: known.axes,
      right: value.axes,
      leftSpan: target.span,
      leftLabel: showAxes(known.axes),
    };
    if (aligned.kind === "problem") reportAlign(session, aligned.problem, place);
    else if (aligned.kind === "axes" && aligned.axes.length > session.unifier.axes(known.axes).length) {
      const own = new Set(known.axes.map(axisKey));
      const alien = aligned.axes.flatMap((a) => (a.kind === "axis" && !own.has(a.name) ? [a.name] : []));
      reportAlign(session, { kind: "missing", inLeft: alien, inRight: [] }, place);
    }
    return scope;
  }
  const problem = assignResult(session, known, value);
  if (problem)
    reportMismatch(session, problem, {
      span: statement.value.span,
      have: value,
      want: known,
      name: target.name,
      declaredAt: target.span,
      callee: null,
    });
  return scope;
}
