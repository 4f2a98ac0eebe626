import type { EvaluatePlan, Plan, PlanTarget } from "../../compiler/plan/plan.ts";
import { dispatch, noFigures, range } from "./linearRegression.ts";

const pixels = 4;

/** Each picture times its model's weight: rows that can be compared. */
const embedKernel = (batch: number) => /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read_write> id: array<f32>;
@compute @workgroup_size(1) fn main() {
  for (var i = 0; i < ${batch * pixels}; i++) { id[i] = x[i] * p[i % ${pixels}]; }
}`;

/** An evaluation of what `linearRegression` trains, by hand. */
export function regressionEvaluation(
  target: PlanTarget,
  batch = 4,
  from: string | null = "regression",
): Plan & { readonly program: EvaluatePlan } {
  const bytes = batch * pixels * 4;
  return {
    format: 1,
    compiler: "by hand",
    target,
    kernels: [{ id: "embed", name: "embed", wgsl: embedKernel(batch), bindings: ["read", "read", "readWrite"] }],
    buffers: [
      { id: 0, name: "params", bytes: 32, use: "persistent" },
      { id: 1, name: "face.image", bytes, use: "input" },
      { id: 2, name: "id", bytes, use: "output" },
    ],
    legs: [
      { name: "init", inputs: [], ops: [{ kind: "clear", target: range(0, 32) }], outputs: [], figures: noFigures },
      {
        name: "evaluate",
        inputs: [{ name: "face.image", at: range(1, bytes), dtype: "f32", shape: [batch, 1, 2, 2] }],
        ops: [dispatch(0, [range(1, bytes), range(0, 16), range(2, bytes)], "embed")],
        outputs: [{ name: "collect.id", at: range(2, bytes), dtype: "f32", shape: [batch, pixels] }],
        figures: noFigures,
      },
    ],
    uniforms: [],
    program: {
      kind: "evaluate",
      name: "held_out",
      sourceHash: "e".repeat(64),
      batch,
      seed: 1,
      leg: "evaluate",
      initLeg: "init",
      stored: [{ key: "model.weight", role: "param", shape: [4], dtype: "f32", at: range(0, 16) }],
      dataset: {
        setting: "face",
        spec: {
          name: "faces",
          source: { root: "faces", perSubject: true, files: "*.png", skip: null, first: null, onBroken: "skip" },
          order: "shuffled",
          fields: [
            { name: "image", kind: "image", channels: 1, height: 2, width: 2, range: [0, 1], file: "image" },
            { name: "subject", kind: "subjectIndex" },
          ],
        },
      },
      models: [{ name: "model", module: "Linear", mode: "frozen", from }],
      measures: [
        {
          name: "auc",
          metric: "verification",
          args: [
            { kind: "collected", name: "id" },
            { kind: "field", name: "subject" },
          ],
        },
      ],
      report: "held_out.json",
    },
  };
}
