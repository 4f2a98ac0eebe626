import type { Axis, Expr, SurgeryItem, TypeNode } from "../../dsl/ast.ts";
import type { Program } from "../../dsl/program.ts";
import type { Value } from "../ir/value.ts";
import type { PlanSurgery } from "../plan/plan.ts";
import { matchArguments } from "./arguments.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { spreadTo } from "./axes.ts";
import { argumentValue, type CallArg, call, readArgs, valueArg } from "./calls.ts";
import { calleeValue, evaluate } from "./expressions.ts";
import { attempt, fail } from "./failure.ts";
import { pathMatches } from "./leaves.ts";
import type { Leaf, TrainProgram } from "./program.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { bindCall } from "./signature.ts";
import { namesIn, sizeOf } from "./sizes.ts";
import { isDim, resolveType } from "./typeNodes.ts";
import { describe, type FunctionVal, isNumeric, number, type SurgeryVal, tensor, type Val } from "./values.ts";

// Surgery: parameters made of tensors of other shapes. In: a rule, a tensor as a file has it, the parameter that is wanted. Out: the
// parameter's value. A rule is an ordinary function whose first argument is the file's tensor; sizes that it leaves open are solved from both
// shapes, because the module says what comes out and the file what goes in.

export interface OpenedSurgery {
  readonly name: string;
  readonly rules: SurgeryItem["rules"];
  readonly scope: Scope; // with the surgery's parameters
}

/** A parameter that is wanted. */
export interface Wanted {
  readonly path: string;
  readonly axes: readonly string[];
  readonly shape: readonly number[];
}

/** A surgery with its arguments. */
export function openSurgery({ item, scope, args, span }: SurgeryVal): OpenedSurgery {
  const callee = { name: item.name.name, params: item.params, result: null, scope, owner: null, localNames: new Set<string>() };
  return { name: item.name.name, rules: item.rules, scope: bindCall(callee, args, span).scope };
}

/** The path of a leaf inside its model; null if it is another model's. */
function pathIn(model: string, path: string): string | null {
  if (!path.startsWith(`${model}.`) && !path.startsWith(`${model}[`)) return null;
  return path.slice(model.length).replace(/^\./, "");
}

/** Which parameters a surgery makes, each by the first rule that names it. A rule for nothing is a mistake. */
export function plannedSurgery(surgery: SurgeryVal, model: string, leaves: readonly Leaf[], program: Program): PlanSurgery {
  const { name, rules, scope } = openSurgery(surgery);
  const matched = new Set<number>();
  const params = leaves.flatMap((leaf): readonly PlanSurgery["params"][number][] => {
    const path = pathIn(model, leaf.path);
    if (path === null) return [];
    const named = rules.flatMap((rule, i) => (pathMatches(rule.path, path, scope) ? [i] : []));
    for (const i of named) matched.add(i);
    return named.length === 0 ? [] : [{ key: leaf.key, path: leaf.path, axes: leaf.labels, rule: named[0]! }];
  });
  for (const [i, rule] of rules.entries()) {
    if (matched.has(i)) continue;
    const { file, start, end } = rule.path.span;
    const like = leaves.filter((leaf) => pathIn(model, leaf.path) !== null).slice(0, 3);
    fail(
      "elaborate/no-such-part",
      rule.path.span,
      { path: program.files.get(file)?.text.slice(start, end) ?? "this path" },
      { help: `parameters of \`${model}\` are like ${like.map((leaf) => pathIn(model, leaf.path)).join(", ")}` },
    );
  }
  return { name, params };
}

/** What a rule makes of a tensor. */
export function applyRule(surgery: OpenedSurgery, rule: SurgeryItem["rules"][number], old: Value, wanted: Wanted): Value {
  const { scope, name } = surgery;
  const { session } = scope;
  const { span } = rule.value;
  const { value } = session.inBody("init", [wanted.path, name], () => {
    const made = valueMade(surgery, rule.value, old, wanted);
    if (!isNumeric(made)) fail("type/mismatch", span, { found: describe(made), expected: "a number or a tensor" });
    return session.at(span, () => {
      if (made.kind === "tensor") {
        if (made.value.shape.join() !== wanted.shape.join())
          unfit(surgery, rule.value, old, wanted, `the rule makes ${shown(made.value.shape)}`);
        return castTo(session, tensor(made.value, wanted.axes), "f32").value;
      }
      const axes = wanted.axes.map((axis, i) => ({ name: axis, size: wanted.shape[i]! }));
      return spreadTo(session.builder, toTensor(session, made, "f32"), axes, span).value;
    });
  });
  return value;
}

/** `widen(noise: 0)` and `widen` are called with the tensor; anything else is the value itself. */
function valueMade(surgery: OpenedSurgery, expr: Expr, old: Value, wanted: Wanted): Val {
  const { scope } = surgery;
  const callee = expr.kind === "call" ? calleeValue(expr.callee, scope) : evaluate(expr, scope);
  if (expr.kind !== "call" && callee.kind !== "function" && callee.kind !== "closure" && callee.kind !== "builtin") return callee;
  const axes = old.shape.length === wanted.axes.length ? wanted.axes : old.shape.map((_, i) => `d${i}`);
  const args = [valueArg(tensor(old, axes), expr.span), ...(expr.kind === "call" ? readArgs(expr.args, scope) : [])];
  const solved = callee.kind === "function" ? solvedSizes(surgery, expr, callee, args, old, wanted) : [];
  return call(callee, [...args, ...solved], expr.span, scope);
}

/** The sizes that a rule leaves open, as arguments: `times` of `f32[rows: rows * times]` is what takes the file's rows to the parameter's. */
function solvedSizes(
  surgery: OpenedSurgery,
  expr: Expr,
  { item, scope }: FunctionVal,
  args: readonly CallArg[],
  old: Value,
  wanted: Wanted,
): CallArg[] {
  const { params, result } = item.signature;
  const named = params.map((p) => ({ name: p.name.name }));
  const given = matchArguments(item.name.name, named, args, expr.span);
  const open = params.filter((p) => !given.has(p.name.name) && p.default === null && isDim(resolveType(p.type, scope).type));
  const source = params[0];
  if (open.length === 0 || result === null || source === undefined) return [];
  const sizes = new Map<string, number>();
  for (const { size, value } of sized(source.type, scope, old.shape)) if (value.kind === "name") sizes.set(value.name, size);
  const numbers = new Map<string, Val>();
  for (const [name, arg] of given) {
    if (name === source.name.name) continue;
    const value = argumentValue(arg);
    if (value.kind === "number") numbers.set(name, value);
  }
  const known = scope.child({ sizes, values: numbers });
  const ends = sized(result, scope, wanted.shape);
  const most = Math.max(1, ...old.shape, ...wanted.shape);
  return open.flatMap((param) => {
    const { name } = param.name;
    const end = ends.find(({ value }) => namesIn(value).includes(name));
    if (end === undefined) return [];
    for (let n = 1; n <= most; n++) {
      const made = attempt(() => sizeOf(end.value, known.child({ sizes: new Map([[name, n]]) })));
      if (made.ok && made.value === end.size) return [valueArg(number(n), param.span, name)];
    }
    return unfit(surgery, expr, old, wanted, `no whole \`${name}\` makes an axis of ${end.size}`);
  });
}

/** The axes that a type writes, each with the size that a tensor of it has there; those of a row are left out. */
function sized(type: TypeNode, scope: Scope, shape: readonly number[]): { readonly value: Expr; readonly size: number }[] {
  const resolved = resolveType(type, scope).type;
  const axes: readonly Axis[] = resolved.kind === "namedType" ? (resolved.axes ?? []) : [];
  const row = axes.findIndex((axis) => axis.kind === "rowAxis");
  if (row < 0 ? axes.length !== shape.length : axes.length - 1 > shape.length) return [];
  return axes.flatMap((axis, i) => {
    if (axis.kind === "rowAxis") return [];
    return [{ value: axis.value, size: shape[row < 0 || i < row ? i : shape.length - axes.length + i]! }];
  });
}

function unfit({ name }: OpenedSurgery, { span }: Expr, old: Value, wanted: Wanted, problem: string): never {
  fail("bind/surgery", span, { surgery: name, path: wanted.path, to: shown(wanted.shape), from: shown(old.shape), problem });
}
const shown = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

/** Leaves of copies begin as what the others begin as, or as what a surgery makes of that. */
export function copiesBegun(session: Session, leaves: readonly Leaf[], copies: TrainProgram["copies"]): Leaf[] {
  const byPath = new Map(leaves.map((leaf) => [leaf.path, leaf]));
  const sourceOf = new Map(copies.map(({ from, to }) => [to, from]));
  const surgeries = [...session.models.values()].flatMap((m) =>
    m.surgery === null ? [] : [{ model: m, surgery: openSurgery(m.surgery) }],
  );
  const made = new Map<string, Value>();
  const initOf = (leaf: Leaf): Value => {
    const known = made.get(leaf.path);
    if (known) return known;
    const value = begin(leaf);
    made.set(leaf.path, value);
    return value;
  };
  const begin = (leaf: Leaf): Value => {
    const from = sourceOf.get(leaf.path);
    if (from === undefined) return leaf.init;
    const old = initOf(byPath.get(from)!);
    const wanted: Wanted = { path: leaf.path, axes: leaf.labels, shape: leaf.shape };
    for (const { model, surgery } of surgeries) {
      const path = pathIn(model.name, leaf.path);
      const rule = path === null ? undefined : surgery.rules.find((one) => pathMatches(one.path, path, surgery.scope));
      if (rule) return applyRule(surgery, rule, old, wanted);
    }
    if (old.shape.join() !== leaf.shape.join())
      fail("type/mismatch", leaf.span, {
        found: `${leaf.path} with ${shown(leaf.shape)}`,
        expected: `the shape that it is copied from, ${shown(old.shape)}`,
      });
    return old;
  };
  return leaves.map((leaf) => ({ ...leaf, init: initOf(leaf) }));
}
