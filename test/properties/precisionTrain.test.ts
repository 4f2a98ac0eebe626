import { describe, expect, it } from "vitest";
import { gradient } from "../../compiler/autodiff.ts";
import { compileTrain } from "../../compiler/compile.ts";
import { uniformArrays } from "../../compiler/elaborate/testing.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { graphInputs } from "../../compiler/ir/walk.ts";
import { halfBytes, roundToHalf } from "../../compiler/plan/half.ts";
import type { PlanOp, StoredTensor } from "../../compiler/plan/plan.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { array } from "../../compiler/reference/ndarray.ts";
import type { TileKernel } from "../../compiler/tile/tile.ts";
import { toWrittenOrder } from "../../runtime/execute/axisOrder.ts";
import { PlanMemory } from "../interpretPlan.ts";
import { eightLanes, fourLanes } from "../targets.ts";
import { full, made } from "./precisionProgram.ts";

// A train block with a precision: frozen parameters lie as f16 and start there rounded, whatever their shape; master parameters, gradients
// and optimiser states are f32; the loss and the gradients are those of the f32 program, loosely.

/** A tensor's numbers in the order of its shape, as files hold them. */
const written = (tensor: Pick<StoredTensor, "shape" | "order">, lying: NdArray): NdArray => ({
  ...lying,
  data: toWrittenOrder(tensor, lying.data as Float64Array),
});

function difference(actual: NdArray, expected: NdArray): number {
  const scale = expected.data.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-6);
  return expected.data.reduce((m, x, i) => {
    const d = Math.abs(actual.data[i]! - x) / scale;
    return Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(m, d);
  }, 0);
}

describe("a precision in the language", () => {
  it("is that of the block, of the file, or of the command line", () => {
    expect(made("").precision).toEqual({ frozen: "f32", compute: "f32", gradients: "f32", products: "f32" });
    expect(made(full).precision).toEqual({ frozen: "f16", compute: "f16", gradients: "f32", products: "f32" });
    expect(made(full, "other").precision).toEqual({ frozen: "f32", compute: "f16", gradients: "f16", products: "f32" });
    expect(made(full, "small", { "precision.compute": "f32" }).precision).toEqual({
      frozen: "f16",
      compute: "f32",
      gradients: "f32",
      products: "f32",
    });
  });
  it.each([
    ["precision { trained: f16 }", "elaborate/bad-setting: `trained` cannot be set to this: it is always f32"],
    ["precision { compute: f16 }\nprecision { compute: f32 }", "name/duplicate: `precision` is defined twice"],
  ])("%s is refused", (precision, message) => {
    expect(() => made(precision)).toThrow(message);
  });
  it("is refused on the command line when it is none", () => {
    expect(() => made("", "small", { "precision.compute": "f64" })).toThrow("`f32` or `f16` is wanted");
    expect(() => made("", "small", { "precision.fast": "f16" })).toThrow("nothing can be set that is called `precision.fast`");
  });
});

it.each([
  ["native", { ...eightLanes, shaderF16: true }],
  ["packed", fourLanes],
  ["packed, in windows", { ...fourLanes, maxBindingBytes: 512, offsetAlignment: 32 }],
])("a train plan with f16 storage, %s, does what the graphs say", (_, target) => {
  const train = made(full);
  const kernels = new Map<PlanOp, TileKernel>();
  const plan = compileTrain(train, "hash", target, { onKernel: (op, kernel) => kernels.set(op, kernel) });
  if (plan.program.kind !== "train") throw new Error("internal: a train plan");
  const { stored, steps } = plan.program;
  const dtypes = new Map(stored.map((s) => [s.key, s.dtype]));
  for (const leaf of train.leaves) expect(dtypes.get(leaf.key)).toBe(leaf.trained ? "f32" : "f16");
  for (const s of stored.filter((s) => s.dtype === "f16")) expect(s.at.bytes).toBe(halfBytes(s.shape.reduce((a, b) => a * b, 1)));
  expect(stored.filter((s) => s.role === "optimizer").every((s) => s.dtype === "f32")).toBe(true);

  const memory = new PlanMemory(plan, kernels);
  const at = { seed: 5, microStep: 0, update: 0, progress: 0 };
  memory.setUniforms(at);
  memory.run("init");
  const starts = evaluate(
    { name: "init", results: train.leaves.map((l) => ({ name: l.path, value: l.init })) },
    uniformArrays(train.uniforms, at),
  );
  const leaves: Record<string, NdArray> = {};
  for (const leaf of train.leaves) {
    const s = stored.find((candidate) => candidate.key === leaf.key)!;
    const value = written(s, memory.read(s.at, s.dtype, s.shape));
    if (s.dtype === "f16") for (const x of value.data) expect(roundToHalf(x)).toBe(x);
    expect(difference(value, starts[leaf.path]!), leaf.path).toBeLessThan(s.dtype === "f16" ? 1e-3 : 1e-5);
    leaves[leaf.path] = { ...value, dtype: "f32" };
  }
  const { graph } = train.steps[0]!.alternatives[0]!;
  const wanted = train.arena.slices.map((s) => graphInputs(graph).find((v) => v.attrs.name === s.path)!);
  const loss = graph.results.find((r) => r.name === "loss")!.value;
  const gradients = gradient(train.builder, loss, wanted).map((value, i) => ({ name: `grad.${train.arena.slices[i]!.path}`, value }));
  const leg = plan.legs.find((l) => l.name === steps[0]!.alternatives[0]!.first)!;
  const given = Object.fromEntries(
    leg.inputs.map((v) => {
      const data = Array.from({ length: v.shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.fround(Math.sin(i * 1.7)));
      return [v.name, array(v.shape, data)];
    }),
  );
  for (const input of leg.inputs) memory.write(input.at, given[input.name]!);
  const expected = evaluate(
    { name: "step", results: [...graph.results, ...gradients] },
    { ...leaves, ...given, ...uniformArrays(train.uniforms, at) },
  );
  memory.run(leg.name);
  const output = leg.outputs.find((o) => o.name === "loss")!;
  expect(difference(memory.read(output.at, "f32", []), expected.loss!)).toBeLessThan(5e-3);
  const grads = plan.buffers.find((b) => b.name === "grads")!;
  const whole = memory.read({ buffer: grads.id, offset: 0, bytes: 4 * train.arena.size }, "f32", [train.arena.size]);
  let rounded = 0;
  for (const slice of train.arena.slices) {
    const place = stored.find((s) => s.key === train.leaves.find((l) => l.path === slice.path)!.key)!;
    const actual = written(place, { ...whole, data: whole.data.slice(slice.offset, slice.offset + slice.size) });
    const d = difference(actual, expected[`grad.${slice.path}`]!);
    expect(d, slice.path).toBeLessThan(1e-2);
    rounded = Math.max(rounded, d);
  }
  expect(rounded).toBeGreaterThan(1e-5); // f16 was stored on the way
});
