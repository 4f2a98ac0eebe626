import { Builder } from "./builder.ts";
import type { Graph, Value } from "./value.ts";
import { topologicalOrder } from "./walk.ts";

// Calls and the bodies that they were written with. A call stands for its body; who reads a value inside the body (scores of an attention, say)
// wants the body itself, and then the call would compute everything a second time. In: a graph. Out: the graph in which such calls are
// written out. Nothing else changes, and no other call.

const bodies = new WeakMap<Value, Value[]>();

/** Remembers that a call was made of this body, which is built of the same leaves. */
export function rememberBody(call: Value, body: Value): void {
  const known = bodies.get(call);
  if (!known) bodies.set(call, [body]);
  else if (!known.includes(body)) known.push(body);
}

/** The graph with those calls written out of which an inner value is read; made by the builder that made the graph, or all of it by a fresh one. */
export function inlineReadCalls(graph: Graph, own?: Builder): Graph {
  const order = topologicalOrder(graph.results.map((r) => r.value));
  const alive = new Set(order);
  const written = new Map<Value, Value>();
  for (const v of order) {
    const read = bodies.get(v)?.find((body) => innerValues(v, body).some((inner) => alive.has(inner)));
    if (read) written.set(v, read);
  }
  if (written.size === 0) return graph;
  const b = own ?? new Builder();
  const made = new Map<Value, Value>();
  const make = (root: Value): Value => {
    const stack = [root];
    while (stack.length > 0) {
      const v = stack[stack.length - 1]!;
      const body = written.get(v);
      const needs = body ? [body] : v.args;
      const missing = needs.filter((a) => !made.has(a));
      if (missing.length > 0) stack.push(...missing);
      else {
        stack.pop();
        if (made.has(v)) continue;
        const args = v.args.map((a) => made.get(a) ?? a);
        const same = own !== undefined && args.every((a, i) => a === v.args[i]);
        made.set(v, body ? made.get(body)! : same ? v : b.withOrigin(v.origins, () => b.make(v.op, args, v.attrs, { labels: v.labels })));
      }
    }
    return made.get(root)!;
  };
  return { name: graph.name, results: graph.results.map((r) => ({ name: r.name, value: make(r.value) })) };
}

/** What a body computes from its products on, its result aside: before that it only moves the arguments, which anybody may do. */
function innerValues(call: Value, body: Value): Value[] {
  const outside = new Set(call.args);
  const inner = new Set<Value>();
  const seen = new Map<Value, boolean>();
  const visit = (v: Value): boolean => {
    if (outside.has(v)) return false;
    const known = seen.get(v);
    if (known !== undefined) return known;
    seen.set(v, false);
    const computes = v.args.map(visit).some(Boolean) || v.op === "dot";
    seen.set(v, computes);
    if (computes && v !== body) inner.add(v);
    return computes;
  };
  visit(body);
  return [...inner];
}
