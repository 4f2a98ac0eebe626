import type { Builder } from "./ir/builder.ts";
import { rowOf } from "./ir/ops.ts";
import type { Graph, GraphResult, Value } from "./ir/value.ts";
import { rebuild, topologicalOrder } from "./ir/walk.ts";

// Legs: a step's graph cut where the host waits for a value. In: a whole graph, with its gradients, some of whose results are read on the way,
// in order. Out: which values cross each cut, and the graphs on both sides. What is free to make again (draws, constants, what is only moved)
// does not cross; of what is only moved its source crosses, and what is elementwise in crossing values is made again. Recomputing repeats values and never effects, because draws are pure.

/** Results of this name are waited for by the host. */
export const readPrefix = "read.";

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
