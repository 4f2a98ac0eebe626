import { describe, expect, test } from "vitest";
import type { PrecisionPolicy } from "../dsl/precision.ts";
import { eightLanes, fourLanes } from "../test/targets.ts";
import { type CompileOptions, compileGraph } from "./compile.ts";
import { cluster } from "./fuse/cluster.ts";
import { Builder } from "./ir/builder.ts";
import { printGraph } from "./ir/print.ts";
import type { Graph, Value } from "./ir/value.ts";
import { graphValues } from "./ir/walk.ts";
import type { Plan, PlanTarget } from "./plan/plan.ts";
import { applyPrecision, isNarrowing } from "./precision.ts";

const half: PrecisionPolicy = { frozen: "f16", compute: "f16", gradients: "f32", products: "f32" };
const graphOf = (results: Readonly<Record<string, Value>>): Graph => ({
  name: "g",
  results: Object.entries(results).map(([name, value]) => ({ name, value })),
});
function precise(graph: Graph, policy: PrecisionPolicy, frozen: readonly string[] = []): Graph {
  const stored = cluster(graph, { fuse: true, maxBuffers: 8, maxBytes: 2 ** 27, adapterClass: "cpu" }).stored;
  return applyPrecision(graph, { policy, frozen: new Set(frozen), backward: (name) => name.startsWith("grad.") }, stored);
}
/** What is rounded, by what makes it. */
const roundings = (graph: Graph): string[] => graphValues(graph).flatMap((v) => (isNarrowing(v) ? [v.args[0]!.op] : []));

describe("the precision pass", () => {
  const b = new Builder();
  const x = b.input("x", [8, 16]);
  const w = b.input("w", [16, 32], { role: "param" });
  const v = b.input("v", [32, 4], { role: "param" });
  const hidden = b.tanh(b.matmul(x, w));

  test("rounds what lies between kernels of a forward pass, once, and no result", () => {
    expect(roundings(precise(graphOf({ out: b.matmul(hidden, v) }), half))).toEqual(["tanh"]);
    expect(roundings(precise(graphOf({ out: b.matmul(hidden, v) }), { ...half, compute: "f32" }))).toEqual([]);
  });
  test("leaves what is made of reductions, parameters and host numbers alone", () => {
    const logits = b.matmul(hidden, v);
    const largest = b.reduceMax(logits, [1]);
    const total = b.sum(b.exp(b.sub(logits, b.broadcastInDim(largest, [8, 4], [0]))), [1]);
    const rate = b.input("rate", [], { role: "uniform" });
    const decayed = b.mul(b.exp(b.mul(v, 0.5)), b.broadcastInDim(b.exp(rate), v.shape, []));
    const loss = b.sum(b.add(b.log(total), largest));
    expect(
      roundings(precise(graphOf({ loss, extra: b.matmul(b.matmul(hidden, decayed), b.permute(decayed, [1, 0])) }), half)).sort(),
    ).toEqual(["dot", "dot", "tanh"].sort());
  });
  test("tells cotangents from activations", () => {
    const g = b.input("g", [8, 4]);
    const back = b.dot(g, v, { contractA: [1], contractB: [1] });
    const both = b.mul(back, b.sub(1, b.mul(hidden, hidden)));
    const graph = graphOf({ out: b.matmul(hidden, v), "grad.w": b.dot(x, both, { contractA: [0], contractB: [0] }) });
    expect(roundings(precise(graph, half))).toEqual(["tanh"]);
    expect(roundings(precise(graph, { ...half, gradients: "f16" })).sort()).toEqual(["mul", "tanh"]);
  });
  test("reads frozen parameters as f16, and moves the narrow value", () => {
    const text = printGraph(precise(graphOf({ out: b.matmul(x, b.permute(b.reshape(w, [32, 16]), [1, 0])) }), half, ["w"]));
    expect(text).toContain('f16[16, 32] = input {name: "w"');
    expect(text).toMatch(/f16\[16, 32\] = permute/);
    expect(text.match(/cast/g)).toHaveLength(1);
  });
});

describe("16-bit storage halves", () => {
  const network = (weights: "f32" | "f16"): Graph => {
    const b = new Builder();
    let x: Value = b.conv(b.input("x", [4, 4, 32, 32]), b.input("first", [32, 4, 1, 1], { role: "param" }));
    for (let i = 0; i < 3; i++) {
      const w = b.cast(b.input(`w${i}`, [32, 32, 3, 3], { role: "param", dtype: weights }), "f32");
      x = b.max(b.conv(x, w, { padLow: [1, 1], padHigh: [1, 1] }), 0);
    }
    return graphOf({ out: b.sum(x) });
  };
  const bytes = (plan: Plan): { peak: number; between: number } => {
    const { figures, ops } = plan.legs[0]!;
    const slots = new Set(plan.buffers.filter((s) => s.use === "slot").map((s) => s.id));
    const between = ops.flatMap((op) => (op.kind === "dispatch" ? op.bindings : [])).filter((at) => slots.has(at.buffer));
    return { peak: figures.peakBytes, between: between.reduce((sum, at) => sum + at.bytes, 0) };
  };
  const compile = (target: PlanTarget, options: CompileOptions = {}): Plan =>
    compileGraph(network(options.precision ? "f16" : "f32"), [], target, options);

  test.each([
    ["native", { ...eightLanes, shaderF16: true }],
    ["packed", fourLanes],
  ] as const)("what lies between kernels, %s", (_, target) => {
    const wide = bytes(compile(target));
    const narrow = bytes(compile(target, { precision: half }));
    expect(narrow.peak / wide.peak).toBeLessThan(0.55);
    expect(narrow.between / wide.between).toBeLessThan(0.55);
  });
  test("and says which features it needs", () => {
    const plan = compile({ ...eightLanes, shaderF16: true }, { precision: half });
    expect(plan.target.features).toContain("shader-f16");
    expect(plan.kernels.some((k) => k.wgsl.startsWith("enable subgroups;\nenable f16;"))).toBe(true);
    expect(compile(fourLanes, { precision: half }).target.features).not.toContain("shader-f16");
    expect(compile({ ...eightLanes, shaderF16: true }).target.features).not.toContain("shader-f16");
  });
});

describe("products of f16 operands", () => {
  const b = new Builder();
  const stored = (name: string, shape: readonly number[]) => b.cast(b.cast(b.input(name, shape), "f16"), "f32");
  const graph = graphOf({ out: b.matmul(stored("x", [8, 16]), stored("w", [16, 32])) });
  const texts = (products: "f32" | "f16", target: PlanTarget): string =>
    compileGraph(graph, [], target, { precision: { frozen: "f32", compute: "f32", gradients: "f32", products } })
      .kernels.map((kernel) => kernel.wgsl)
      .join("");

  test("are taken in f16 only where it is asked for and the adapter can", () => {
    const native = { ...eightLanes, shaderF16: true };
    const product = /vec4f\(vec4<f16>\(.*\) \* vec4<f16>\(.*\)\)/;
    expect(texts("f16", native)).toMatch(product);
    expect(texts("f16", native)).toContain("enable f16;");
    expect(texts("f32", native)).not.toMatch(product);
    expect(texts("f16", { ...eightLanes, shaderF16: false })).not.toContain("f16>");
  });
});
