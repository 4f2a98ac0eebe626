import { attributesOf, isOfKind } from "./attributes.ts";
import { contentKey } from "./builder.ts";
import { sameShape } from "./ops/row.ts";
import { OPS, rowOf } from "./ops.ts";
import { originText, typeText } from "./print.ts";
import type { Graph, Value } from "./value.ts";

// The verifier of the tensor level. In: a graph and the name of the pass that made it. Out: what is wrong, each message with pass, node and source span.

/** All faults of a graph and of the bodies of its loops; empty when it is well formed. */
export function verifyGraph(graph: Graph, pass: string, bodies: Map<string, Graph> = new Map()): string[] {
  const { order, cycle } = walkCarefully(graph.results.map((r) => r.value));
  if (cycle) return [complaint(pass, cycle, "it depends on itself")];
  const faults: string[] = [];
  const byId = new Map<number, Value>();
  const byContent = new Map<string, Value>();
  const inputs = new Map<string, Value>();
  for (const v of order) {
    const fault = faultOf(v) ?? registerValue(v, byId, byContent, inputs);
    if (fault !== undefined) faults.push(complaint(pass, v, fault));
  }
  for (const body of new Set(order.flatMap((v) => (v.op === "loop" ? [v.attrs.body] : [])))) {
    const namesake = bodies.get(body.name);
    if (namesake === body) continue;
    if (namesake) faults.push(`${pass}: graph '${graph.name}' has two bodies named '${body.name}'`);
    bodies.set(body.name, body);
    faults.push(...verifyGraph(body, `${pass}, body of a loop`, bodies));
  }
  const names = graph.results.map((r) => r.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) faults.push(`${pass}: graph '${graph.name}' has two results named '${twice}'`);
  return faults;
}

/** The graph itself when it is well formed; else an internal error. */
export function requireVerified(graph: Graph, pass: string): Graph {
  const faults = verifyGraph(graph, pass);
  if (faults.length > 0) throw new Error(`internal: ${faults.join("\n  ")}`);
  return graph;
}

function faultOf(v: Value): string | undefined {
  if (!Object.hasOwn(OPS, v.op)) return "no such op";
  const entries = v.attrs as Readonly<Record<string, unknown>>;
  for (const [name, kind] of attributesOf(v.op)) if (!isOfKind(entries[name], kind)) return `its attribute '${name}' is no ${kind}`;
  const row = rowOf(v.op);
  if (row.arity !== "any" && row.arity !== v.args.length) return `${v.args.length} arguments, ${row.arity} wanted`;
  const late = v.args.find((a) => a.id >= v.id);
  if (late) return `its argument ${late.id} is not older: values of two builders are mixed`;
  if (v.labels.length !== v.shape.length) return `${v.labels.length} labels for rank ${v.shape.length}`;
  try {
    const type = (row.infer as (args: readonly Value[], attrs: unknown) => Pick<Value, "dtype" | "shape" | "labels">)(v.args, v.attrs);
    if (type.dtype !== v.dtype || !sameShape(type.shape, v.shape)) return `its type is ${typeText(type)} by its arguments`;
  } catch (error) {
    return (error as Error).message.replace(/^internal: /, "");
  }
  return undefined;
}

function registerValue(v: Value, byId: Map<number, Value>, byContent: Map<string, Value>, inputs: Map<string, Value>): string | undefined {
  if (byId.has(v.id)) return `another value has its id ${v.id}: values of two builders are mixed`;
  byId.set(v.id, v);
  const content = contentKey(v.op, v.args, v.attrs);
  const twin = byContent.get(content);
  if (twin) return `value ${twin.id} has the same content`;
  byContent.set(content, v);
  if (v.op !== "input") return undefined;
  const namesake = inputs.get(v.attrs.name);
  inputs.set(v.attrs.name, v);
  return namesake ? `another input '${v.attrs.name}' is ${typeText(namesake)}` : undefined;
}

function complaint(pass: string, v: Value, fault: string): string {
  const where = v.origins.length > 0 ? ` (${v.origins.map(originText).join("; ")})` : "";
  return `${pass}: value ${v.id}, ${v.op} of type ${typeText(v)}${where}: ${fault}`;
}

/** All values, arguments first, of whatever builders; or a value on a cycle, if there is one. */
function walkCarefully(roots: readonly Value[]): { readonly order: readonly Value[]; readonly cycle?: Value } {
  const order: Value[] = [];
  const finished = new Set<Value>();
  const open = new Set<Value>();
  for (const root of roots) {
    if (finished.has(root)) continue;
    const stack = [{ value: root, next: 0 }];
    open.add(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const argument = top.value.args[top.next++];
      if (argument === undefined) {
        finished.add(top.value);
        order.push(top.value);
        open.delete(top.value);
        stack.pop();
      } else if (open.has(argument)) {
        return { order, cycle: argument };
      } else if (!finished.has(argument)) {
        open.add(argument);
        stack.push({ value: argument, next: 0 });
      }
    }
  }
  return { order };
}
