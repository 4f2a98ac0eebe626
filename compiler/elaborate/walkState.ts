import { createHash } from "node:crypto";
import { rowOf } from "../ir/ops.ts";
import { printValue } from "../ir/print.ts";
import type { Graph, Value } from "../ir/value.ts";
import { graphInputs, graphValues, rebuild, topologicalOrder } from "../ir/walk.ts";
import { evaluateHost, type HostValue } from "../plan/evalHost.ts";
import { type HostExpr, type HostKnowledge, nothingKnown } from "../plan/host.ts";
import { streamKey } from "../plan/philox.ts";
import type { PromptPiece } from "../plan/plan.ts";
import { evaluateValues } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { copyEffects, type Session } from "./session.ts";
import { mapTensors, tensorsOf } from "./tensorsOf.ts";
import { type TensorVal, tensor, type Val } from "./values.ts";
import { Asked, demand, type HostTensor, type Walking, type WalkLeg } from "./walkRequests.ts";

// What one walk knows: which leaves stand for values that the host has or can have made, and what has been asked. In: values of the
// program. Out: legs, each as small as the statement that it comes from, and the numbers of the host. A leg is run when its value is first
// needed, and once. What has no parameters and is small is computed by the host itself, so that a list of another length needs no new plan.

type InputLeaf = Extract<Value, { readonly op: "input" }>;
/** Where the value of a leaf comes from. */
type Source =
  | { readonly kind: "known"; readonly tensor: HostTensor }
  | { readonly kind: "made"; readonly work: Work; readonly result: number };
interface Work {
  readonly name: string;
  readonly results: readonly Value[];
  done: readonly HostTensor[] | null;
}

/** Elements that the host computes at most for one result. */
const mostOnHost = 4_000_000;

export class WalkState {
  readonly session: Session;
  /** False where `adac plan` looks at what a walk would do. */
  readonly live: boolean;
  readonly #sources = new Map<string, Source>();
  readonly #leafOf = new Map<Value, Value>();
  readonly #computed = new Map<Value, Work>();
  readonly #legs = new Map<string, WalkLeg>();
  readonly #answers = new Map<string, unknown>();
  readonly #values: HostValue[] = [];
  /** Takes back what was noted, last first. */
  readonly #undo: (() => void)[] = [];
  #leaves = 0;
  /** What the values of this turn stand for. */
  readonly knowledge: HostKnowledge = {
    ...nothingKnown,
    field: (name, at) => (name === "#" ? this.#values[at] : undefined),
  };
  /** What sets one turn's draws apart from another's. */
  turn: HostExpr = { kind: "number", value: 0 };
  /** The name that the elements of the list in question get. */
  binder = "it";

  constructor(session: Session, live: boolean) {
    this.session = session;
    this.live = live;
  }

  /** The value of a host expression now. */
  value(expr: HostExpr): HostValue {
    return evaluateHost(expr, {
      seed: this.session.seed,
      microStep: expr === this.turn ? 0 : Number(this.value(this.turn)),
      update: 0,
      progress: 0,
      known: this.knowledge,
    });
  }

  /** A value of the host that differs from turn to turn: other value, same graph. */
  opaque(value: HostValue): HostExpr {
    this.#values.push(value);
    const type = typeof value === "string" ? "text" : typeof value === "boolean" ? "bool" : "int";
    return { kind: "field", field: "#", at: this.#values.length - 1, type };
  }

  /** An element of a list that only the walk knows: its texts and numbers are values of this turn. */
  opened(val: Val): Val {
    switch (val.kind) {
      case "number":
        return { kind: "host", expr: this.opaque(val.value), type: Number.isInteger(val.value) ? "int" : "real" };
      case "bool":
      case "text":
        return { kind: "host", expr: this.opaque(val.value), type: val.kind };
      case "record":
        return { ...val, fields: new Map([...val.fields].map(([name, field]) => [name, this.opened(field)])) };
      case "prompt": {
        const piece = (one: PromptPiece): PromptPiece =>
          one.kind === "text" && one.text.kind === "text" ? { ...one, text: this.opaque(one.text.value) } : one;
        return { ...val, elements: val.elements.map((pieces) => pieces.map(piece)) };
      }
      default:
        return val;
    }
  }

  /** Runs one turn of a loop, of which nothing is known when it is over: the next one makes the same leaves, and so the same graphs. */
  *turnOf<T>(index: number, run: () => Walking<T>): Walking<T> {
    const before = { turn: this.turn, leaves: this.#leaves, values: this.#values.length, undo: this.#undo.length };
    this.turn = this.opaque(streamKey(`${this.value(this.turn)}/${index}`));
    try {
      return yield* run();
    } finally {
      while (this.#undo.length > before.undo) this.#undo.pop()!();
      this.#values.length = before.values;
      this.#leaves = before.leaves;
      this.turn = before.turn;
    }
  }
  /** Makes one element of a list; what it draws is its own. */
  within<T>(index: number, run: () => T): T {
    const before = this.turn;
    this.turn = this.opaque(streamKey(`${this.value(before)}/${index}`));
    try {
      return run();
    } finally {
      this.turn = before;
    }
  }
  #note<K, V>(map: Map<K, V>, key: K, value: V): void {
    map.set(key, value);
    this.#undo.push(() => map.delete(key));
  }

  /** Runs `fn`, which may ask, until everything that it asks for is known. */
  *answered<T>(fn: () => T): Walking<T> {
    const values = this.#values.length;
    try {
      for (;;) {
        const effects = copyEffects(this.session.effects);
        try {
          return fn();
        } catch (error) {
          if (!(error instanceof Asked)) throw error;
          this.session.effects = effects;
          this.#values.length = values;
          this.#answers.set(error.key, yield* error.find());
        }
      }
    } finally {
      this.#answers.clear();
    }
  }
  /** The answer to a question, or a jump to the statement's beginning to get it. */
  ask<T>(key: string, find: () => Walking<T>): T {
    if (this.#answers.has(key)) return this.#answers.get(key) as T;
    throw new Asked(key, find);
  }
  /** What a tensor is. */
  valueOf(value: Value, name: string): HostTensor {
    const state = this;
    return this.ask(`value ${value.id}`, function* () {
      return (yield* state.force([value], name))[0]!;
    });
  }

  /** A leaf for a tensor that the host has. */
  known(tensorOf: HostTensor, axes: readonly string[]): TensorVal {
    const dtype = tensorOf.dtype === "f16" ? "f32" : tensorOf.dtype;
    return tensor(this.#leaf(tensorOf.shape, dtype, axes, { kind: "known", tensor: tensorOf }), axes);
  }
  #leaf(shape: readonly number[], dtype: Value["dtype"], labels: readonly string[], source: Source): Value {
    const name = `walk${this.#leaves++}`;
    this.#note(this.#sources, name, source);
    return this.session.builder.input(name, shape, { role: "data", dtype, labels });
  }

  /** The value with its device work cut off: it becomes a leg, which runs when someone needs what it makes. */
  cut(val: Val, name: string): Val {
    const values = new Set(tensorsOf(val).map((t) => t.value));
    const found = [...values].filter((value) => !this.#leafOf.has(value) && hasWork(value));
    if (found.length > 0) {
      const work: Work = { name, results: found, done: null };
      found.forEach((value, result) => {
        this.#note(this.#leafOf, value, this.#leaf(value.shape, value.dtype, value.labels, { kind: "made", work, result }));
      });
    }
    return mapTensors(val, (t) => {
      const leaf = this.#leafOf.get(t.value);
      return leaf === undefined ? t : tensor(leaf, t.axes);
    });
  }

  /** What values are, after all that has to run for them has run. `name` is what a leg that has to be made for them is called. */
  *force(values: readonly Value[], name: string): Walking<readonly HostTensor[]> {
    const out: HostTensor[] = [];
    for (const value of values) {
      const leaf = this.#leafOf.get(value) ?? value;
      const source = leaf.op === "input" ? this.#sources.get(leaf.attrs.name) : undefined;
      if (source?.kind === "known") {
        out.push(source.tensor);
        continue;
      }
      const work = source?.work ?? this.#workOf(value, name);
      yield* this.#run(work);
      out.push(work.done![source?.result ?? 0]!);
    }
    return out;
  }
  #workOf(value: Value, name: string): Work {
    const known = this.#computed.get(value);
    if (known) return known;
    const work: Work = { name, results: [value], done: null };
    this.#note(this.#computed, value, work);
    return work;
  }

  *#run(work: Work): Walking<void> {
    if (work.done !== null) return;
    const graph: Graph = { name: "leg", results: work.results.map((value, i) => ({ name: `out${i}`, value })) };
    const leaves = graphInputs(graph).filter((v) => v.attrs.role === "data" || v.attrs.role === "uniform");
    const inputs: HostTensor[] = [];
    for (const leaf of leaves) inputs.push(yield* this.#input(leaf, work.name));
    if (fitsHost(graph)) {
      work.done = this.#onHost(graph, leaves, inputs);
      return;
    }
    const leg = this.#legOf(graph, leaves, work.name);
    work.done = yield* demand({ kind: "leg", leg, inputs, wait: work.name });
  }

  *#input(leaf: InputLeaf, name: string): Walking<HostTensor> {
    if (leaf.attrs.role === "uniform") {
      const declared = this.session.uniforms.find((u) => u.name === leaf.attrs.name)!;
      const value = Number(this.value(declared.expr));
      return { dtype: declared.dtype, shape: [], data: this.live ? arrayOf(declared.dtype).of(value) : null };
    }
    if (this.#sources.has(leaf.attrs.name)) return (yield* this.force([leaf], name))[0]!;
    const dot = leaf.attrs.name.indexOf(".");
    const prompt = this.session.prompts.all.find((one) => one.name === leaf.attrs.name.slice(0, dot));
    if (prompt === undefined) throw new Error(`internal: nobody knows ${leaf.attrs.name}`);
    return yield* demand({ kind: "prompt", prompt, input: leaf.attrs.name, shape: leaf.shape, dtype: leaf.dtype });
  }

  #onHost(graph: Graph, leaves: readonly InputLeaf[], inputs: readonly HostTensor[]): HostTensor[] {
    const values = graph.results.map((r) => r.value);
    const plain = (v: Value) => ({ dtype: v.dtype, shape: v.shape });
    if (inputs.some((one) => one.data === null) || !this.live) return values.map((v) => ({ ...plain(v), data: null }));
    const given = Object.fromEntries(leaves.map((leaf, i) => [leaf.attrs.name, array(leaf.shape, inputs[i]!.data!, leaf.dtype)] as const));
    return evaluateValues(values, given).map((made, i) => ({ ...plain(values[i]!), data: arrayOf(made.dtype).from(made.data) }));
  }

  /** The work with names that say only which input is which. */
  #legOf(graph: Graph, leaves: readonly InputLeaf[], name: string): WalkLeg {
    const { builder } = this.session;
    const same = graph.results.map((r) => r.value.id).join();
    const known = this.#legs.get(same);
    if (known) return known;
    const place = new Map(leaves.map((leaf, i) => [leaf as Value, i]));
    const canonical = rebuild(graph, builder, (v) => {
      const at = place.get(v);
      return at === undefined ? null : builder.input(`in${at}`, v.shape, { role: "data", dtype: v.dtype, labels: v.labels });
    });
    const order = graphValues(canonical);
    const numbers = new Map(order.map((v, i) => [v, `%${i}`]));
    const text = [
      ...order.map((v) => printValue({ ...v, origins: [], labels: [] } as Value, (a) => numbers.get(a)!)),
      ...canonical.results.map((r) => numbers.get(r.value)!),
    ].join("\n");
    const leg = { key: createHash("sha256").update(text).digest("hex").slice(0, 16), name, graph: canonical };
    this.#legs.set(same, leg);
    return leg;
  }
}

const arrayOf = (dtype: HostTensor["dtype"]) =>
  dtype === "f32" || dtype === "f16" ? Float32Array : dtype === "i32" ? Int32Array : Uint32Array;
const size = (v: Pick<Value, "shape">): number => v.shape.reduce((a, b) => a * b, 1);

/** Whether something would have to be computed, and not only moved. */
function hasWork(value: Value): boolean {
  return topologicalOrder([value]).some((v) => rowOf(v.op).class !== "movement" && (v.args.length > 0 || isParameter(v)));
}
const isParameter = (v: Value): boolean => v.op === "input" && (v.attrs.role === "param" || v.attrs.role === "state");

/** Whether the host may as well compute it: no parameters, little work. */
function fitsHost(graph: Graph): boolean {
  let total = 0;
  for (const v of graphValues(graph)) {
    if (isParameter(v)) return false;
    if (v.args.length === 0) continue;
    total += rowOf(v.op).class === "contract" ? (size(v) * size(v.args[0]!)) / 16 : size(v);
    if (total > mostOnHost) return false;
  }
  return true;
}
