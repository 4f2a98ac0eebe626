import type { Binder, Block, Expr, Stmt } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { axisItems, spreadTo } from "./axes.ts";
import { addCheck } from "./checks.ts";
import { compileCondition, evaluate, loopItems, withElementSizes } from "./expressions.ts";
import { fail, PathEnd, unsupported } from "./failure.ts";
import { scalarType, toHost } from "./hostExpr.ts";
import type { Instance } from "./instance.ts";
import { leafCell } from "./modules.ts";
import type { Scope } from "./scope.ts";
import type { BodyKind, Session } from "./session.ts";
import { updateTable } from "./tableState.ts";
import { describe, describeTensor, isNumeric, isScalar, none, type TensorVal, tensor, type Val } from "./values.ts";

// Statements, in order. A `let` makes a child scope; effects (minimised terms, state, logs) are noted in the session for the body around.

export type Flow =
  | { readonly kind: "on"; readonly scope: Scope }
  | { readonly kind: "returned"; readonly value: Val; readonly span: Span }
  | { readonly kind: "ended" };

/** Where a statement with an effect may stand. */
const allowed: Readonly<Record<"minimize" | "update" | "require" | "expect" | "log" | "measure", readonly BodyKind[]>> = {
  minimize: ["step"],
  update: ["step", "optimizer", "function"],
  require: ["step", "evaluate", "test"],
  expect: ["test"],
  log: ["step", "evaluate", "optimizer"],
  measure: ["evaluate"],
};

function requirePlace(what: keyof typeof allowed, span: Span, scope: Scope): void {
  const places = allowed[what];
  if (!places.includes(scope.session.body)) {
    const words: Readonly<Record<string, string>> = {
      step: "a `step`",
      evaluate: "`evaluate`",
      optimizer: "an `optimizer`",
      function: "a function",
      test: "a `test` or a `property`",
    };
    fail("elaborate/misplaced", span, { what, where: places.map((p) => words[p]).join(" or ") });
  }
}

/** Runs a block that has a value: what it returns, and where. */
export function runBlock(block: Block, scope: Scope): { readonly value: Val; readonly span: Span } {
  const flow = runStatements(block.statements, scope);
  if (flow.kind === "ended") throw new PathEnd();
  return flow.kind === "returned" ? flow : { value: none, span: block.span };
}

/** The value of a block. */
export function runBody(block: Block, scope: Scope): Val {
  return runBlock(block, scope).value;
}

/** A `require` deep inside of an expression ends what is run here. */
export function endedAtMost(run: () => Flow): Flow {
  try {
    return run();
  } catch (error) {
    if (error instanceof PathEnd) return { kind: "ended" };
    throw error;
  }
}

export function runStatements(statements: readonly Stmt[], scope: Scope): Flow {
  let inner = scope;
  for (const statement of statements) {
    const flow = runStatement(statement, inner);
    if (flow.kind !== "on") return flow;
    inner = flow.scope;
  }
  return { kind: "on", scope: inner };
}

export function runStatement(statement: Stmt, scope: Scope): Flow {
  const { session } = scope;
  const on = (next: Scope = scope): Flow => ({ kind: "on", scope: next });
  switch (statement.kind) {
    case "let": {
      const name = statement.binder.kind === "ident" ? statement.binder.name : binderName(statement.binder);
      const value = session.inStream(name, () => evaluate(statement.value, scope));
      return on(bindNames(statement.binder, value, scope));
    }
    case "tap": {
      // unread taps vanish: the value is kept under its name and costs nothing unless it is used
      const owner = scope.owner();
      const tapped = session.inStream(statement.name.name, () => evaluate(statement.value, scope));
      const value = markSaved(tapped, owner, statement.name.name, session);
      if (owner && session.taps) {
        const own = session.taps.get(owner) ?? new Map<string, Val>();
        own.set(statement.name.name, value);
        session.taps.set(owner, own);
      }
      const bound = scope.with(statement.name.name, value);
      // What is kept is what the body goes on with.
      return on(value !== tapped && statement.value.kind === "name" ? bound.with(statement.value.name, value) : bound);
    }
    case "return":
      return { kind: "returned", value: evaluate(statement.value, scope), span: statement.value.span };
    case "minimize": {
      requirePlace("minimize", statement.span, scope);
      session.effects.minimized.push(scalarReal(evaluate(statement.value, scope), statement.value.span, scope, "what is minimised"));
      return on();
    }
    case "update":
      requirePlace("update", statement.span, scope);
      update(statement.target, statement.value, scope);
      return on();
    case "require": {
      requirePlace("require", statement.span, scope);
      if (session.body === "test") {
        addCheck("require", statement.condition, statement.span, scope);
        return on();
      }
      if (compileCondition(statement.condition, scope)) return on();
      session.effects.ended = statement.reason?.value ?? "a requirement";
      return { kind: "ended" };
    }
    case "logStmt":
      requirePlace("log", statement.span, scope);
      if (session.body === "evaluate") unsupported("`log` in an `evaluate` block", statement.span, "`measure` gives a number a name");
      for (const field of statement.record.fields) {
        const value = evaluate(field.value ?? { kind: "name", name: field.name.name, span: field.name.span }, scope);
        if (isScalar(value) && scalarType(value) === "text" && session.body === "step") {
          session.effects.notes.set(field.name.name, toHost(value));
          continue;
        }
        for (const [name, one] of loggedParts(field.name.name, value, scope))
          session.effects.logs.set(name, scalarReal(one, field.name.span, scope, "what is logged"));
      }
      return on();
    case "if": {
      const body = compileCondition(statement.condition, scope) ? statement.then : statement.otherwise;
      const flow = body ? runStatements(body.statements, scope) : on();
      return flow.kind === "on" ? on() : flow;
    }
    case "for": {
      const items = loopItems(evaluate(statement.over, scope), statement.over.span, scope);
      for (const [i, item] of items.entries()) {
        const flow = session.inStream(`[${i}]`, () =>
          endedAtMost(() => runStatements(statement.body.statements, bindNames(statement.binder, item, withElementSizes(item, scope)))),
        );
        // In an evaluation a requirement ends one turn of the innermost loop: the next subject may have what this one lacks.
        if (flow.kind === "ended" && session.body === "evaluate") session.effects.ended = null;
        else if (flow.kind !== "on") return flow;
      }
      return on();
    }
    case "measure":
      requirePlace("measure", statement.span, scope);
      if (session.measure === null) throw new Error("internal: nobody takes what is measured");
      session.measure(statement, scope);
      return on();
    case "expect":
      requirePlace("expect", statement.span, scope);
      addCheck("expect", statement.condition, statement.span, scope);
      return on();
    case "write":
      return unsupported("`write` outside of walks", statement.span, "an `evaluate` block without `data` writes files");
    case "error":
      throw new Error("internal: a statement that could not be read reached elaboration");
    default:
      statement satisfies never;
      throw new Error("internal: unknown statement");
  }
}

function binderName(binder: Binder): string {
  return binder.kind === "ident" ? binder.name : binder.elements.map(binderName).join("_");
}

/** A child scope in which the names of a binder stand for the parts of a value. */
export function bindNames(binder: Binder, value: Val, scope: Scope): Scope {
  if (binder.kind === "ident") {
    const values = new Map([[binder.name, value]]);
    if (value.kind !== "tensor" || value.axes.length === 0) return scope.child({ values });
    return scope.child({ values, axisSizes: new Map(axisItems(value).map((a) => [a.name, a.size!])) });
  }
  if (value.kind !== "tuple" && value.kind !== "list")
    fail("type/mismatch", binder.span, { found: describe(value), expected: `a tuple of ${binder.elements.length}` });
  if (value.items.length !== binder.elements.length)
    fail("type/mismatch", binder.span, { found: describe(value), expected: `a tuple of ${binder.elements.length}` });
  return binder.elements.reduce((inner, element, i) => bindNames(element, value.items[i]!, inner), scope);
}

const longestLogged = 16;

/** A short vector is logged number by number: `mix.0`, `mix.1`. */
function loggedParts(name: string, value: Val, scope: Scope): readonly (readonly [string, Val])[] {
  if (value.kind !== "tensor" || value.axes.length !== 1 || value.value.shape[0]! > longestLogged) return [[name, value]];
  const { builder } = scope.session;
  return Array.from(
    { length: value.value.shape[0]! },
    (_, i) => [`${name}.${i}`, tensor(builder.reshape(builder.sliceAxis(value.value, 0, i, 1), [], []), [])] as const,
  );
}

/** A value that is one real number on the device. */
function scalarReal(value: Val, span: Span, scope: Scope, what: string): TensorVal {
  if (!isNumeric(value)) fail("type/mismatch", span, { found: describe(value), expected: "a number" });
  const made = scope.session.at(span, () => toTensor(scope.session, value, "f32"));
  if (made.axes.length > 0) fail("shape/not-scalar", span, { what, found: describeTensor(made) });
  return made;
}

/** A record to be stored: whether its optional fields are there is decided here. */
function recordFor(expr: Expr, scope: Scope): Val {
  const value = evaluate(expr, scope);
  if (value.kind !== "record") return value;
  return {
    kind: "record",
    fields: new Map(
      [...value.fields].map(([name, field]): [string, Val] => {
        if (field.kind !== "maybe") return [name, field];
        const there = scope.session.choices?.settle(field.present, true, `whether \`${name}\` is there`, expr.span);
        return [name, there ? field.value : none];
      }),
    ),
  };
}

function update(target: Expr, valueExpr: Expr, scope: Scope): void {
  const { session } = scope;
  if (target.kind === "index") {
    const base = evaluate(target.base, scope);
    const [index] = target.indices;
    if (base.kind === "table" && index && index.value !== null && target.indices.length === 1) {
      updateTable(base.name, evaluate(index.value, scope), index.span, recordFor(valueExpr, scope), valueExpr.span, scope);
      return;
    }
  }
  if (target.kind !== "name") unsupported("`update` of anything but a declared state", target.span);
  const cell = leafCell(target.name, scope, target.span);
  const value = evaluate(valueExpr, scope);
  if (!isNumeric(value)) fail("type/mismatch", valueExpr.span, { found: describe(value), expected: "a tensor" });
  const made = session.at(valueExpr.span, () => {
    const cast = castTo(session, toTensor(session, value, "f32"), "f32");
    return spreadTo(session.builder, cast, cell.axes, valueExpr.span);
  });
  session.effects.cells.set(cell.key, made);
  session.effects.updated.add(cell.key);
}

/** A tapped tensor that the train block keeps, marked with the name by which it does. */
function markSaved(value: Val, owner: Instance | undefined, tap: string, session: Session): Val {
  if (value.kind !== "tensor" || session.saved.size === 0) return value;
  const part = /([A-Za-z_]\w*)(\[\d+\])*$/.exec(owner?.path ?? "")?.[1];
  const name = [tap, `${part}.${tap}`].find((n) => session.saved.has(n));
  if (name !== undefined) session.marked.add(name);
  return name === undefined ? value : { ...value, value: session.builder.save(value.value, name) };
}
