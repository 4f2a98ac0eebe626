import { attributesOf, numberText } from "./attributes.ts";
import type { Graph, Origin, Value } from "./value.ts";
import { graphValues } from "./walk.ts";

// The text form of a graph, one line per value, arguments before users. The numbers depend on the structure only, so equal graphs print equally.
//
//   graph step {
//     %0: f32[batch: 4, c: 3] = input {name: "x", role: data, dtype: f32, shape: [4, 3]}  // net.ada:10..20 in "block" > "conv"
//     %1: f32[batch: 4] = sum %0 {axes: [1]}
//     return loss = %1
//   }
//
// The body of a loop is a graph of its own that begins with `body`; the loop names it.

/** The graph as text, after the bodies of its loops; `parseGraph` reads it back. */
export function printGraph(graph: Graph): string {
  const bodies = loopBodies(graph);
  return [...[...bodies].map((body) => oneGraph("body", body)), oneGraph("graph", graph)].join("");
}

/** The bodies of a graph's loops, inner ones first. */
function loopBodies(graph: Graph, found: Set<Graph> = new Set()): Set<Graph> {
  for (const v of graphValues(graph)) {
    if (v.op !== "loop" || found.has(v.attrs.body)) continue;
    loopBodies(v.attrs.body, found);
    found.add(v.attrs.body);
  }
  return found;
}

function oneGraph(kind: "graph" | "body", graph: Graph): string {
  const order = graphValues(graph);
  const names = new Map(order.map((v, i) => [v, `%${i}`]));
  const nameOf = (v: Value) => names.get(v)!;
  const results = graph.results.map((r) => `${nameText(r.name)} = ${nameOf(r.value)}`);
  return [
    `${kind} ${nameText(graph.name)} {`,
    ...order.map((v) => `  ${printValue(v, nameOf)}`),
    `  return ${results.join(", ")}`,
    "}",
    "",
  ].join("\n");
}

/** One value's line: name, type, op, arguments, attributes, origins. */
export function printValue(v: Value, nameOf: (v: Value) => string): string {
  const args = v.args.map((a) => ` ${nameOf(a)}`).join("");
  const entries = v.attrs as Readonly<Record<string, unknown>>;
  const attributes = attributesOf(v.op).map(([name, kind]) => `${name}: ${attributeText(entries[name], kind === "text")}`);
  const attrs = attributes.length > 0 ? ` {${attributes.join(", ")}}` : "";
  const origins = v.origins.length > 0 ? `  // ${v.origins.map(originText).join("; ")}` : "";
  return `${nameOf(v)}: ${typeText(v)} = ${v.op}${args}${attrs}${origins}`;
}

/** A value's type with the names of its axes: `f32[batch: 4, 3]`. */
export function typeText(v: Pick<Value, "dtype" | "shape" | "labels">): string {
  return `${v.dtype}[${v.shape.map((size, axis) => (v.labels[axis] ? `${nameText(v.labels[axis])}: ${size}` : `${size}`)).join(", ")}]`;
}

/** Where a value came from: `file:start..end in "outer" > "inner"`. */
export function originText({ span, chain }: Origin): string {
  const calls = chain && chain.length > 0 ? ` in ${chain.map((call) => JSON.stringify(call)).join(" > ")}` : "";
  const file = /^[\w./-]+$/.test(span.file) ? span.file : JSON.stringify(span.file);
  return `${file}:${span.start}..${span.end}${calls}`;
}

function attributeText(value: unknown, quoted: boolean): string {
  if (typeof value === "number") return numberText(value);
  if (typeof value === "string") return quoted ? JSON.stringify(value) : value;
  if (!Array.isArray(value)) return nameText((value as Graph).name);
  return `[${(value as readonly number[]).map(numberText).join(", ")}]`;
}

function nameText(name: string): string {
  return /^[A-Za-z_][\w.]*$/.test(name) ? name : JSON.stringify(name);
}
