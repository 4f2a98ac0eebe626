import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { vjp } from "../../compiler/autodiff.ts";
import { compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import { graphInputs } from "../../compiler/ir/walk.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { foldedGrids, targets } from "../targets.ts";

// Attention through its template equals its body, in value and gradient: any sizes and head widths, more keys than queries, with and without a
// mask, operands that lie in memory with the head axis in the middle, for all targets.

const adapters = { ...targets, foldedGrids: { ...foldedGrids, maxWorkgroupsPerDimension: 40 } };
const numRuns = Number(process.env.ADA_RUNS ?? 8);
const seed = Number(process.env.ADA_SEED ?? 11);

/** Fixed numbers within ±1. */
function numbersFor(v: Value): NdArray {
  const size = v.shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: size }, (_, i) => {
    const wave = Math.sin((i + 1) * 12.9898 + v.id) * 43758.5453;
    return Math.fround(2 * (wave - Math.floor(wave)) - 1);
  });
  return { dtype: v.dtype, shape: v.shape, data };
}

interface Case {
  readonly lead: readonly number[];
  readonly queries: number;
  readonly keys: number;
  readonly d: number;
  readonly e: number;
  readonly mask: "none" | "full" | "shared" | "causal";
  readonly heads: boolean;
}
const cases = fc.record({
  lead: fc.constantFrom([], [1], [2], [2, 3]),
  queries: fc.constantFrom(1, 2, 3, 5, 9, 17, 33),
  keys: fc.constantFrom(1, 3, 4, 6, 13, 20),
  d: fc.constantFrom(1, 3, 4, 8, 10, 40),
  e: fc.constantFrom(1, 4, 7, 12),
  mask: fc.constantFrom("none", "full", "shared", "causal"),
  heads: fc.boolean(),
} as const);

/** An operand, perhaps stored with its rows outside of the heads as a projection leaves them. */
function operand(b: Builder, name: string, shape: readonly number[], heads: boolean): Value {
  if (!heads || shape.length < 3) return b.input(name, shape);
  const rank = shape.length;
  const order = [...shape.keys()].map((axis) => (axis === rank - 3 ? rank - 2 : axis === rank - 2 ? rank - 3 : axis));
  const stored = b.input(name, [...shape.slice(0, -3), shape[rank - 2]!, shape[rank - 3]! * shape[rank - 1]!]);
  return b.permute(
    b.reshape(
      stored,
      order.map((axis) => shape[axis]!),
    ),
    order,
  );
}

function attention(b: Builder, c: Case): { readonly out: Value; readonly args: readonly Value[] } {
  const { lead, queries, keys, d, e } = c;
  const q = operand(b, "q", [...lead, queries, d], c.heads);
  const k = operand(b, "k", [...lead, keys, d], c.heads);
  const v = operand(b, "v", [...lead, keys, e], c.heads);
  const whole = [...lead, queries, keys];
  const last = [lead.length, lead.length + 1];
  const mask = {
    none: () => [],
    full: () => [b.input("mask", whole)],
    shared: () => [b.broadcastInDim(b.input("mask", [queries, keys]), whole, last)],
    causal: () => {
      const later = b.lt(b.iotaAlong([queries, keys], 0), b.idiv(b.iotaAlong([queries, keys], 1), 2));
      return [b.broadcastInDim(b.where(later, Number.NEGATIVE_INFINITY, b.splat(0, [queries, keys])), whole, last)];
    },
  }[c.mask]();
  const args = [q, k, v, ...mask];
  return { out: b.make("attend", args, { part: "out", scale: 0.7 }), args };
}

/** `size`: that of the terms, which may cancel (the gradient of a softmax over one key is 0). */
function agree(values: readonly Value[], what: string, size: number): void {
  const graph: Graph = { name: "g", results: values.map((value, i) => ({ name: `r${i}`, value })) };
  const inputs = Object.fromEntries(graphInputs(graph).map((v) => [v.attrs.name, numbersFor(v)]));
  const expected = evaluate(graph, inputs);
  for (const [name, target] of Object.entries(adapters)) {
    const actual = interpretGraph(graph, inputs, target);
    for (const r of graph.results) {
      const want = expected[r.name]!.data;
      const scale = want.reduce((m, x) => Math.max(m, Math.abs(x)), size);
      const worst = want.reduce(
        (m, x, i) => Math.max(m, Math.abs(actual[r.name]!.data[i]! - x) / scale || (actual[r.name]!.data[i] === x ? 0 : 1)),
        0,
      );
      if (worst > 2e-5) expect.fail(`${what}, ${name}: ${r.name} differs by ${worst}`);
    }
  }
}

describe("attention through its template", () => {
  it("equals its body", () => {
    fc.assert(
      fc.property(cases, (c) => {
        const b = new Builder();
        agree([attention(b, c).out], JSON.stringify(c), 1e-3);
      }),
      { seed, numRuns },
    );
  });
  it("has the gradients of its body", () => {
    fc.assert(
      fc.property(cases, (c) => {
        const b = new Builder();
        const { out, args } = attention(b, c);
        agree([out, ...vjp(b, [out], [b.input("g", out.shape)], args.slice(0, 3))], JSON.stringify(c), 0.2);
      }),
      { seed, numRuns },
    );
  });
  it.each([40, 64, 80, 160])("takes heads of %i with several keys for each token", (d) => {
    const b = new Builder();
    const { out, args } = attention(b, { lead: [2], queries: 7, keys: 3 * 7, d, e: d, mask: "causal", heads: false });
    agree([out, ...vjp(b, [out], [b.input("g", out.shape)], args.slice(0, 3))], `${d}`, 0.2);
  });
  it("gives a mask its gradient, summed over what shares it", () => {
    const b = new Builder();
    const [q, k, v] = [b.input("q", [2, 3, 5, 4]), b.input("k", [2, 3, 6, 4]), b.input("v", [2, 3, 6, 4])];
    const mask = b.input("mask", [5, 6]);
    const out = b.make("attend", [q, k, v, b.broadcastInDim(mask, [2, 3, 5, 6], [2, 3])], { part: "out", scale: 0.5 });
    agree(vjp(b, [out], [b.input("g", out.shape)], [mask, q]), "mask", 0.2);
  });
  it("has no result for a row without keys, and all others as they are", () => {
    const b = new Builder();
    const args = [b.input("q", [3, 4]), b.input("k", [5, 4]), b.input("v", [5, 8]), b.input("mask", [3, 5])];
    const graph: Graph = {
      name: "g",
      results: (["out", "sums"] as const).map((part) => ({ name: part, value: b.make("attend", args, { part, scale: 1 }) })),
    };
    const inputs = Object.fromEntries(graphInputs(graph).map((v) => [v.attrs.name, numbersFor(v)]));
    const hidden = Number.NEGATIVE_INFINITY;
    inputs.mask!.data.set([hidden, 0, 0, hidden, hidden, hidden, hidden, hidden, hidden, hidden, 0, hidden, hidden, hidden, hidden]);
    const expected = evaluate(graph, inputs);
    expect([...expected.out!.data].map(Number.isNaN)).toEqual(Array.from({ length: 24 }, (_, i) => i >= 8 && i < 16));
    for (const target of Object.values(adapters)) {
      const actual = interpretGraph(graph, inputs, target);
      for (const { name } of graph.results)
        for (const [i, x] of expected[name]!.data.entries()) {
          if (Number.isNaN(x)) expect(actual[name]!.data[i]).toBeNaN();
          else expect(actual[name]!.data[i]).toBeCloseTo(x, 5);
        }
    }
  });
});

describe("kernels of attention", () => {
  const shape = { lead: [2, 3], queries: 64, keys: 77, d: 8, e: 8, heads: true } as const;
  const scoreBytes = 4 * 2 * 3 * 64 * 77;
  const planOf = (values: readonly Value[]) => {
    const results = values.map((value, i) => ({ name: `r${i}`, value }));
    return compileGraph({ name: "g", results }, [], targets.fourLanes!).legs[0]!;
  };
  /** As a network reads it: the heads go back inside of the rows. */
  const joined = (b: Builder, out: Value) => b.reshape(b.permute(out, [0, 2, 1, 3]), [2, 64, 24]);

  it.each(["none", "causal", "shared"] as const)("one forward, reading and writing heads where they lie, with mask %s", (mask) => {
    const b = new Builder();
    const leg = planOf([joined(b, attention(b, { ...shape, mask }).out)]);
    expect(leg.ops.map((op) => op.kind === "dispatch" && op.template)).toEqual(["attend"]);
    expect(leg.figures.peakBytes).toBe(0);
  });
  it("three and a row sum with the gradients, and scores are never stored", () => {
    const b = new Builder();
    const { out, args } = attention(b, { ...shape, mask: "causal" });
    const leg = planOf([joined(b, out), ...vjp(b, [joined(b, out)], [b.input("g", [2, 64, 24])], args.slice(0, 3))]);
    const templates = leg.ops.map((op) => (op.kind === "dispatch" ? op.template : op.kind));
    expect(templates.filter((t) => t === "attend").length).toBe(3);
    expect(templates.length).toBeLessThanOrEqual(5);
    expect(leg.figures.peakBytes).toBeLessThan(scoreBytes);
  });
  it("none where the device has too few buffers: then its body is computed", () => {
    const b = new Builder();
    const { out } = attention(b, { ...shape, queries: 5, mask: "full" });
    const { legs } = compileGraph({ name: "g", results: [{ name: "r", value: out }] }, [], targets.fewBuffers!);
    expect(legs[0]!.ops.filter((op) => op.kind === "dispatch" && op.template === "attend")).toEqual([]);
  });
});
