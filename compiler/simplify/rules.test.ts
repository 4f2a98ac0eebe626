import { describe, expect, test } from "vitest";
import { Builder } from "../ir/builder.ts";
import { printGraph } from "../ir/print.ts";
import type { Value } from "../ir/value.ts";
import { rebuild } from "../ir/walk.ts";
import { graphOf, largestError } from "../reference/differences.ts";
import { evaluate } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { markerRules, type Rule, simplifyRules } from "./rules.ts";
import { Simplifier, simplify, stripMarkers } from "./simplify.ts";

// A line per rule: what it sees and what it leaves. The rule must fire by name, the texts must agree, and both must mean the same.

interface Inputs {
  readonly x: Value; // f32[2, 3]
  readonly y: Value; // f32[2, 3]
  readonly row: Value; // f32[3]
  readonly cube: Value; // f32[2, 1, 3]
  readonly i: Value; // i32[2, 3]
  readonly p: Value; // bool[2, 3]
}
type Make = (b: Builder, inputs: Inputs) => Value;

const waves = (count: number) => Array.from({ length: count }, (_, i) => 1.2 + Math.sin(i * 7.13));
const arrays = {
  x: array([2, 3], waves(6)),
  y: array([2, 3], waves(6).toReversed()),
  row: array([3], waves(3)),
  cube: array([2, 1, 3], waves(6)),
  i: array([2, 3], [3, -4, 5, 0, 1, 1], "i32"),
  p: array([2, 3], [0, 1, 1, 0, 1, 0], "bool"),
};

function inputsOf(b: Builder): Inputs {
  return {
    x: b.input("x", [2, 3]),
    y: b.input("y", [2, 3]),
    row: b.input("row", [3]),
    cube: b.input("cube", [2, 1, 3]),
    i: b.input("i", [2, 3], { dtype: "i32" }),
    p: b.input("p", [2, 3], { dtype: "bool" }),
  };
}

const spread = (b: Builder, row: Value) => b.broadcastInDim(row, [2, 3], [1]);
const zeros = (v: Value) => v.shape.map(() => 0);

const examples: Readonly<Record<string, readonly (readonly [before: Make, after: Make])[]>> = {
  "fold-elementwise": [
    [(b) => b.add(b.scalar(2), b.scalar(3)), (b) => b.scalar(5)],
    [(b) => b.exp(b.splat(0, [2, 3])), (b) => b.splat(1, [2, 3])],
    [(b) => b.log(b.scalar(0)), (b) => b.log(b.scalar(0))],
  ],
  "move-splat": [
    [(b) => b.reshape(b.splat(2, [2, 3]), [6]), (b) => b.splat(2, [6])],
    [(b) => b.gather(b.splat(2, [2, 3]), b.iota(5)), (b) => b.splat(2, [5, 3])],
  ],
  "pad-splat": [[(b) => b.pad(b.splat(1, [2]), [1], [1], [0], 1), (b) => b.splat(1, [4])]],
  "concat-splats": [[(b) => b.concat([b.splat(1, [2]), b.splat(1, [3])], 0), (b) => b.splat(1, [5])]],
  "constant-right": [[(b, { x }) => b.mul(3, x), (b, { x }) => b.mul(x, 3)]],
  "add-zero": [[(b, { x }) => b.add(0, x), (_, { x }) => x]],
  "sub-zero": [[(b, { x }) => b.sub(x, 0), (_, { x }) => x]],
  "zero-sub": [[(b, { x }) => b.sub(0, x), (b, { x }) => b.neg(x)]],
  "sub-self": [
    [(b, { i }) => b.sub(i, i), (b) => b.splat(0, [2, 3], "i32")],
    [(b, { x }) => b.sub(x, x), (b, { x }) => b.sub(x, x)],
  ],
  "mul-one": [[(b, { x }) => b.mul(1, x), (_, { x }) => x]],
  "mul-zero": [
    [(b, { i }) => b.mul(i, 0), (b) => b.splat(0, [2, 3], "i32")],
    [(b, { x }) => b.mul(x, 0), (b, { x }) => b.mul(x, 0)],
  ],
  "mul-minus-one": [[(b, { x }) => b.mul(x, -1), (b, { x }) => b.neg(x)]],
  "neg-neg": [[(b, { x }) => b.neg(b.neg(x)), (_, { x }) => x]],
  "neg-sub": [[(b, { x, y }) => b.neg(b.sub(x, y)), (b, { x, y }) => b.sub(y, x)]],
  "neg-scaled": [[(b, { x }) => b.neg(b.mul(x, 3)), (b, { x }) => b.mul(x, -3)]],
  "scale-neg": [[(b, { x }) => b.mul(b.neg(x), 3), (b, { x }) => b.mul(x, -3)]],
  "add-neg": [
    [(b, { x, y }) => b.add(x, b.neg(y)), (b, { x, y }) => b.sub(x, y)],
    [(b, { x, y }) => b.add(b.neg(x), y), (b, { x, y }) => b.sub(y, x)],
  ],
  "sub-neg": [[(b, { x, y }) => b.sub(x, b.neg(y)), (b, { x, y }) => b.add(x, y)]],
  "mul-neg-neg": [[(b, { x, y }) => b.mul(b.neg(x), b.neg(y)), (b, { x, y }) => b.mul(x, y)]],
  "scale-scale": [
    [(b, { x }) => b.mul(b.mul(x, 3), 0.5), (b, { x }) => b.mul(x, 1.5)],
    [(b, { x }) => b.mul(b.mul(x, 1e-30), 1e-30), (b, { x }) => b.mul(b.mul(x, 1e-30), 1e-30)],
  ],
  "div-one": [[(b, { x }) => b.div(x, 1), (_, { x }) => x]],
  "div-power-of-two": [
    [(b, { x }) => b.div(x, 8), (b, { x }) => b.mul(x, 0.125)],
    [(b, { x }) => b.div(x, 3), (b, { x }) => b.div(x, 3)],
  ],
  "one-over-sqrt": [[(b, { x }) => b.div(1, b.sqrt(x)), (b, { x }) => b.rsqrt(x)]],
  "pow-constant": [
    [(b, { x }) => b.pow(x, 0), (b) => b.splat(1, [2, 3])],
    [(b, { x }) => b.pow(x, 1), (_, { x }) => x],
    [(b, { x }) => b.pow(x, 2), (b, { x }) => b.mul(x, x)],
    [(b, { x }) => b.pow(x, 3), (b, { x }) => b.mul(x, b.mul(x, x))],
    [(b, { x }) => b.pow(x, 0.5), (b, { x }) => b.sqrt(x)],
    [(b, { x }) => b.pow(x, -0.5), (b, { x }) => b.rsqrt(x)],
    [(b, { x }) => b.pow(x, -1), (b, { x }) => b.div(1, x)],
    [(b, { x }) => b.pow(x, 1.7), (b, { x }) => b.pow(x, 1.7)],
  ],
  "idiv-one": [[(b, { i }) => b.idiv(i, 1), (_, { i }) => i]],
  "imod-one": [[(b, { i }) => b.imod(i, 1), (b) => b.splat(0, [2, 3], "i32")]],
  "same-twice": [[(b, { x }) => b.max(x, x), (_, { x }) => x]],
  "abs-sign": [
    [(b, { x }) => b.abs(b.abs(x)), (b, { x }) => b.abs(x)],
    [(b, { x }) => b.abs(b.neg(x)), (b, { x }) => b.abs(x)],
  ],
  "not-not": [[(b, { p }) => b.not(b.not(p)), (_, { p }) => p]],
  "and-constant": [
    [(b, { p }) => b.and(p, 1), (_, { p }) => p],
    [(b, { i }) => b.and(i, 0), (b) => b.splat(0, [2, 3], "i32")],
  ],
  "or-constant": [
    [(b, { p }) => b.or(p, 0), (_, { p }) => p],
    [(b, { p }) => b.or(p, 1), (b) => b.splat(1, [2, 3], "bool")],
  ],
  "bits-zero": [
    [(b, { i }) => b.shl(i, 0), (_, { i }) => i],
    [(b, { i }) => b.xor(i, 0), (_, { i }) => i],
  ],
  "lt-self": [[(b, { x }) => b.lt(x, x), (b) => b.splat(0, [2, 3], "bool")]],
  "eq-self": [
    [(b, { i }) => b.eq(i, i), (b) => b.splat(1, [2, 3], "bool")],
    [(b, { x }) => b.eq(x, x), (b, { x }) => b.eq(x, x)],
  ],
  "where-known": [
    [(b, { x, y }) => b.where(b.scalar(1, "bool"), x, y), (_, { x }) => x],
    [(b, { p, x }) => b.where(p, x, x), (_, { x }) => x],
  ],
  "where-not": [[(b, { p, x, y }) => b.where(b.not(p), x, y), (b, { p, x, y }) => b.where(p, y, x)]],
  "cast-cast": [
    [(b, { p }) => b.cast(b.cast(p, "i32"), "f32"), (b, { p }) => b.cast(p, "f32")],
    [(b, { i }) => b.cast(b.cast(i, "u32"), "i32"), (_, { i }) => i],
  ],
  "reshape-reshape": [[(b, { x }) => b.reshape(b.reshape(x, [6]), [3, 2]), (b, { x }) => b.reshape(x, [3, 2])]],
  "permute-permute": [[(b, { x }) => b.permute(b.permute(x, [1, 0]), [1, 0]), (_, { x }) => x]],
  "permute-units": [[(b, { cube }) => b.permute(cube, [0, 2, 1]), (b, { cube }) => b.reshape(cube, [2, 3, 1])]],
  "broadcast-broadcast": [
    [(b, { row }) => b.broadcastInDim(spread(b, row), [4, 2, 3], [1, 2]), (b, { row }) => b.broadcastInDim(row, [4, 2, 3], [2])],
  ],
  "broadcast-units-only": [[(b, { row }) => b.broadcastInDim(row, [1, 3], [1]), (b, { row }) => b.reshape(row, [1, 3])]],
  "broadcast-drops-units": [
    [
      (b, { cube }) => b.broadcastInDim(cube, [2, 1, 4, 3], [0, 1, 3]),
      (b, { cube }) => b.broadcastInDim(b.reshape(cube, [2, 3]), [2, 1, 4, 3], [0, 3]),
    ],
  ],
  "permute-broadcast": [[(b, { row }) => b.permute(spread(b, row), [1, 0]), (b, { row }) => b.broadcastInDim(row, [3, 2], [0])]],
  "reshape-broadcast": [
    [(b, { row }) => b.reshape(spread(b, row), [2, 1, 3]), (b, { row }) => b.broadcastInDim(row, [2, 1, 3], [2])],
    [(b, { row }) => b.reshape(b.broadcastInDim(row, [3, 2, 4], [0]), [3, 8]), (b, { row }) => b.broadcastInDim(row, [3, 8], [0])],
  ],
  "slice-broadcast": [[(b, { row }) => b.slice(spread(b, row), [1, 1], [1, 2]), (b, { row }) => b.reshape(b.slice(row, [1], [2]), [1, 2])]],
  "slice-step-of-one": [[(b, { x }) => b.slice(x, [0, 2], [2, 1], [1, -2]), (b, { x }) => b.slice(x, [0, 2], [2, 1])]],
  "slice-slice": [
    [(b, { x }) => b.slice(b.slice(x, [0, 2], [2, 3], [1, -1]), [0, 0], [2, 2], [1, 2]), (b, { x }) => b.slice(x, [0, 2], [2, 2], [1, -2])],
  ],
  "slice-pad": [
    [(b, { x }) => b.slice(b.pad(x, [0, 2], [0, 1]), [0, 3], [2, 2]), (b, { x }) => b.slice(x, [0, 1], [2, 2])],
    [(b, { x }) => b.slice(b.pad(x, [0, 2], [0, 1]), [0, 0], [2, 2]), (b) => b.splat(0, [2, 2])],
  ],
  "slice-concat": [[(b, { x, y }) => b.slice(b.concat([x, y], 1), [0, 4], [2, 2]), (b, { y }) => b.slice(y, [0, 1], [2, 2])]],
  "pad-pad": [[(b, { row }) => b.pad(b.pad(row, [1], [2]), [3], [0]), (b, { row }) => b.pad(row, [4], [2])]],
  "concat-concat": [[(b, { x, y }) => b.concat([b.concat([x, y], 0), x], 0), (b, { x, y }) => b.concat([x, y, x], 0)]],
  "concat-slices": [[(b, { x }) => b.concat([b.sliceAxis(x, 1, 0, 1), b.sliceAxis(x, 1, 1, 2)], 1), (_, { x }) => x]],
  "add-pads": [
    [(b, { x, y }) => b.add(b.pad(x, [2, 0], zeros(x)), b.pad(y, zeros(y), [2, 0])), (b, { x, y }) => b.concat([y, x], 0)],
    [
      (b, { x, y }) => b.add(b.pad(x, [0, 1], [0, 3]), b.pad(y, [0, 4], zeros(y))),
      (b, { x, y }) => b.pad(b.concat([x, y], 1), [0, 1], [0, 0]),
    ],
  ],
  "map-broadcast": [
    [(b, { row }) => b.exp(b.mul(spread(b, row), 2)), (b, { row }) => spread(b, b.exp(b.mul(row, 2)))],
    [(b, { row }) => b.add(spread(b, row), spread(b, b.exp(row))), (b, { row }) => spread(b, b.add(row, b.exp(row)))],
  ],
  "reduce-reduce": [[(b, { cube }) => b.sum(b.sum(cube, [2]), [0]), (b, { cube }) => b.sum(cube, [0, 2])]],
  "reduce-unit-axes": [[(b, { cube }) => b.reduceMax(cube, [0, 1]), (b, { cube }) => b.reduceMax(b.reshape(cube, [2, 3]), [0])]],
  "reduce-broadcast": [
    [(b, { row }) => b.sum(spread(b, row), [0]), (b, { row }) => b.mul(row, 2)],
    [(b, { row }) => b.reduceMax(spread(b, row)), (b, { row }) => b.reduceMax(row)],
  ],
  "add-self": [[(b, { x }) => b.add(x, x), (b, { x }) => b.mul(x, 2)]],
  "factor-factor": [
    [
      (b, { x, row }) => b.mul(b.mul(x, spread(b, row)), spread(b, b.exp(row))),
      (b, { x, row }) => b.mul(x, spread(b, b.mul(row, b.exp(row)))),
    ],
    [(b, { x, row }) => b.mul(b.mul(spread(b, row), x), 3), (b, { x, row }) => b.mul(x, spread(b, b.mul(row, 3)))],
  ],
  "sum-centred": [
    [(b, { x }) => b.sum(b.sub(x, b.spreadBack(b.mean(x, [1]), x, [1])), [1]), (b) => b.splat(0, [2])],
    [(b, { x, row }) => b.sum(b.mul(b.sub(x, spread(b, b.mean(x, [0]))), spread(b, row)), [0]), (b) => b.splat(0, [3])],
  ],
  "sum-factor": [
    [(b, { x }) => b.sum(b.mul(x, 3), [1]), (b, { x }) => b.mul(b.sum(x, [1]), 3)],
    [(b, { x }) => b.sum(b.neg(x), [1]), (b, { x }) => b.neg(b.sum(x, [1]))],
    [(b, { x, y, row }) => b.sum(b.mul(b.mul(x, spread(b, row)), y), [0]), (b, { x, y, row }) => b.mul(b.sum(b.mul(x, y), [0]), row)],
    [(b, { x, row }) => b.sum(b.mul(x, spread(b, row)), [1]), (b, { x, row }) => b.sum(b.mul(x, spread(b, row)), [1])],
  ],
  "sum-terms": [
    [
      (b, { x, y, row }) => b.sum(b.add(b.mul(x, spread(b, row)), b.mul(y, 3)), [0]),
      (b, { x, y, row }) => b.add(b.mul(b.sum(x, [0]), row), b.mul(b.sum(y, [0]), 3)),
    ],
    [(b, { x, y }) => b.sum(b.sub(x, y), [0]), (b, { x, y }) => b.sum(b.sub(x, y), [0])],
  ],
  "reduce-permuted": [[(b, { x }) => b.sum(b.permute(x, [1, 0]), [0]), (b, { x }) => b.sum(x, [1])]],
  "reduce-all-reshaped": [[(b, { x }) => b.sum(b.reshape(x, [6])), (b, { x }) => b.sum(x)]],
  "argmax-unit-axis": [[(b, { cube }) => b.argmax(cube, 1), (b) => b.splat(0, [2, 3], "i32")]],
  "dot-permuted": [
    [(b, { x, y }) => b.matmul(x, b.permute(y, [1, 0])), (b, { x, y }) => b.dot(x, y, { contractA: [1], contractB: [1] })],
    [(b, { x, y }) => b.matmul(b.permute(x, [1, 0]), y), (b, { x, y }) => b.dot(x, y, { contractA: [0], contractB: [0] })],
  ],
};

describe("rules", () => {
  test.each(simplifyRules.map((r) => [r.name, r] as const))("%s", (name, rule) => {
    expect(examples[name], `rule '${name}' has no example`).toBeDefined();
    const fired = new Set<Rule>();
    for (const [before, after] of examples[name]!) {
      const b = new Builder();
      const plain = graphOf([before(b, inputsOf(b))]);
      const simple = simplify(plain, new Simplifier({ onRewrite: (r) => fired.add(r) }));
      const c = new Builder();
      expect(printGraph(simple)).toBe(printGraph(graphOf([after(c, inputsOf(c))])));
      const [p, q] = [evaluate(plain, arrays), evaluate(simple, arrays)];
      expect(largestError(q.r0!.data, p.r0!.data)).toBeLessThan(1e-12);
    }
    expect(fired.has(rule), `rule '${name}' never fired`).toBe(true);
  });

  test("have unlike names", () => {
    const names = [...simplifyRules, ...markerRules].map((r) => r.name);
    expect(new Set(names).size).toBe(names.length);
  });

  test("can be chosen, so that a fault can be found by halving", () => {
    const b = new Builder();
    const { x } = inputsOf(b);
    const graph = graphOf([b.add(b.mul(x, 1), 0)]);
    const only = simplifyRules.filter((r) => r.name === "add-zero");
    expect(printGraph(simplify(graph, new Simplifier({ rules: only })))).toBe(printGraph(graphOf([b.mul(x, 1)])));
  });
});

describe("simplify", () => {
  test("leaves its input alone, and what no result needs behind", () => {
    const b = new Builder();
    const { x } = inputsOf(b);
    const graph = graphOf([b.add(b.mul(x, 2), 0)]);
    b.exp(x);
    const text = printGraph(graph);
    const simple = simplify(graph);
    expect(printGraph(graph)).toBe(text);
    expect(printGraph(simple)).not.toContain("exp");
  });

  test("makes equal values one", () => {
    const b = new Builder();
    const { x, y } = inputsOf(b);
    const simple = simplify(graphOf([b.add(x, b.neg(y)), b.sub(x, y)]));
    expect(simple.results[0]!.value).toBe(simple.results[1]!.value);
  });

  test("passes origins and axis names on to what replaces a value", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3]);
    const inner = b.withOrigin({ span: { file: "a.ada", start: 1, end: 2 } }, () => b.exp(x));
    const outer = b.withOrigin({ span: { file: "a.ada", start: 3, end: 4 } }, () =>
      b.make("mul", [inner, b.splat(1, [2, 3])], {}, { labels: ["rows", "columns"] }),
    );
    const { value } = simplify(graphOf([outer])).results[0]!;
    expect(value.op).toBe("exp");
    expect(value.origins.map((o) => o.span.start)).toEqual([1, 3]);
    expect(value.labels).toEqual(["rows", "columns"]);
  });

  test("strips markers", () => {
    const b = new Builder();
    const { x } = inputsOf(b);
    const graph = graphOf([b.exp(b.stop(b.save(b.tap(b.gradScale(x, 2), "t"), "s")))]);
    expect(printGraph(stripMarkers(graph))).toBe(printGraph(rebuild(graphOf([b.exp(x)]), new Builder())));
  });

  test("many values in one walk: twice as many take twice the work", () => {
    class Counting extends Simplifier {
      made = 0;
      override make(...args: Parameters<Simplifier["make"]>): Value {
        this.made++;
        return super.make(...args);
      }
    }
    const worked = (links: number): number => {
      const b = new Builder();
      const { row } = inputsOf(b);
      let x = inputsOf(b).x;
      for (let i = 0; i < links; i++) x = b.add(b.mul(b.tanh(x), spread(b, b.add(row, i))), b.mul(x, 0.5));
      const simplifier = new Counting();
      simplify(graphOf([x]), simplifier);
      expect(simplifier.made).toBeLessThan(4 * b.size);
      return simplifier.made;
    };
    expect(worked(2500) / worked(1250)).toBeLessThan(2.05);
  });
});
