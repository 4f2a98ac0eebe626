import type { OptimizerItem, PartPath } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import type { GraphResult, Value } from "../ir/value.ts";
import { topologicalOrder } from "../ir/walk.ts";
import { matchArguments } from "./arguments.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { spreadTo } from "./axes.ts";
import { argumentValue, type CallArg } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import type { ArenaLayout, Optimizer } from "./program.ts";
import type { Scope } from "./scope.ts";
import { runBody } from "./statements.ts";
import { bindValue, resolveType } from "./typeNodes.ts";
import { describe, isNumeric, isScalar, type OptimizerVal, type ScalarVal, type TensorVal, tensor, type Val } from "./values.ts";

// Optimisers over flat arenas: `p`, `g` and every `f32[n]` state hold all trained parameters. A state that is one number lies by itself; many of
// them lie side by side in one small tensor, so that a kernel needs one binding for all.
// Settings marked `each` differ by group; a group is one range of the arena.

/** The parts of a program whose settings differ: `**.bias(weight_decay: 0)`. Group 0 is everything else. */
export interface GroupRule {
  readonly path: PartPath;
  readonly args: readonly CallArg[];
  readonly span: Span;
}

export interface BoundOptimizer {
  readonly item: OptimizerItem;
  readonly scope: Scope; // with the settings that are one for all
  readonly common: ReadonlyMap<string, ScalarVal>; // the `each` settings of group 0
  readonly rules: readonly ReadonlyMap<string, ScalarVal>[]; // what each rule changes
}

/** The settings of a group: the common ones, then those of the rules that match it, in their order. */
function groupSettings(bound: BoundOptimizer, rules: readonly number[]): ReadonlyMap<string, ScalarVal> {
  return new Map([...bound.common, ...rules.flatMap((i) => [...bound.rules[i]!])]);
}

/** Evaluates an optimiser's settings, those of every group included. */
export function bindOptimizer(optimizer: OptimizerVal, rules: readonly GroupRule[]): BoundOptimizer {
  const { item } = optimizer;
  const params = item.params.map((p) => ({ name: p.name.name }));
  const given = matchArguments(item.name.name, params, optimizer.args ?? [], optimizer.span);
  const base = new Map<string, Val>();
  let scope = optimizer.scope;
  for (const param of item.params) {
    const name = param.name.name;
    const arg = given.get(name);
    const { type, scope: typeScope } = resolveType(param.type, optimizer.scope);
    const value = arg
      ? bindValue(type, typeScope, argumentValue(arg), arg.span)
      : param.default
        ? evaluate(param.default, scope)
        : undefined;
    if (value === undefined) fail("call/missing-argument", optimizer.span, { callee: item.name.name, name });
    base.set(name, value);
    scope = scope.with(name, value);
  }
  const each = item.params.filter((p) => p.each).map((p) => p.name.name);
  const scalarOf = (name: string, value: Val, span: Span): [string, ScalarVal] => {
    if (!isScalar(value)) fail("type/mismatch", span, { found: describe(value), expected: "a number" });
    return [name, value];
  };
  const common = new Map(each.map((name) => scalarOf(name, base.get(name)!, optimizer.span)));
  const changes = rules.map((rule) => {
    const own = matchArguments(item.name.name, params, rule.args, rule.span);
    const settings = new Map<string, ScalarVal>();
    for (const [name, arg] of own) {
      if (!each.includes(name)) {
        fail(
          "call/unknown-argument",
          arg.span,
          { callee: item.name.name, name },
          {
            help:
              each.length > 0
                ? `by group can be set: ${each.map((e) => `\`${e}\``).join(", ")} (marked \`each\`)`
                : "no setting of it is marked `each`",
          },
        );
      }
      settings.set(...scalarOf(name, argumentValue(arg), arg.span));
    }
    return settings;
  });
  return { item, scope, common, rules: changes };
}

/** The graph of one update over arenas of `layout.size` elements. `groupRules`: which rules each group of the layout follows. */
export function elaborateOptimizer(bound: BoundOptimizer, layout: ArenaLayout, groupRules: readonly (readonly number[])[]): Optimizer {
  const { item } = bound;
  const groups = groupRules.map((rules) => groupSettings(bound, rules));
  const { session } = bound.scope;
  const { builder } = session;
  const n = layout.size;
  const arena = (name: string, role: "param" | "grad" | "state") => tensor(builder.input(name, [n], { role, labels: ["n"] }), ["n"]);
  const params = arena("params", "param");
  const grads = arena("grads", "grad");
  const [p, g] = item.signature.params.map((param) => param.name.name);
  if (p === undefined || g === undefined)
    fail("call/missing-argument", item.signature.span, { callee: `step of ${item.name.name}`, name: "p and g" });
  const run = session.inBody("optimizer", [item.name.name], () => {
    const eachValues = new Map([...groups[0]!.keys()].map((name) => [name, eachValue(bound.scope, name, groups, layout)] as const));
    let scope = bound.scope.child({ values: eachValues, sizes: new Map([["n", n]]) });
    const numbers = item.states.filter((s) => !isArena(s)).map((s) => s.name.name);
    const packed = numbers.length < manyNumbers ? null : builder.input(numbersKey, [numbers.length], { role: "state" });
    const states = item.states.map((state) => {
      const key = `state.${state.name.name}`;
      const { type } = state;
      if (type.kind !== "namedType" || type.name.name !== "f32")
        fail("type/mismatch", type.span, { found: "this type", expected: "`f32[n]` or `f32`" });
      const inArena = isArena(state);
      const place = !inArena && packed !== null ? numbers.indexOf(state.name.name) : null;
      const alone = (): TensorVal => (inArena ? arena(key, "state") : tensor(builder.input(key, [], { role: "state" }), []));
      const input = place === null ? alone() : tensor(builder.reshape(builder.sliceAxis(packed!, 0, place, 1), []), []);
      session.cells.set(key, input);
      session.effects.cells.set(key, input);
      const init = state.init === null ? { kind: "number" as const, value: 0 } : evaluate(state.init, scope.with(p, params));
      if (!isNumeric(init)) fail("type/mismatch", state.init!.span, { found: describe(init), expected: "a number or the parameters" });
      const axes = inArena ? [{ name: "n", size: n }] : [];
      const initValue = spreadTo(builder, castTo(session, toTensor(session, init, "f32"), "f32"), axes, state.span).value;
      return { name: state.name.name, key, inArena, place, init: initValue };
    });
    scope = scope.child({ values: new Map<string, Val>(states.map((s) => [s.name, { kind: "cell", key: s.key }])) });
    const body = scope.child({
      values: new Map<string, Val>([
        [p, params],
        [g, grads],
      ]),
    });
    session.arena = layout;
    session.byTensor = false;
    const result = runBody(item.body, body);
    session.arena = null;
    const next = arenaResult(result, n, item, body);
    return { states, next };
  });
  const { next } = run.value;
  const results: GraphResult[] = [{ name: "params", value: next }];
  const made = [next, ...[...run.effects.updated].map((key) => (run.effects.cells.get(key) as TensorVal).value)];
  const read = new Set(topologicalOrder(made).flatMap((v) => (v.op === "input" ? [v.attrs.name] : [])));
  // A state by itself that these settings neither change nor read (AMSGrad's maximum without AMSGrad) takes no room.
  const states = run.value.states.filter((s) => s.place !== null || run.effects.updated.has(s.key) || read.has(s.key));
  const cell = (key: string): Value => (run.effects.cells.get(key) as TensorVal).value;
  const alone = states.filter((s) => s.place === null);
  for (const state of alone) if (run.effects.updated.has(state.key)) results.push({ name: state.key, value: cell(state.key) });
  const side = (values: readonly Value[]): GraphResult => ({
    name: numbersKey,
    value: builder.concat(
      values.map((v) => builder.reshape(v, [1])),
      0,
    ),
  });
  const numbers = states.filter((s) => s.place !== null);
  if (numbers.some((s) => run.effects.updated.has(s.key))) results.push(side(numbers.map((s) => cell(s.key))));
  const start: GraphResult[] = alone.map((s) => ({ name: s.key, value: s.init }));
  if (numbers.length > 0) start.push(side(numbers.map((s) => s.init)));
  for (const [name, value] of run.effects.logs) results.push({ name: `log.${name}`, value: value.value });
  return {
    name: item.name.name,
    states: states.map((s) => ({
      name: s.name,
      arena: s.inArena,
      at: { input: s.place === null ? s.key : numbersKey, place: s.place ?? 0 },
    })),
    start: { name: `start of ${item.name.name}`, results: start },
    groups: groups.map((settings) => ({
      settings: Object.fromEntries(
        [...settings].flatMap(([name, value]) => (value.kind === "number" ? [[name, value.value] as const] : [])),
      ),
    })),
    graph: { name: item.name.name, results },
    byTensor: session.byTensor,
  };
}

/** Where states that are one number lie side by side, and how many there must be: fewer cost fewer bindings than a kernel that writes them. */
const numbersKey = "state.numbers";
const manyNumbers = 4;
const isArena = (state: OptimizerItem["states"][number]): boolean =>
  state.type.kind === "namedType" && (state.type.axes ?? []).length === 1;

function arenaResult(result: Val, n: number, item: OptimizerItem, scope: Scope): Value {
  if (result.kind !== "tensor" || result.axes.length !== 1 || result.value.shape[0] !== n) {
    fail("type/mismatch", item.signature.result.span, { found: describe(result), expected: "the new parameters, `f32[n]`" });
  }
  return castTo(scope.session, result, "f32").value;
}

/** One number for all, or a chain of choices by where an element lies. */
function eachValue(scope: Scope, name: string, groups: readonly ReadonlyMap<string, ScalarVal>[], layout: ArenaLayout): Val {
  const values = groups.map((group) => group.get(name)!);
  // neighbours with one value are one range
  const ranges: { readonly key: string; readonly value: ScalarVal; end: number }[] = [];
  for (const [i, range] of layout.groups.entries()) {
    const key = JSON.stringify(values[i]);
    const last = ranges.at(-1);
    if (range.end === range.start) continue;
    if (last?.key === key) last.end = range.end;
    else ranges.push({ key, value: values[i]!, end: range.end });
  }
  if (ranges.length <= 1) return ranges[0]?.value ?? values[0]!;
  const { session } = scope;
  const { builder } = session;
  const place = builder.iota(layout.size);
  const full = (value: ScalarVal) => builder.broadcastInDim(toTensor(session, value, "f32").value, [layout.size], []);
  let chosen = full(ranges.at(-1)!.value);
  for (const range of ranges.slice(0, -1).reverse()) chosen = builder.where(builder.lt(place, range.end), full(range.value), chosen);
  return tensor(chosen, ["n"]);
}
