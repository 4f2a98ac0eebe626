import type { Span } from "../../dsl/span.ts";
import { Builder, graphKey } from "../ir/builder.ts";
import { inlineReadCalls } from "../ir/calls.ts";
import { loopNames } from "../ir/ops/loop.ts";
import { rowOf } from "../ir/ops.ts";
import { Remade } from "../ir/remade.ts";
import type { Graph, Value } from "../ir/value.ts";
import { topologicalOrder } from "../ir/walk.ts";
import { callWith } from "./calls.ts";
import { Failure } from "./failure.ts";
import { itemOf, sameHost, toHost } from "./hostExpr.ts";
import { LoopBody, NoLoop } from "./loopBody.ts";
import type { Scope } from "./scope.ts";
import { copyEffects, restoreEffects, type Session, sameEffects } from "./session.ts";
import { mapTensors } from "./tensorsOf.ts";
import { isScalar, list, type ScalarVal, type TensorVal, tensor, type Val } from "./values.ts";

// `fold` and `scan`. In: a list, what is carried, a function. Out: what is carried after the last element, or on the whole way. Elements that
// are host numbers (or records of them) may be runs of a loop: its body is elaborated once, with items for what differs between elements.
// A fold is unrolled where the body is another one for each element, does more than give a value, is reached by a derivative of trained
// parameters, or is too small or too short to be worth it (`worthALoop`). Both ways mean the same, draws included.

/** A fold over a list; `keep` gives every value on the way. */
export function fold(step: Val, start: Val, items: readonly Val[], keep: boolean, span: Span, scope: Scope): Val {
  const { session } = scope;
  const all = [start];
  let value = start;
  // What is carried often becomes what it stays after the first element: there is a second try.
  let tries = 2;
  for (let i = 0; i < items.length; ) {
    const runs = tries > 0 ? loopOver(step, value, items, i, keep, span, scope) : null;
    if (runs !== null) {
      value = runs.value;
      all.push(...runs.all);
      i += runs.count;
      continue;
    }
    tries--;
    const item = items[i]!;
    value = session.inStream(`[${i}]`, () => callWith(step, [value, item], span, scope));
    all.push(value);
    i++;
  }
  return keep ? list(all) : value;
}

interface Runs {
  readonly value: Val;
  readonly all: readonly Val[];
  readonly count: number;
}

/** The elements from `first` on as runs of a loop, as many as one body is right for; null where there is no loop. */
function loopOver(step: Val, start: Val, items: readonly Val[], first: number, keep: boolean, span: Span, scope: Scope): Runs | null {
  const { session } = scope;
  const { loopRule } = session;
  const runs = Array.from({ length: items.length - first }, (_, k) => first + k);
  const mayLoop = session.body === "step" || session.body === "evaluate" || session.body === "function" || session.body === "test";
  if (!mayLoop || runs.length < loopRule.runs) return null;
  const body = new LoopBody(session.builder, session.loops.length, runs, loopRule.runs);
  const before = { effects: copyEffects(session.effects), taps: session.taps, warnings: session.warnings.length };
  session.loops.push(body);
  if (session.taps !== null) session.taps = new Map();
  try {
    const element = elementOf(body.number, items.slice(first));
    const starts = carriedTensors(start);
    const carries = starts.map((s, k) => tensor(body.carry(k, s.value), s.axes));
    const made = session.inStream(body.mark, () => callWith(step, [withTensors(start, carries), element], span, scope));
    const results = nextTensors(start, made, starts);
    if (!sameEffects(before.effects, session.effects) || (session.taps?.size ?? 0) > 0) throw new NoLoop();
    session.loops.pop();
    const loop = makeLoop(session, body, starts, results, keep, span);
    countStreams(session, body);
    return { value: withTensors(start, loop.last), all: loop.all.map((tensors) => withTensors(start, tensors)), count: body.count };
  } catch (error) {
    if (!(error instanceof NoLoop) && !(error instanceof Failure)) throw error;
    restoreEffects(session.effects, before.effects);
    session.warnings.length = before.warnings;
    return null;
  } finally {
    session.loops.length = body.number;
    session.taps = before.taps;
  }
}

/** The elements as one value, with an item for each host number that is not the same in all of them. */
function elementOf(loop: number, all: readonly Val[]): Val {
  const one = all[0]!;
  const each = (of: (val: Val) => Val): Val => elementOf(loop, all.map(of));
  if (all.every((val) => val === one)) return one;
  if (isScalar(one)) {
    const scalars = all.map((val) => (isScalar(val) ? val : noLoop()));
    const types = new Set(scalars.map(typeOf));
    if (types.size > 1 && (types.has("bool") || types.has("text"))) return noLoop();
    const expr = itemOf(loop, scalars.map(toHost));
    if (expr.kind !== "perRun") return one;
    if (types.has("text")) return noLoop();
    return { kind: "host", expr, type: types.size > 1 ? "real" : [...types][0]! };
  }
  if (one.kind === "record") {
    const names = [...one.fields.keys()];
    const fields = new Map(names.map((name) => [name, each((val) => (val.kind === "record" && val.fields.get(name)) || noLoop())]));
    return { ...one, fields };
  }
  if (one.kind === "tuple" || one.kind === "list") {
    if (!all.every((val) => val.kind === one.kind && val.items.length === one.items.length)) return noLoop();
    return { kind: one.kind, items: one.items.map((_, i) => each((val) => (val as typeof one).items[i]!)) };
  }
  if (one.kind === "tensor" && all.every((val) => val.kind === "tensor" && val.value === one.value)) return one;
  return one.kind === "none" && all.every((val) => val.kind === "none") ? one : noLoop();
}
function noLoop(): never {
  throw new NoLoop();
}

function typeOf(val: ScalarVal): "int" | "real" | "bool" | "text" {
  if (val.kind === "host") return val.type;
  if (val.kind === "bool" || val.kind === "text") return val.kind;
  return Number.isInteger(val.value) && Math.abs(val.value) < 2 ** 31 ? "int" : "real";
}

// ---- what is carried ---------------------------------------------------------------------------------------------------------------

/** The tensors of a value, in order. Whatever else it has must stay as it is. */
function carriedTensors(val: Val): TensorVal[] {
  switch (val.kind) {
    case "tensor":
      // An exact quotient is more than the tensor says.
      return val.quotient ? noLoop() : [val];
    case "list":
    case "tuple":
      return val.items.flatMap(carriedTensors);
    case "record":
      return [...val.fields.values()].flatMap(carriedTensors);
    default:
      return isScalar(val) || val.kind === "none" || val.kind === "instance" ? [] : noLoop();
  }
}

/** The value with these tensors. */
function withTensors(val: Val, tensors: readonly TensorVal[]): Val {
  let at = 0;
  return mapTensors(val, () => tensors[at++]!);
}

/** The tensors of what a run gives, if that is carried as it is. */
function nextTensors(start: Val, next: Val, starts: readonly TensorVal[]): TensorVal[] {
  requireShape(start, next);
  const tensors = carriedTensors(next);
  if (tensors.length === 0 || tensors.length !== starts.length) return noLoop();
  for (const [k, { value, axes }] of tensors.entries()) {
    const was = starts[k]!;
    const same = was.value.dtype === value.dtype && was.axes.join() === axes.join() && was.value.shape.join() === value.shape.join();
    if (!same) return noLoop();
  }
  return tensors;
}

/** Both are built in one way, and equal where they are no tensors. */
function requireShape(a: Val, b: Val): undefined {
  if (a === b || (a.kind === "tensor" && b.kind === "tensor")) return;
  if (isScalar(a) && isScalar(b) && sameHost(toHost(a), toHost(b))) return;
  if (a.kind === "none" && b.kind === "none") return;
  if ((a.kind === "list" && b.kind === "list") || (a.kind === "tuple" && b.kind === "tuple")) {
    const others = b.items;
    if (a.items.length !== others.length) noLoop();
    for (const [i, item] of a.items.entries()) requireShape(item, others[i]!);
    return;
  }
  if (a.kind !== "record" || b.kind !== "record" || [...a.fields.keys()].join() !== [...b.fields.keys()].join()) throw new NoLoop();
  for (const [name, field] of a.fields) requireShape(field, b.fields.get(name)!);
}

// ---- the loop ----------------------------------------------------------------------------------------------------------------------

interface LoopValues {
  readonly last: readonly TensorVal[];
  /** After each run; empty where nobody asks. */
  readonly all: readonly (readonly TensorVal[])[];
}

function makeLoop(
  session: Session,
  body: LoopBody,
  starts: readonly TensorVal[],
  results: readonly TensorVal[],
  keep: boolean,
  span: Span,
): LoopValues {
  const { builder: b, loopRule } = session;
  const carries = starts.map((s, k) => body.carry(k, s.value));
  const next = inlineReadCalls({ name: "body", results: results.map((r, k) => ({ name: `${k}`, value: r.value })) }, b).results.map(
    (r) => r.value,
  );
  const order = topologicalOrder(next);
  const changing = new Set<Value>([...carries, ...body.items.keys()]);
  for (const v of order) if (v.args.some((a) => changing.has(a))) changing.add(v);
  const kernels = order.filter((v) => changing.has(v) && startsKernel(v)).length;
  if (body.count < loopRule.runs || (body.count - 1) * kernels < loopRule.saved) throw new NoLoop();
  const shared: Value[] = [];
  const graph = bodyGraph(session, body, carries, next, changing, shared, keep);
  const used = [...body.items].filter(([placeholder]) => changing.has(placeholder) && order.includes(placeholder));
  return session.at(span, (): LoopValues => {
    const itemTensors = used.map(([, { of, dtype }]) => {
      const own = of.slice(0, body.count);
      const numbers = own.map((e) => (e.kind === "number" || e.kind === "bool" ? Number(e.value) : undefined));
      if (numbers.every((n) => n !== undefined)) return b.table(numbers as number[], [body.count], dtype);
      return b.concat(
        own.map((e) => b.reshape(session.uniform(e, dtype as "f32" | "i32" | "u32", "item"), [1])),
        0,
      );
    });
    const args = [...starts.map((s) => s.value), ...itemTensors, ...shared];
    if (args.some((a) => reachesTrained(session, a))) throw new NoLoop();
    const attrs = { body: graph, count: body.count, carried: starts.length, items: used.length };
    const last = starts.map((s, part) => tensor(b.make("loop", args, { ...attrs, part }, { labels: results[part]!.value.labels }), s.axes));
    if (!keep) return { last, all: [] };
    const stacks = starts.map((_, k) => b.make("loop", args, { ...attrs, part: starts.length + k }));
    const at = (run: number): TensorVal[] =>
      starts.map((s, k) => tensor(b.reshape(b.sliceAxis(stacks[k]!, 0, run, 1), s.value.shape, results[k]!.value.labels), s.axes));
    return { last, all: Array.from({ length: body.count }, (_, run) => at(run)) };
  });
}

/** Whether a value begins a kernel of its own; what is elementwise joins others. */
function startsKernel(v: Value): boolean {
  const { kernel } = rowOf(v.op);
  return kernel === "contract" || kernel === "reduce" || kernel === "attend" || kernel === "index" || kernel === "loop";
}

/** The body by itself; what it reads of the values around it, and what no run changes, comes in as shared values. */
function bodyGraph(
  session: Session,
  body: LoopBody,
  carries: readonly Value[],
  next: readonly Value[],
  changing: ReadonlySet<Value>,
  shared: Value[],
  keep: boolean,
): Graph {
  const remade = new Remade();
  const isShared = (v: Value): boolean => !changing.has(v) && (v.op === "input" || !remade.has(v));
  const b = new Builder();
  const made = new Map<Value, Value>();
  const order = topologicalOrder(next, isShared);
  const items = [...body.items.keys()].filter((placeholder) => order.includes(placeholder));
  for (const v of order) {
    const carry = carries.indexOf(v);
    const item = items.indexOf(v);
    const options = { role: "data", dtype: v.dtype, labels: v.labels } as const;
    made.set(
      v,
      b.withOrigin(v.origins, () => {
        if (carry >= 0) return b.input(loopNames.carry(carry), v.shape, options);
        if (item >= 0) return b.input(loopNames.item(item), [], { ...options, role: "uniform" });
        if (isShared(v)) return b.input(loopNames.shared(shared.push(v) - 1), v.shape, options);
        return b.make(
          v.op,
          v.args.map((a) => made.get(a)!),
          v.attrs,
          { labels: v.labels },
        );
      }),
    );
  }
  const values = next.map((v) => made.get(v)!);
  const results = values.map((value, k) => ({ name: loopNames.carry(k), value }));
  const every = keep ? values.map((value, k) => ({ name: loopNames.every(k), value })) : [];
  return named(session, [...results, ...every]);
}

/** The graph under a name of its own; the one of this content that is there already, wherever it came from. */
function named(session: Session, results: Graph["results"]): Graph {
  const base = session.chain.at(-1) ?? "fold";
  const key = graphKey({ name: base, results });
  const known = session.loopBodies.get(key);
  if (known) return known;
  const names = new Set([...session.loopBodies.values()].map((body) => body.name));
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base}#${n}`;
  const made = { name, results };
  session.loopBodies.set(key, made);
  return made;
}

/** Whether a derivative could get from a value to a trained parameter: then every run's values would have to be kept. */
function reachesTrained(session: Session, root: Value): boolean {
  const cut = (v: Value): boolean => v.op === "stop" || v.dtype !== "f32";
  return topologicalOrder([root], cut).some((v) => {
    if (v.op !== "input" || v.attrs.role !== "param") return false;
    const model = /^[^.[]*/.exec(v.attrs.name)![0];
    return session.models.get(model)?.trained ?? true;
  });
}

/** Streams that the body has drawn from count as drawn from in each run. */
function countStreams(session: Session, body: LoopBody): void {
  const counts = session.effects.streamCounts;
  for (const [name, count] of [...counts]) {
    if (!name.includes(body.mark)) continue;
    counts.delete(name);
    for (const run of body.runs.slice(0, body.count)) counts.set(name.replaceAll(body.mark, `[${run}]`), count);
  }
}
