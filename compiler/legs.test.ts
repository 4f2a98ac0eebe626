import { describe, expect, test } from "vitest";
import { Builder } from "./ir/builder.ts";
import type { Graph, GraphResult } from "./ir/value.ts";
import { graphInputs, graphValues } from "./ir/walk.ts";
import { continued, crossings, readPrefix, readsOf, waitsOf } from "./legs.ts";
import { evaluate } from "./reference/evaluate.ts";
import { array } from "./reference/ndarray.ts";

// A graph in legs computes what the whole graph does: each leg sees only its inputs and what earlier legs kept.

function example(): { readonly b: Builder; readonly graph: Graph } {
  const b = new Builder();
  const x = b.input("x", [2, 3], { role: "data" });
  const w = b.input("w", [3], { role: "param" });
  const y = b.mul(x, b.broadcastInDim(w, [2, 3], [1]));
  const first = b.sum(b.exp(y), [0, 1]);
  const z = b.mul(b.exp(y), b.broadcastInDim(first, [2, 3], []));
  const second = b.sum(z, [0, 1]);
  const rest = b.add(b.mul(z, 2), b.broadcastInDim(b.div(second, first), [2, 3], []));
  const results = [
    { name: `${readPrefix}a`, value: first },
    { name: `${readPrefix}b`, value: second },
    { name: "loss", value: b.sum(rest, [0, 1]) },
    { name: "log.first", value: first },
  ];
  return { b, graph: { name: "step", results } };
}

/** Runs the legs of one way in order, each with the inputs and what those before it kept; gives the graph of the last. */
function expectWhole(b: Builder, graph: Graph, ways: readonly Graph[]): Graph {
  const given = { x: array([2, 3], [0.1, -0.4, 0.7, 0.2, 0.9, -0.3]), w: array([3], [0.5, -1, 2]) };
  const whole = evaluate(graph, given);
  const waits = waitsOf("s", ways);
  const memory: Record<string, ReturnType<typeof array>> = { ...given };
  const before = waits.before(graph);
  for (const [i, name] of before.legs.entries()) {
    const { results, earlier } = waits.legs.find((leg) => leg.name === name)!;
    const made = evaluate(continued({ name, results }, b, earlier), memory);
    Object.assign(memory, made);
    expect([...made[results[0].name]!.data]).toEqual([...whole[readsOf(graph).reads[i]!.name]!.data]);
  }
  const last = continued({ name: "rest", results: readsOf(graph).rest }, b, before.kept);
  const made = evaluate(last, memory);
  for (const { name } of last.results) expect([...made[name]!.data]).toEqual([...whole[name]!.data]);
  return last;
}

describe("a graph cut where the host waits", () => {
  test("gives leg by leg what it gives as a whole", () => {
    const { b, graph } = example();
    const last = expectWhole(b, graph, [graph]);
    // what was summed before is not summed again
    expect(graphValues(last).filter((v) => v.op === "sum")).toHaveLength(1);
    expect(graphInputs(last).some((v) => v.attrs.name.startsWith("s:kept"))).toBe(true);
  });
  test("ways share what they wait for, and a way keeps for itself what another one keeps too", () => {
    const { b, graph } = example();
    const [a, second, loss] = graph.results as [GraphResult, GraphResult, GraphResult];
    const ways = [[a, second, loss], [second, loss], [a, loss], [loss]].map((results) => ({ name: "way", results }));
    expect(waitsOf("s", ways).legs).toHaveLength(3);
    for (const way of ways) expectWhole(b, way, ways);
  });
  test("constants, draws and what is only moved do not cross", () => {
    const { graph } = example();
    for (const cut of crossings(graph)) for (const v of cut) expect(["broadcast", "const", "input", "random"]).not.toContain(v.op);
  });
  test("a graph without reads is one leg", () => {
    const { graph } = example();
    expect(crossings({ ...graph, results: graph.results.slice(2) })).toEqual([]);
  });
});
