import type { CallExpr, Expr } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import type { Value } from "../ir/value.ts";
import { aligned, castTo, toTensor } from "./arithmetic.ts";
import { axisItems } from "./axes.ts";
import { argumentValue, type CallArg, readArgs } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import type { Scope } from "./scope.ts";
import { compileNumber } from "./sizes.ts";
import { numbersOf, tableOf } from "./tables.ts";
import { describe, isNumeric, type Val } from "./values.ts";

// What a `test` or a `property` claims: `expect` and `require`. Sides that must be near each other are kept apart, so that a failure can show
// both; any other claim is a truth.

export interface Side {
  /** The place in a list or record: ``, `.0`, `.value`. */
  readonly path: string;
  readonly axes: readonly string[];
  readonly left: Value;
  readonly right: Value;
}
export interface Check {
  readonly kind: "expect" | "require";
  readonly span: Span;
  /** `near(a, b, …)`: |a - b| is at most `tolerance + relative * |b|`; else null. */
  readonly near: { readonly sides: readonly Side[]; readonly tolerance: number; readonly relative: number } | null;
  /** Of any other claim: all elements must be true. Null where `near` says it. */
  readonly truth: { readonly value: Value; readonly axes: readonly string[] } | null;
}

const usualTolerance = 1e-5;

/** Notes what a statement claims. */
export function addCheck(kind: Check["kind"], condition: Expr, span: Span, scope: Scope): void {
  const { session } = scope;
  const near = nearCall(condition, scope);
  const check = session.at(span, (): Check => {
    if (near) return { kind, span, near: nearSides(near, scope), truth: null };
    const value = evaluate(condition, scope);
    if (!isNumeric(value)) fail("type/mismatch", condition.span, { found: describe(value), expected: "a condition" });
    const made = toTensor(session, value, "bool");
    return { kind, span, near: null, truth: { value: castTo(session, made, "f32").value, axes: made.axes } };
  });
  session.effects.checks.push(check);
}

/** The call of the built-in `near` that a condition consists of. */
function nearCall(condition: Expr, scope: Scope): CallExpr | null {
  if (condition.kind !== "call" || condition.callee.kind !== "name" || condition.callee.name !== "near") return null;
  const own = scope.lookupCallable("near");
  return own === undefined || own.kind === "builtin" ? condition : null;
}

const nearParams = ["a", "b", "tolerance", "relative"];
function nearSides(call: CallExpr, scope: Scope): NonNullable<Check["near"]> {
  const args = new Map<string, CallArg>();
  let next = 0;
  for (const arg of readArgs(call.args, scope)) {
    const name = arg.name ?? nearParams[next++];
    if (name === undefined) fail("call/too-many-arguments", arg.span, { callee: "near", most: nearParams.length, given: call.args.length });
    if (!nearParams.includes(name)) fail("call/unknown-argument", arg.span, { callee: "near", name });
    args.set(name, arg);
  }
  const need = (name: string): CallArg => args.get(name) ?? fail("call/missing-argument", call.span, { callee: "near", name });
  const numberOf = (name: string): number | undefined => {
    const arg = args.get(name);
    return arg && compileNumber(argumentValue(arg), arg.span, scope, "a tolerance");
  };
  const sides: Side[] = [];
  const [a, b] = [need("a"), need("b")];
  pairUp(argumentValue(a), argumentValue(b), "", [a.span, b.span], scope, sides);
  const relative = numberOf("relative");
  return { sides, tolerance: numberOf("tolerance") ?? (relative === undefined ? usualTolerance : 0), relative: relative ?? 0 };
}

/** Takes two values of one form apart into pairs of tensors. */
export function pairUp(a: Val, b: Val, path: string, spans: readonly [Span, Span], scope: Scope, sides: Side[]): void {
  const { session } = scope;
  // A list of numbers beside a tensor has its axes.
  if (a.kind === "tensor" && b.kind === "list" && numbersOf(b)) {
    pairUp(a, tableOf(session, b, axisItems(a), spans[1]), path, spans, scope, sides);
    return;
  }
  if (isNumeric(a) && isNumeric(b)) {
    const [left, right] = aligned(session, [a, b], "f32", spans[0], spans);
    sides.push({ path, axes: left!.axes, left: left!.value, right: right!.value });
    return;
  }
  const fields = (value: Val): ReadonlyMap<string, Val> | null =>
    value.kind === "record"
      ? value.fields
      : value.kind === "list" || value.kind === "tuple"
        ? new Map(value.items.map((item, i) => [String(i), item]))
        : null;
  const [left, right] = [fields(a), fields(b)];
  if (!left || !right || left.size !== right.size || [...left.keys()].some((name) => !right.has(name)))
    fail("type/mismatch", spans[1], { found: describe(b), expected: `the like of ${describe(a)}` });
  for (const [name, value] of left) pairUp(value, right.get(name)!, `${path}.${name}`, spans, scope, sides);
}
