import { expect, test } from "vitest";
import { inlineReadCalls } from "../ir/calls.ts";
import type { Graph, OpName } from "../ir/value.ts";
import { graphValues } from "../ir/walk.ts";
import { evaluate } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { elaborateFunction } from "./function.ts";
import { programOf } from "./testing.ts";

const shapes = { q: [2, 3, 5, 4], k: [2, 3, 7, 4], v: [2, 3, 7, 6], mask: [5, 7] };
const parameters = "q: real[b, h, query, d], k: real[b, h, key, d], v: real[b, h, key, e], mask: real[query, key]";

function elaborated(text: string) {
  const { program, resolution } = programOf(text);
  const args = Object.entries(shapes).map(([name, shape]) => ({ name, shape }));
  const made = elaborateFunction(program, resolution, "f", args);
  if (!made.ok) throw new Error(made.diagnostics.map((d) => d.message).join("\n"));
  return { graph: made.value.graph, builder: made.value.builder, warnings: made.warnings };
}
const count = (graph: Graph, op: OpName): number => graphValues(graph).filter((v) => v.op === op).length;
const inputs = Object.fromEntries(
  Object.entries(shapes).map(([name, shape], i) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [
      name,
      array(
        shape,
        Array.from({ length: size }, (_, e) => Math.sin(e * 1.7 + i)),
      ),
    ];
  }),
);
const results = (graph: Graph): number[][] => Object.values(evaluate(graph, inputs)).map((a) => [...a.data]);
const expectNear = (a: readonly number[], b: readonly number[]) => {
  expect(a.length).toBe(b.length);
  for (const [i, x] of a.entries()) expect(x).toBeCloseTo(b[i]!, 12);
};

const written = (body: string) => `import { attention, causal } from "std/nn.ada"
fn f(${parameters}) -> { y: real[...r], s: real[...t] } { ${body} }
`;
const softmaxByHand = "dot(softmax(dot(q, k, over: d) * d ** -0.5 + mask, over: key), v, over: key)";

test("attention of the library is one call that means its body", () => {
  const call = elaborated(written("return { y: attention(q, k, v, mask), s: q }"));
  expect([count(call.graph, "attend"), count(call.graph, "dot"), call.warnings.length]).toEqual([1, 0, 0]);
  const byHand = elaborated(written(`return { y: ${softmaxByHand}, s: q }`));
  expect(count(byHand.graph, "attend")).toBe(0);
  expectNear(results(call.graph)[0]!, results(byHand.graph)[0]!);
});

test("without a mask, with a causal one, and within one sequence", () => {
  const plain = elaborated(written("return { y: attention(q, k, v), s: attention(q, q, q, causal(query)) }"));
  expect([count(plain.graph, "attend"), plain.warnings.length]).toEqual([2, 0]);
});

test("a call whose scores are read is computed by its body, and only that one", () => {
  const read = elaborated(written("return { y: attention(q, k, v, mask) + attention(q, q, q)[d: 0], s: dot(q, k, over: d) * d ** -0.5 }"));
  expect(count(read.graph, "attend")).toBe(2);
  for (const graph of [inlineReadCalls(read.graph, read.builder), inlineReadCalls(read.graph)]) {
    expect(count(graph, "attend")).toBe(1);
    for (const [i, values] of results(graph).entries()) expectNear(values, results(read.graph)[i]!);
  }
  const unread = elaborated(written("return { y: attention(q, k, v, mask), s: q * 2 }"));
  expect(inlineReadCalls(unread.graph, unread.builder)).toBe(unread.graph);
});

test("a body that the template cannot compute stays as it is, with one warning", () => {
  const other =
    elaborated(`fused fn odd(q: real[...b, query, d], k: real[...b, key, d], v: real[...b, key, e]) -> real[...b, query, e] by attend {
  return dot(sigmoid(dot(q, k, over: d)), v, over: key)
}
fn f(${parameters}) -> { y: real[...r], z: real[...s] } { return { y: odd(q, k, v), z: odd(2 * q, k, v) } }
`);
  expect([count(other.graph, "attend"), count(other.graph, "dot")]).toEqual([0, 4]);
  expect(other.warnings.map((w) => w.code)).toEqual(["elaborate/not-by-template"]);
});

test("a template that does not exist is refused where it is named", () => {
  expect(() => programOf("fused fn f(x: real[n]) -> real[n] by attent { return x }\n")).toThrow(/attent[\s\S]*did you mean `attend`/);
});
