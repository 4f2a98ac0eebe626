import path from "node:path";
import { describe, expect, it } from "vitest";
import { checkFully } from "../dsl/check/index.ts";
import { loadProgram } from "../dsl/program.ts";
import { diskHost, packageRoot } from "../dsl/source.ts";
import { vjp } from "./autodiff.ts";
import { compileEvaluate, compileGraph, compileTrain } from "./compile.ts";
import { elaborateEvaluate, elaborateFunction, elaborateOptimizerAlone, elaborateTrain } from "./elaborate/index.ts";
import { programOf } from "./elaborate/testing.ts";
import type { Plan, PlanOp, PlanTarget } from "./plan/plan.ts";

// Structural figures: a regression in fusion, layout or memory is a failing number here, with no device.

const target: PlanTarget = {
  adapterClass: "cpu-subgroups",
  subgroupSize: 4,
  textureOperands: false,
  shaderF16: false,
  features: [],
  maxStorageBuffers: 10,
  maxBindingBytes: 1 << 27,
  offsetAlignment: 256,
  maxWorkgroupsPerDimension: 65535,
};
const dispatches = (plan: Plan, leg: string): Extract<PlanOp, { kind: "dispatch" }>[] =>
  plan.legs.find((l) => l.name === leg)!.ops.filter((op): op is Extract<PlanOp, { kind: "dispatch" }> => op.kind === "dispatch");

/** Kernels of a function of the standard library, and of its gradient. */
function kernels(
  text: string,
  args: readonly { readonly name: string; readonly shape: readonly number[]; readonly axes: readonly string[] }[],
): { forward: number; backward: number } {
  const { program, resolution } = programOf(text);
  const made = elaborateFunction(program, resolution, "f", [...args]);
  if (!made.ok) throw new Error(made.diagnostics.map((d) => d.message).join());
  const { builder, graph, uniforms } = made.value;
  const forward = compileGraph(graph, uniforms, target);
  const result = graph.results[0]!.value;
  const wrt = args.map((a) => builder.input(a.name, a.shape, { role: "data" }));
  const grads = vjp(builder, [result], [builder.input("cotangent", result.shape, { role: "grad" })], wrt);
  const backward = compileGraph({ name: "g", results: grads.map((value, i) => ({ name: `g${i}`, value })) }, uniforms, target);
  return { forward: dispatches(forward, "main").length, backward: dispatches(backward, "main").length };
}

describe("dispatches", () => {
  it("of row-wise functions: one kernel", () => {
    const rows = [{ name: "x", shape: [256, 96], axes: ["row", "c"] }];
    expect(kernels("fn f(x: real[row, c]) -> real[row, c] { return softmax(x, over: c) }", rows).forward).toBe(1);
    const norm = `import { standardize } from "std/nn.ada"\nfn f(x: real[row, c], w: real[c], b: real[c]) -> real[row, c] { return standardize(x, over: c, eps: 1e-5) * w + b }`;
    const layer = kernels(norm, [...rows, { name: "w", shape: [96], axes: ["c"] }, { name: "b", shape: [96], axes: ["c"] }]);
    expect(layer.forward).toBe(1);
    expect(layer.backward).toBeLessThanOrEqual(6);
  });
  it("of a linear layer with an activation: the product takes it over", () => {
    const text = `import { silu } from "std/nn.ada"\nfn f(x: real[row, k], w: real[k, n], b: real[n]) -> real[row, n] { return silu(dot(x, w, over: k) + b) }`;
    const made = kernels(text, [
      { name: "x", shape: [64, 32], axes: ["row", "k"] },
      { name: "w", shape: [32, 48], axes: ["k", "n"] },
      { name: "b", shape: [48], axes: ["n"] },
    ]);
    expect(made.forward).toBe(1);
  });
  it.each([
    ["adamw", {}, 2],
    ["prodigy", {}, 6],
    ["prodigy", { use_bias_correction: true }, 6],
    ["prodigy", { use_bias_correction: true, safeguard_warmup: true, growth_rate: 1.02 }, 6],
  ] as const)("of %s %o for a whole model: at most %i", (name, settings, most) => {
    const { program, resolution } = programOf(`import { adamw, prodigy } from "std/optim.ada"`);
    const made = elaborateOptimizerAlone(program, resolution, name, { weight_decay: 0.01, ...settings }, 1 << 16);
    if (!made.ok) throw new Error(made.diagnostics.map((d) => d.message).join());
    const plan = compileGraph(made.value.optimizer.graph, made.value.uniforms, target);
    expect(dispatches(plan, "main").length).toBeLessThanOrEqual(most);
  });
});

describe("the quickstart", () => {
  const file = path.join(packageRoot(), "pipelines", "quickstart.ada");
  const checked = checkFully(loadProgram(file, diskHost(packageRoot())));
  const made = elaborateTrain(checked.program, checked.resolution, "quickstart", {});
  if (!made.ok) throw new Error(made.diagnostics.map((d) => d.message).join());
  const plan = compileTrain(made.value, "hash", target);
  const step = plan.legs.find((l) => l.name === "recognise.first")!;

  it("trains with few kernels in little memory", () => {
    expect(dispatches(plan, "recognise.first").length).toBeLessThanOrEqual(170);
    expect(dispatches(plan, "update").length).toBeLessThanOrEqual(4);
    expect(plan.kernels.length).toBeLessThanOrEqual(155);
    expect(step.figures.peakBytes / step.figures.liveBytes).toBeLessThanOrEqual(1.1);
  });
  it("updates parameters and moments where they lie", () => {
    const update = plan.legs.find((l) => l.name === "update")!;
    expect(update.ops.filter((op) => op.kind === "copy")).toEqual([]);
  });
  it("keeps each parameter, state and moment by its key", () => {
    if (plan.program.kind !== "train") throw new Error("a train plan");
    const keys = plan.program.stored.map((s) => s.key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toContain("recogniser.layer.0.0.conv1.weight");
    expect(keys).toContain("optimizer.m/recogniser.layer.0.0.conv1.weight");
    expect(keys).toContain("recogniser.bn1.running_mean");
  });
  it("adds up gradients over micro-steps in a leg of its own", () => {
    const twice = elaborateTrain(checked.program, checked.resolution, "quickstart", { "quickstart.batch": "8" });
    if (!twice.ok) throw new Error(twice.diagnostics.map((d) => d.message).join());
    const accumulated = compileTrain(
      { ...twice.value, settings: { ...twice.value.settings, accumulate: { count: 2, by: "mean" } } },
      "hash",
      target,
    );
    expect(accumulated.legs.map((l) => l.name)).toEqual(["init", "recognise.first", "recognise.next", "update"]);
  });
  it("evaluates with running statistics", () => {
    const held = elaborateEvaluate(checked.program, checked.resolution, "held_out", {});
    if (!held.ok) throw new Error(held.diagnostics.map((d) => d.message).join());
    const evaluation = compileEvaluate(held.value, "hash", target);
    expect(evaluation.legs.map((l) => l.name)).toEqual(["init", "main"]);
    expect(dispatches(evaluation, "main").length).toBeLessThanOrEqual(45);
  });
});
