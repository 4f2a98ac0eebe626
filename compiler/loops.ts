import { Builder } from "./ir/builder.ts";
import { bodyInputs, instantiateBody, loopArguments, loopNames } from "./ir/ops/loop.ts";
import { Remade } from "./ir/remade.ts";
import type { DType, Graph, GraphResult, Value } from "./ir/value.ts";
import { graphValues, rebuild, topologicalOrder } from "./ir/walk.ts";
import { contents } from "./plan/contents.ts";

// A leg with loops is several graphs that run one after the other. In: a graph. Out: its parts in order: before each loop a graph of what only
// this loop needs, then the loop's body, at the end a graph of the results; and the tensors that outlive a part, with the parts between which
// they are needed. What a body computes of nothing that changes from run to run is computed before its loop; what is only moved, or made of
// constants, draws and host numbers, is free to make again and stays.

export type LoopPart =
  | { readonly kind: "graph"; readonly graph: Graph }
  | {
      readonly kind: "loop";
      readonly name: string;
      readonly count: number;
      /** Reads and writes the carried tensors in their places; writes what is kept of each run. */
      readonly body: Graph;
      /** Host numbers of each run, by the names of the body's uniform inputs, in order. */
      readonly items: readonly LoopItem[];
      /** The body's results that are kept of each run, and the tensor of all of them. */
      readonly every: readonly { readonly one: string; readonly all: string }[];
      readonly origins: Value["origins"];
    };
export type LoopItem =
  /** Known when compiling. */
  | { readonly kind: "numbers"; readonly dtype: DType; readonly data: readonly number[] }
  /** One element per run of a tensor of the leg. */
  | { readonly kind: "tensor"; readonly name: string };

/** A tensor that one part leaves for others. */
export interface LoopStore {
  readonly dtype: DType;
  readonly shape: readonly number[];
  from: number;
  to: number;
}
export interface CutLoops {
  readonly parts: readonly LoopPart[];
  readonly stores: ReadonlyMap<string, LoopStore>;
}

/** Whether a graph has a loop. */
export function hasLoops(graph: Graph): boolean {
  return graphValues(graph).some((v) => v.op === "loop");
}

/** The parts of a graph with loops. `prefix` begins the names that are made; `itemNames` names as many uniforms as a loop has items. */
export function cutLoops(graph: Graph, prefix: string, itemNames: (count: number) => readonly string[]): CutLoops {
  return new Cutter(graph, prefix, itemNames).cut();
}

/** The numbers of a loop's items that are known when compiling, those of each run beside each other. */
export function wordsOfRuns(loop: Extract<LoopPart, { kind: "loop" }>): { readonly words: Uint32Array; readonly perRun: number } {
  const numbers = loop.items.flatMap((item) => (item.kind === "numbers" ? [item] : []));
  const words = new Uint32Array(loop.count * numbers.length);
  for (const [k, { dtype, data }] of numbers.entries())
    for (const [run, word] of new Uint32Array(contents(dtype, data).buffer).entries()) words[run * numbers.length + k] = word;
  return { words, perRun: numbers.length };
}

interface Loop {
  readonly name: string;
  readonly value: Extract<Value, { readonly op: "loop" }>;
  readonly args: readonly Value[];
  readonly parts: Set<number>;
}

class Cutter {
  readonly #b = new Builder();
  readonly #loops: Loop[] = [];
  readonly #graph: Graph;
  readonly #prefix: string;
  readonly #itemNames: (count: number) => readonly string[];
  readonly #stores = new Map<string, LoopStore>();
  /** In which part a value is made first, of those that parts without a loop make. */
  readonly #madeIn = new Map<Value, number>();
  /** Names of values that are made in one part and read in a later one. */
  readonly #kept = new Map<Value, string>();
  readonly #remade = new Remade();

  constructor(graph: Graph, prefix: string, itemNames: (count: number) => readonly string[]) {
    this.#graph = graph;
    this.#prefix = prefix;
    this.#itemNames = itemNames;
  }

  cut(): CutLoops {
    const outer = rebuild(this.#graph, this.#b, (v, args) => (v.op === "loop" ? this.#after(v, args) : null));
    const drafts = this.#loops.map((loop, k) => this.#before(loop, 2 * k));
    const last = 2 * this.#loops.length;
    this.#need(
      outer.results.map((r) => r.value),
      last,
    );
    const parts = drafts.flatMap(({ results, loop }, k): LoopPart[] => [
      { kind: "graph", graph: this.#part(`${this.#prefix}before ${loop.name}`, results, 2 * k) },
      { ...loop, body: this.#part(loop.body.name, loop.body.results, 2 * k + 1) },
    ]);
    parts.push({ kind: "graph", graph: this.#part(outer.name, outer.results, last) });
    return { parts, stores: this.#stores };
  }

  /** A part of a loop's result as an input of what comes after. */
  #after(v: Loop["value"], args: readonly Value[]): Value {
    const { body, carried, part } = v.attrs;
    const known = this.#loops.find((l) => l.value.attrs.body === body && l.args.every((a, i) => a === args[i]));
    const loop = known ?? { name: `${this.#prefix}loop${this.#loops.length}`, value: v, args, parts: new Set<number>() };
    if (!known) this.#loops.push(loop);
    loop.parts.add(part);
    const name = part < carried ? loopNames.carry(part) : loopNames.every(part - carried);
    return this.#b.input(`${loop.name}.${name}`, v.shape, { role: "data", dtype: v.dtype, labels: v.labels });
  }

  /** What must be there before a loop starts, and its body over the outer values. */
  #before(loop: Loop, part: number): { readonly results: readonly GraphResult[]; readonly loop: Extract<LoopPart, { kind: "loop" }> } {
    const { attrs, origins } = loop.value;
    const { carries, items } = loopArguments(loop.args, attrs);
    const ofLoop = (name: string): string => `${loop.name}.${name}`;
    const results: GraphResult[] = carries.map((value, k) => ({ name: ofLoop(loopNames.carry(k)), value }));
    for (const { name, value } of results) this.#store(name, value, value.shape, part, part + 1);
    // Numbers known when compiling first: one copy brings those of a run.
    const isTable = (k: number): boolean => items[k]!.op === "table";
    const order = [...items.keys()].sort((a, b) => Number(isTable(b)) - Number(isTable(a)) || a - b);
    const names = this.#itemNames(items.length);
    const listed = order.map((k): LoopItem => {
      const item = items[k]!;
      if (item.op === "table") return { kind: "numbers", dtype: item.dtype, data: item.attrs.data };
      const name = ofLoop(loopNames.item(k));
      results.push({ name, value: item });
      this.#store(name, item, item.shape, part, part + 1);
      return { kind: "tensor", name };
    });
    const carriedInputs = carries.map((v, k) =>
      this.#b.input(ofLoop(loopNames.carry(k)), v.shape, { role: "data", dtype: v.dtype, labels: v.labels }),
    );
    const itemInputs = items.map((v, k) => this.#b.input(names[order.indexOf(k)]!, [], { role: "uniform", dtype: v.dtype }));
    const made = instantiateBody(this.#b, attrs.body, bodyInputs(loop.args, attrs, carriedInputs, itemInputs));
    const every = [...loop.parts].filter((p) => p >= attrs.carried).sort((a, b) => a - b);
    const bodyResults: GraphResult[] = carries.map((_, k) => ({ name: ofLoop(loopNames.carry(k)), value: made.get(loopNames.carry(k))! }));
    const kept = every.map((p) => {
      const k = p - attrs.carried;
      const value = made.get(loopNames.every(k))!;
      const [one, all] = [ofLoop(`one${k}`), ofLoop(loopNames.every(k))];
      bodyResults.push({ name: one, value });
      this.#store(one, value, value.shape, part + 1);
      this.#store(all, value, [attrs.count, ...value.shape], part + 1);
      return { one, all };
    });
    const hoisted = this.#unchanging(
      bodyResults.map((r) => r.value),
      new Set([...carriedInputs, ...itemInputs]),
    );
    this.#need([...results.map((r) => r.value), ...hoisted], part);
    for (const v of hoisted) this.#keep(v, part + 1);
    const { count, body } = attrs;
    return {
      results,
      loop: { kind: "loop", name: loop.name, count, body: { name: body.name, results: bodyResults }, items: listed, every: kept, origins },
    };
  }

  #store(name: string, { dtype }: Value, shape: readonly number[], from: number, to = from): void {
    this.#stores.set(name, { dtype, shape, from, to });
  }

  /** The values that a body reads and that its runs do not change, nearest to those that change. */
  #unchanging(roots: readonly Value[], changes: ReadonlySet<Value>): Value[] {
    const changing = new Set<Value>(changes);
    for (const v of topologicalOrder(roots)) if (v.args.some((a) => changing.has(a))) changing.add(v);
    const found = new Set<Value>();
    const seen = new Set<Value>();
    const stack = [...roots];
    for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
      if (seen.has(v)) continue;
      seen.add(v);
      if (!changing.has(v) && !this.#remade.has(v)) found.add(v);
      else stack.push(...v.args);
    }
    return [...found];
  }

  /** A part without a loop makes these values; what an earlier part has made is kept for it. */
  #need(roots: readonly Value[], part: number): void {
    const seen = new Set<Value>();
    const stack = [...roots];
    for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
      if (seen.has(v)) continue;
      seen.add(v);
      const earlier = this.#madeIn.get(v);
      if (earlier !== undefined && earlier < part && !this.#remade.has(v)) {
        this.#keep(v, part);
        continue;
      }
      if (earlier === undefined && v.args.length > 0) this.#madeIn.set(v, part);
      stack.push(...v.args);
    }
  }

  #keep(v: Value, reader: number): void {
    const name = this.#kept.get(v) ?? `${this.#prefix}kept${this.#kept.size}`;
    this.#kept.set(v, name);
    if (!this.#stores.has(name)) this.#store(name, v, v.shape, this.#madeIn.get(v)!);
    const store = this.#stores.get(name)!;
    store.to = Math.max(store.to, reader);
  }

  /** The graph of a part, with what others have left as inputs and what it leaves as further results. */
  #part(name: string, results: readonly GraphResult[], part: number): Graph {
    const isBody = part % 2 === 1;
    const own = isBody ? [] : [...this.#kept].filter(([v]) => this.#madeIn.get(v) === part);
    const given = (v: Value): string | undefined => (this.#madeIn.get(v)! < part ? this.#kept.get(v) : undefined);
    const all = [...results, ...own.map(([value, keptName]) => ({ name: keptName, value }))];
    const b = new Builder();
    const made = new Map<Value, Value>();
    const order = topologicalOrder(
      all.map((r) => r.value),
      (v) => given(v) !== undefined,
    );
    for (const v of order) {
      const kept = given(v);
      const read = kept ?? (v.op === "input" ? v.attrs.name : undefined);
      const store = read === undefined ? undefined : this.#stores.get(read);
      if (store) store.to = Math.max(store.to, part);
      made.set(
        v,
        b.withOrigin(v.origins, () =>
          kept === undefined
            ? b.make(
                v.op,
                v.args.map((a) => made.get(a)!),
                v.attrs,
                { labels: v.labels },
              )
            : b.input(kept, v.shape, { role: "data", dtype: v.dtype, labels: v.labels }),
        ),
      );
    }
    return { name, results: all.map((r) => ({ name: r.name, value: made.get(r.value)! })) };
  }
}
