import { afterAll, beforeAll, expect, it } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import { vjp } from "../../compiler/autodiff.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import { graphInputs } from "../../compiler/ir/walk.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";

// Attention and its gradients on the device equal the f64 body, at the head sizes of real networks and lengths that no tile divides.

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(`${result.reason} ${result.help}`);
  opened = result;
});
afterAll(() => opened?.close());

/** Numbers within ±1. */
function numbersFor(v: Value): NdArray {
  const size = v.shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: size }, (_, i) => Math.fround(Math.sin(i * 12.9898 + v.id * 7.1)));
  return { dtype: v.dtype, shape: v.shape, data };
}

const cases: readonly (readonly [heads: number, queries: number, keys: number, width: number, mask: "none" | "full" | "causal"])[] = [
  [2, 64, 77, 40, "none"],
  [3, 33, 2 * 33, 64, "causal"],
  [1, 20, 31, 80, "full"],
  [1, 17, 19, 160, "none"],
  [2, 1, 1, 4, "none"],
  [5, 50, 3, 7, "full"],
];

it.each(cases)("%i heads, %i queries, %i keys of %i, mask %s", async (heads, queries, keys, width, kind) => {
  const b = new Builder();
  const operand = (name: string, length: number): Value =>
    b.permute(b.reshape(b.input(name, [length, heads * width]), [length, heads, width]), [1, 0, 2]);
  const args = [operand("q", queries), operand("k", keys), operand("v", keys)];
  const scores = [heads, queries, keys];
  const later = (): Value => b.lt(b.iotaAlong(scores, 1), b.idiv(b.iotaAlong(scores, 2), Math.ceil(keys / queries)));
  const mask = {
    none: () => [],
    full: () => [b.input("mask", scores)],
    causal: () => [b.where(later(), Number.NEGATIVE_INFINITY, b.splat(0, scores))],
  }[kind]();
  const out = b.make("attend", [...args, ...mask], { part: "out", scale: width ** -0.5 });
  const g = b.input("g", out.shape);
  const results = [out, ...vjp(b, [out], [g], args)].map((value, i) => ({ name: ["out", "q", "k", "v"][i]!, value }));
  const graph: Graph = { name: "attention", results };
  const inputs = Object.fromEntries(graphInputs(graph).map((v) => [v.attrs.name, numbersFor(v)]));
  const expected = evaluate(graph, inputs);
  const device = await DeviceGraph.create(opened, graph, []);
  const actual = await device.run(inputs);
  device.dispose();
  for (const { name } of results) {
    const want = expected[name]!.data;
    // Terms are of size 1; with one key the gradient of the scores is what is left of terms that cancel.
    const scale = want.reduce((m, x) => Math.max(m, Math.abs(x)), 0.2);
    const worst = want.reduce((m, x, i) => {
      const d = Math.abs(actual[name]!.data[i]! - x) / scale;
      return Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(m, d);
    }, 0);
    expect(worst, name).toBeLessThan(5e-5);
  }
});
