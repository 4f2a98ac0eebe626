import type { Builder } from "./ir/builder.ts";
import { rowOf } from "./ir/ops.ts";
import type { Graph, GraphResult, Value } from "./ir/value.ts";
import { rebuild, topologicalOrder } from "./ir/walk.ts";

// Legs: a step's graph cut where the host waits for a value. In: whole graphs, with their gradients, some of whose results are read on the way,
// in order. Out: which values cross each cut, and the graphs on both sides. What is free to make again (draws, constants, what is only moved)
// does not cross; of what is only moved its source crosses, and what is elementwise in crossing values is made again. Recomputing repeats values
// and never effects, because draws are pure.

/** Results of this name are waited for by the host. */
export const readPrefix = "read.";

/** Whether a result is the gradient of a parameter, by name. */
export const isGradient = (result: string): boolean => result.startsWith("grad.");

/** The reads of a graph in order, and the rest. */
export function readsOf(graph: Graph): { readonly reads: readonly GraphResult[]; readonly rest: readonly GraphResult[] } {
  return {
    reads: graph.results.filter((r) => r.name.startsWith(readPrefix)),
    rest: graph.results.filter((r) => !r.name.startsWith(readPrefix)),
  };
}

const moved: ReadonlySet<Value["op"]> = new Set(["random", "broadcast", "reshape", "permute", "cast"]);

function freeIn(order: readonly Value[]): Set<Value> {
  const free = new Set<Value>();
  for (const v of order) if (v.args.length === 0 || (moved.has(v.op) && v.args.every((a) => free.has(a)))) free.add(v);
  return free;
}

/** What need not be kept because it is elementwise in what is kept. */
function withoutMaps(crossing: ReadonlySet<Value>, free: ReadonlySet<Value>): ReadonlySet<Value> {
  const kept = new Set<Value>();
  const source = (v: Value): Value => (moved.has(v.op) && !free.has(v) ? source(v.args[0]!) : v);
  for (const v of topologicalOrder([...crossing])) {
    if (!crossing.has(v)) continue;
    const remade = rowOf(v.op).class === "map" && v.args.every((a) => free.has(a) || kept.has(source(a)));
    if (!remade) kept.add(v);
  }
  return kept;
}

/** For each cut the values that are made before it and needed after it. */
export function crossings(graph: Graph): readonly ReadonlySet<Value>[] {
  const { reads, rest } = readsOf(graph);
  const free = freeIn(topologicalOrder(graph.results.map((r) => r.value)));
  const made = new Set<Value>(); // before the present cut
  return reads.map(({ value }, i) => {
    for (const v of topologicalOrder([value])) made.add(v);
    const later = [...reads.slice(i + 1), ...rest].map((r) => r.value);
    const crossing = new Set<Value>();
    const seen = new Set<Value>();
    const stack = [...later];
    for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
      if (seen.has(v)) continue;
      seen.add(v);
      if (made.has(v) && !free.has(v) && !moved.has(v.op)) crossing.add(v);
      else stack.push(...v.args);
    }
    return withoutMaps(crossing, free);
  });
}

/** The graph in which what was made before is read from where it was kept. */
export function continued(graph: Graph, b: Builder, kept: ReadonlyMap<Value, string>): Graph {
  return rebuild(graph, b, (v) => {
    const name = kept.get(v);
    return name === undefined ? null : b.input(name, v.shape, { role: "state", dtype: v.dtype, labels: v.labels });
  });
}

/** The legs of a step that end in what the host waits for. */
export interface Waits {
  /** Each behind those that it goes on from. Results: what is waited for, then what is kept for later legs; `earlier`: what is there already. */
  readonly legs: readonly {
    readonly name: string;
    readonly results: readonly [GraphResult, ...GraphResult[]];
    readonly earlier: ReadonlyMap<Value, string>;
  }[];
  /** The legs that come before the last one of a graph, and what they keep, by name. */
  before(graph: Graph): { readonly legs: readonly string[]; readonly kept: ReadonlyMap<Value, string> };
}
interface Wait {
  readonly name: string;
  readonly read: GraphResult;
  readonly before: Wait | null;
  readonly crossing: Set<Value>;
}

/** The waits of a step's ways, which one builder made. Ways with the same reads share the legs of these, and each keeps what any of them needs. */
export function waitsOf(step: string, graphs: readonly Graph[]): Waits {
  const waits: Wait[] = [];
  const lastOf = new Map<Graph, Wait | null>();
  for (const graph of graphs) {
    const sets = crossings(graph);
    let last: Wait | null = null;
    for (const [k, read] of readsOf(graph).reads.entries()) {
      const before: Wait | null = last;
      last = waits.find((w) => w.before === before && w.read.value === read.value) ?? null;
      if (last === null) {
        last = { name: `${step}.wait${waits.length}`, read, before, crossing: new Set() };
        waits.push(last);
      }
      for (const v of sets[k]!) last.crossing.add(v);
    }
    lastOf.set(graph, last);
  }
  const names = new Map<Value, string>();
  for (const { crossing } of waits) for (const v of crossing) if (!names.has(v)) names.set(v, `${step}:kept${names.size}`);
  const upTo = (wait: Wait | null): readonly Wait[] => (wait === null ? [] : [...upTo(wait.before), wait]);
  const keptBy = (path: readonly Wait[]) => new Map(path.flatMap(({ crossing }) => [...crossing].map((v) => [v, names.get(v)!] as const)));
  return {
    legs: waits.map(({ name, read, before, crossing }) => {
      const earlier = keptBy(upTo(before));
      const fresh = [...crossing].filter((v) => !earlier.has(v));
      return { name, results: [read, ...fresh.map((value) => ({ name: names.get(value)!, value }))], earlier };
    }),
    before: (graph) => {
      const path = upTo(lastOf.get(graph) ?? null);
      return { legs: path.map((wait) => wait.name), kept: keptBy(path) };
    },
  };
}
