import type { Builder } from "./ir/builder.ts";
import { rowOf } from "./ir/ops.ts";
import type { Graph, Value } from "./ir/value.ts";
import { graphValues, topologicalOrder } from "./ir/walk.ts";
import { bytesOf } from "./memory/place.ts";

// Rematerialisation. In: a graph with its gradients, and a policy. Out: a graph of the same meaning in which the backward pass computes some
// values of the forward pass a second time, from others that are kept, so that the former need no memory in between. A second computation
// starts from `again(kept)`: it is another value than the first one, so nothing makes them one; fusion keeps the halves apart, and the
// order of kernels puts it off until it is needed. It repeats values and never effects: draws are pure.

export type RematPolicy =
  | { readonly kind: "none" }
  /** All is computed again, except what is marked `save` with one of these names. */
  | { readonly kind: "except"; readonly names: ReadonlySet<string> }
  /** As little as lets what is kept, and what is computed again at once, have at most so many bytes. */
  | { readonly kind: "fit"; readonly bytes: number };

export const keepAll: RematPolicy = { kind: "none" };

/** The graph by the policy. `isForward`: results of the forward pass, by name. */
export function rematerialise(graph: Graph, b: Builder, isForward: (result: string) => boolean, policy: RematPolicy): Graph {
  if (policy.kind === "none") return graph;
  const forward = new Set(topologicalOrder(graph.results.filter((r) => isForward(r.name)).map((r) => r.value)));
  const backward = graphValues(graph).filter((v) => !forward.has(v));
  const needed = new Needed(forward, backward);
  const dropped = policy.kind === "except" ? allExcept(needed, policy.names) : toFit(needed, policy.bytes);
  return dropped.size === 0 ? graph : new Again(b, needed, dropped).graph(graph, backward);
}

const isView = (v: Value): boolean => rowOf(v.op).class === "movement" || rowOf(v.op).class === "marker";
/** Smaller than this part of all that is kept, a value is not worth computing again. */
const smallPart = 1 / 2000;

/** What the backward pass reads of the forward pass: values that would be in memory. */
class Needed {
  readonly forward: ReadonlySet<Value>;
  /** In the order of the forward pass. */
  readonly values: readonly Value[];
  readonly bytes: number;
  readonly #free = new Set<Value>();

  constructor(forward: ReadonlySet<Value>, backward: readonly Value[]) {
    this.forward = forward;
    for (const v of forward) if (v.op !== "input" && v.op !== "table" && v.args.every((a) => this.#free.has(a))) this.#free.add(v);
    const found = new Set<Value>();
    for (const v of backward) for (const a of v.args) for (const base of this.bases(a)) found.add(base);
    this.values = [...forward].filter((v) => found.has(v));
    this.bytes = this.values.reduce((sum, v) => sum + bytesOf(v), 0);
  }
  /** Whether a value is there anyhow: an input, or made of constants, draws and host numbers. */
  isFree(v: Value): boolean {
    return v.op === "input" || v.op === "table" || this.#free.has(v);
  }
  /** The values of the forward pass in memory that a value is a view of. */
  bases(v: Value): Value[] {
    if (!this.forward.has(v) || this.isFree(v)) return [];
    return isView(v) ? v.args.flatMap((a) => this.bases(a)) : [v];
  }
}

function allExcept(needed: Needed, names: ReadonlySet<string>): Set<Value> {
  const saved = new Set<Value>();
  for (const v of needed.forward) if (v.op === "save" && names.has(v.attrs.name)) for (const base of needed.bases(v)) saved.add(base);
  return new Set(needed.values.filter((v) => !saved.has(v) && bytesOf(v) >= smallPart * needed.bytes));
}

/** What one value costs when it is computed again: its own operations and those between it and others that are needed. */
function costsOf(needed: Needed): { readonly cost: ReadonlyMap<Value, number>; readonly from: ReadonlyMap<Value, ReadonlySet<Value>> } {
  const all = new Set(needed.values);
  const cost = new Map<Value, number>();
  const from = new Map<Value, Set<Value>>();
  for (const v of needed.values) {
    let sum = 0;
    const sources = new Set<Value>();
    const seen = new Set<Value>([v]);
    const stack = [v];
    for (let x = stack.pop(); x !== undefined; x = stack.pop()) {
      sum += operations(x);
      for (const a of x.args) {
        if (seen.has(a) || needed.isFree(a)) continue;
        seen.add(a);
        if (all.has(a)) sources.add(a);
        else stack.push(a);
      }
    }
    cost.set(v, sum);
    from.set(v, sources);
  }
  return { cost, from };
}
function operations(v: Value): number {
  const count = (x: Value): number => x.shape.reduce((a, c) => a * c, 1);
  if (isView(v)) return 0;
  if (v.op === "dot") return 2 * count(v) * v.attrs.contractA.reduce((n, axis) => n * v.args[0]!.shape[axis]!, 1);
  if (v.op === "conv") return 2 * count(v) * (count(v.args[1]!) / v.shape[1]!);
  if (v.op === "attend" || v.op === "attendGrad") return 4 * count(v.args[0]!) * v.args[1]!.shape.at(-2)!;
  return Math.max(count(v), ...v.args.map(count));
}

/**
 * The cheapest values to compute again. Values that are computed from each other are there at once when they are computed again; the sum of
 * such a group is bounded, each bound of a falling row is tried, and within it values are dropped by cost over bytes until the rest fits.
 */
function toFit(needed: Needed, bytes: number): Set<Value> {
  if (needed.bytes <= bytes) return new Set();
  const { cost, from } = costsOf(needed);
  const readers = new Map<Value, Value[]>(needed.values.map((v) => [v, []]));
  for (const v of needed.values) for (const s of from.get(v)!) readers.get(s)!.push(v);
  const place = new Map(needed.values.map((v, i) => [v, i]));
  const order = needed.values
    .filter((v) => bytesOf(v) >= smallPart * needed.bytes)
    .sort((a, c) => cost.get(a)! / bytesOf(a) - cost.get(c)! / bytesOf(c) || place.get(a)! - place.get(c)!);
  let best: { readonly dropped: Set<Value>; readonly peak: number; readonly cost: number } | null = null;
  for (let bound = needed.bytes / 2; bound >= smallPart * needed.bytes; bound /= Math.SQRT2) {
    const groups = new Groups();
    const dropped = new Set<Value>();
    let kept = needed.bytes;
    let spent = 0;
    for (const v of order) {
      if (kept + groups.largest <= bytes) break;
      const neighbours = [...from.get(v)!, ...readers.get(v)!].filter((n) => dropped.has(n));
      if (!groups.join(v, bytesOf(v), neighbours, bound)) continue;
      dropped.add(v);
      kept -= bytesOf(v);
      spent += cost.get(v)!;
    }
    const peak = kept + groups.largest;
    const fits = peak <= bytes;
    const better = !best || (fits ? best.peak > bytes || spent < best.cost : peak < best.peak);
    if (better) best = { dropped, peak, cost: spent };
  }
  return best?.dropped ?? new Set();
}

/** Groups of values that are computed again together, with their bytes. */
class Groups {
  readonly #parent = new Map<Value, Value>();
  readonly #bytes = new Map<Value, number>();
  largest = 0;

  #root(v: Value): Value {
    let root = v;
    for (let up = this.#parent.get(root)!; up !== root; up = this.#parent.get(root)!) root = up;
    this.#parent.set(v, root);
    return root;
  }
  /** Makes one group of a value and its neighbours', unless that would be too large. */
  join(v: Value, bytes: number, neighbours: readonly Value[], bound: number): boolean {
    const roots = new Set(neighbours.map((n) => this.#root(n)));
    const sum = [...roots].reduce((n, r) => n + this.#bytes.get(r)!, bytes);
    if (sum > bound) return false;
    this.#parent.set(v, v);
    this.#bytes.set(v, sum);
    for (const r of roots) this.#parent.set(r, v);
    this.largest = Math.max(this.largest, sum);
    return true;
  }
}

/** Writes the second computations. */
class Again {
  readonly #b: Builder;
  readonly #needed: Needed;
  readonly #dropped: ReadonlySet<Value>;
  readonly #kept: ReadonlySet<Value>;
  readonly #second = new Map<Value, Value>();
  readonly #made = new Map<Value, Value>();

  constructor(b: Builder, needed: Needed, dropped: ReadonlySet<Value>) {
    this.#b = b;
    this.#needed = needed;
    this.#dropped = dropped;
    this.#kept = new Set(needed.values.filter((v) => !dropped.has(v)));
  }

  graph(graph: Graph, backward: readonly Value[]): Graph {
    for (const v of backward) {
      const args = v.args.map((a) => this.#made.get(a) ?? this.#read(a));
      this.#made.set(v, this.#like(v, args));
    }
    return { name: graph.name, results: graph.results.map((r) => ({ name: r.name, value: this.#made.get(r.value) ?? r.value })) };
  }
  #like(v: Value, args: readonly Value[]): Value {
    if (args.every((a, i) => a === v.args[i])) return v;
    return this.#b.withOrigin(v.origins, () => this.#b.make(v.op, args, v.attrs, { labels: v.labels }));
  }

  /** How the backward pass reads a value of the forward pass. */
  #read(v: Value): Value {
    if (this.#needed.bases(v).some((base) => this.#dropped.has(base))) return this.#again(v);
    return v;
  }
  /** The second computation of a value. */
  #again(wanted: Value): Value {
    const order = topologicalOrderUntil(wanted, (v) => this.#second.has(v) || this.#isStart(v));
    for (const v of order) {
      if (this.#second.has(v)) continue;
      const second =
        v.args.length === 0 && v.op !== "input" && v.op !== "table"
          ? v
          : this.#isStart(v)
            ? this.#b.again(v)
            : this.#like(
                v,
                v.args.map((a) => this.#second.get(a)!),
              );
      this.#second.set(v, second);
    }
    return this.#second.get(wanted)!;
  }
  /** Where a second computation starts: at what is kept, and at inputs. */
  #isStart(v: Value): boolean {
    return v.op === "input" || v.op === "table" || this.#kept.has(v);
  }
}

/** The values that a root needs, arguments first, not going on behind those that stop. */
function topologicalOrderUntil(root: Value, stops: (v: Value) => boolean): Value[] {
  const order: Value[] = [];
  const done = new Set<Value>();
  const stack: { readonly v: Value; next: number }[] = [{ v: root, next: 0 }];
  done.add(root);
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const argument = stops(top.v) ? undefined : top.v.args[top.next++];
    if (argument === undefined) {
      order.push(top.v);
      stack.pop();
    } else if (!done.has(argument)) {
      done.add(argument);
      stack.push({ v: argument, next: 0 });
    }
  }
  return order;
}
