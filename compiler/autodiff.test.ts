import { describe, expect, test } from "vitest";
import { gradient, vjp } from "./autodiff.ts";
import { Builder } from "./ir/builder.ts";
import { printGraph } from "./ir/print.ts";
import type { Value } from "./ir/value.ts";
import { topologicalOrder } from "./ir/walk.ts";
import { centralDifferences, graphOf, largestError } from "./reference/differences.ts";
import { evaluateValues } from "./reference/evaluate.ts";
import { array } from "./reference/ndarray.ts";

const waves = (count: number) => Array.from({ length: count }, (_, i) => Math.sin(i * 7.13 + 0.3));

describe("autodiff", () => {
  test("a small network equals finite differences", () => {
    const b = new Builder();
    const x = b.input("x", [3, 4]);
    const w = b.input("w", [4, 5]);
    const v = b.input("v", [5, 2]);
    const target = b.input("target", [3], { dtype: "i32" });
    const hidden = b.tanh(b.matmul(x, w));
    const logits = b.matmul(hidden, v);
    const shifted = b.sub(logits, b.spreadBack(b.stop(b.reduceMax(logits, [1])), logits, [1]));
    const logSum = b.log(b.sum(b.exp(shifted), [1]));
    const picked = b.sum(b.where(b.eq(b.broadcastInDim(target, [3, 2], [0]), b.iotaAlong([3, 2], 1)), shifted, 0), [1]);
    const loss = b.mean(b.sub(logSum, picked));
    const inputs = {
      x: array([3, 4], waves(12)),
      w: array([4, 5], waves(20)),
      v: array([5, 2], waves(10)),
      target: array([3], [0, 1, 1], "i32"),
    };
    const grads = evaluateValues(gradient(b, loss, [x, w, v]), inputs);
    (["x", "w", "v"] as const).forEach((name, i) => {
      expect(largestError(grads[i]!.data, centralDifferences(loss, inputs, name))).toBeLessThan(1e-9);
    });
  });

  test("frozen parts get no cotangents", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3]);
    const frozen = b.input("frozen", [3, 3]);
    const w = b.input("w", [3, 3]);
    const loss = b.sum(b.matmul(b.exp(b.matmul(x, frozen)), w));
    const [g] = gradient(b, loss, [w]);
    // Only the weight gradient's dot is new: exp and the frozen product are not differentiated.
    const forward = new Set(topologicalOrder([loss]));
    const made = topologicalOrder([g!]).filter((v) => !forward.has(v) && v.op !== "const");
    expect(made.map((v) => v.op).sort()).toEqual(["broadcast", "dot"]);
  });

  test("what the loss does not depend on has gradient 0", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    const y = b.input("y", [3]);
    const [gx, gy] = gradient(b, b.sum(b.mul(b.stop(x), b.cast(b.cast(x, "i32"), "f32"))), [x, y]);
    expect([gx, gy]).toEqual([b.splat(0, [2]), b.splat(0, [3])]);
  });

  test("a wanted value may lie inside, and above another", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    const y = b.mul(x, 3);
    const [gx, gy] = evaluateValues(gradient(b, b.sum(b.mul(y, y)), [x, y]), { x: array([2], [1, 2]) });
    expect([...gx!.data]).toEqual([18, 36]);
    expect([...gy!.data]).toEqual([6, 12]);
  });

  test("vjp takes several outputs and their cotangents", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    const [g] = vjp(b, [b.mul(x, 2), b.mul(x, x), x], [b.splat(1, [2]), b.splat(10, [2]), b.splat(100, [2])], [x]);
    expect([...evaluateValues([g!], { x: array([2], [1, 2]) })[0]!.data]).toEqual([122, 142]);
  });

  test("second derivatives come the same way", () => {
    const b = new Builder();
    const x = b.input("x", [3]);
    const [first] = gradient(b, b.sum(b.sin(b.mul(x, x))), [x]);
    const [second] = gradient(b, b.sum(first!), [x]);
    const at = waves(3);
    const expected = at.map((e) => 2 * Math.cos(e * e) - 4 * e * e * Math.sin(e * e));
    expect(largestError(evaluateValues([second!], { x: array([3], at) })[0]!.data, expected)).toBeLessThan(1e-12);
  });

  test("gradients keep the origin of the value that they come from", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    const origin = { span: { file: "net.ada", start: 3, end: 8 } };
    const y = b.withOrigin(origin, () => b.exp(x));
    const [g] = gradient(b, b.sum(y), [x]);
    expect(g!.origins).toEqual([origin]);
  });

  test("the result is the same in every run", () => {
    const once = () => {
      const b = new Builder();
      const x = b.input("x", [2, 2]);
      const y = b.add(b.mul(x, b.permute(x, [1, 0])), b.exp(x));
      return printGraph(graphOf(gradient(b, b.sum(b.mul(y, y)), [x])));
    };
    expect(once()).toBe(once());
  });

  test("fifty thousand values in a row do not overflow the stack", () => {
    const b = new Builder();
    const x = b.input("x", []);
    let y: Value = x;
    for (let i = 0; i < 50_000; i++) y = b.sin(y);
    expect(evaluateValues(gradient(b, y, [x]), { x: array([], [0]) })[0]!.data[0]).toBe(1);
  });

  test("refuses what it cannot mean", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    expect(() => gradient(b, x, [x])).toThrow("internal: autodiff: the loss is f32[2], f32[] wanted");
    expect(() => gradient(b, b.sum(x), [b.input("i", [2], { dtype: "i32" })])).toThrow(
      "internal: autodiff: a derivative with respect to i32[2]",
    );
    expect(() => vjp(b, [x], [b.splat(1, [3])], [x])).toThrow("gives the cotangent f32[3] to f32[2]");
  });
});
