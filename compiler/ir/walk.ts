import type { Builder } from "./builder.ts";
import type { Graph, Value } from "./value.ts";

/**
 * All values that the roots need, arguments before users; the order depends on the structure only. Works on graphs of any depth. What `stop`
 * holds of counts as a leaf. All are of one builder, as the verifier demands of a graph.
 */
export function topologicalOrder(roots: readonly Value[], stop?: (v: Value) => boolean): Value[] {
  // An argument's id is smaller than its user's.
  const done = new Uint8Array(roots.reduce((most, v) => Math.max(most, v.id), -1) + 1);
  const order: Value[] = [];
  const stack: Value[] = [];
  const next: number[] = []; // for each value of the stack: the argument to be looked at
  for (const root of roots) {
    if (done[root.id] === 1) continue;
    done[root.id] = 1;
    stack.push(root);
    next.push(stop?.(root) ? root.args.length : 0);
    while (stack.length > 0) {
      const top = stack.length - 1;
      const argument = stack[top]!.args[next[top]!];
      if (argument === undefined) {
        order.push(stack.pop()!);
        next.pop();
      } else {
        next[top]!++;
        if (done[argument.id] === 0) {
          done[argument.id] = 1;
          stack.push(argument);
          next.push(stop?.(argument) ? argument.args.length : 0);
        }
      }
    }
  }
  return order;
}

/** All values of a graph, arguments before users. */
export function graphValues(graph: Graph): Value[] {
  return topologicalOrder(graph.results.map((r) => r.value));
}

/** The input leaves of a graph in the order of first need. */
export function graphInputs(graph: Graph): Extract<Value, { readonly op: "input" }>[] {
  return graphValues(graph).filter((v) => v.op === "input");
}

/** For every value those that take it as an argument (once per place). */
export function usersOf(order: readonly Value[]): Map<Value, Value[]> {
  const users = new Map<Value, Value[]>(order.map((v) => [v, []]));
  for (const v of order) for (const a of v.args) users.get(a)!.push(v);
  return users;
}

/** The same graph in another builder, each value made anew by `b` (which may have its own idea of it), or by `special` where that gives one. */
export function rebuild(graph: Graph, b: Builder, special: (v: Value, args: readonly Value[]) => Value | null = () => null): Graph {
  const made = new Map<Value, Value>();
  for (const v of graphValues(graph)) {
    const args = v.args.map((a) => made.get(a)!);
    made.set(
      v,
      b.withOrigin(v.origins, () => special(v, args) ?? b.make(v.op, args, v.attrs, { labels: v.labels })),
    );
  }
  return { name: graph.name, results: graph.results.map((r) => ({ name: r.name, value: made.get(r.value)! })) };
}
