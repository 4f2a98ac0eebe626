import type { Plan, PlanBinding, PlanOp, PlanTarget, TrainPlan } from "../../compiler/plan/plan.ts";
import type { AdapterFacts } from "../../runtime/device/openDevice.ts";

// Plans written by hand, for tests of the runtime alone: kernels of a few lines, one per thing the runtime must do.

/** What an adapter offers, as a plan's target. */
export function targetOf(adapter: AdapterFacts): PlanTarget {
  return {
    adapterClass: adapter.adapterClass,
    subgroupSize: null,
    textureOperands: true,
    shaderF16: false,
    features: [],
    maxStorageBuffers: 8,
    maxBindingBytes: 128 * 1024 * 1024,
    offsetAlignment: 256,
    maxWorkgroupsPerDimension: 65535,
  };
}

/** A target for tests without a device. */
export const plainTarget: PlanTarget = {
  adapterClass: "cpu",
  subgroupSize: null,
  textureOperands: true,
  shaderF16: false,
  features: [],
  maxStorageBuffers: 8,
  maxBindingBytes: 128 * 1024 * 1024,
  offsetAlignment: 256,
  maxWorkgroupsPerDimension: 65535,
};

export const range = (buffer: number, bytes: number, offset = 0): PlanBinding => ({ buffer, offset, bytes });

/** A dispatch of one workgroup. */
export function dispatch(kernel: number, bindings: readonly PlanBinding[], what: string, template: "map" | "reduce" = "map"): PlanOp {
  return { kind: "dispatch", kernel, bindings, grid: [1, 1, 1], what, template, flops: 0, bytesMoved: 0, origins: [] };
}

export const noFigures = { peakBytes: 0, liveBytes: 0, flops: 0, bytesMoved: 0 };

const pixels = 4;

/** Loss and gradient of `mean((w . x + b - y)^2)`; `add` says whether the gradient is added to what is there. */
const gradientKernel = (batch: number, add: boolean) => /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<i32>;
@group(0) @binding(2) var<storage, read> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> g: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@compute @workgroup_size(1) fn main() {
  var sum = 0.0;
  var d: array<f32, 5>;
  for (var i = 0; i < ${batch}; i++) {
    var e = p[4] - f32(y[i]);
    for (var k = 0; k < ${pixels}; k++) { e += p[k] * x[i * ${pixels} + k]; }
    sum += e * e;
    for (var k = 0; k < ${pixels}; k++) { d[k] += 2 * e * x[i * ${pixels} + k] / ${batch}; }
    d[4] += 2 * e / ${batch};
  }
  for (var k = 0; k < 5; k++) { g[k] = ${add ? "g[k] + d[k]" : "d[k]"}; }
  loss[0] = sum / ${batch};
}`;

const initKernel = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> p: array<f32>;
@compute @workgroup_size(1) fn main() { for (var k = 0; k < 8; k++) { p[k] = select(0.0, 0.1 * f32(k), k < 5); } }`;

/** Gradient descent with momentum. Uniform 0: lr; uniform 1: 1 / micro-steps per update. */
const updateKernel = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> p: array<f32>;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;
@group(0) @binding(4) var<uniform> u: array<vec4<u32>, 1>;
@compute @workgroup_size(1) fn main() {
  let lr = bitcast<f32>(u[0].x);
  let share = bitcast<f32>(u[0].y);
  var sum = 0.0;
  for (var k = 0; k < 5; k++) {
    m[k] = 0.5 * m[k] + share * g[k];
    p[k] = p[k] - lr * m[k];
    sum += g[k] * g[k];
  }
  norm[0] = sqrt(sum);
}`;

export interface RegressionSettings {
  readonly batch: number;
  readonly microSteps: number;
  readonly accumulate: number;
  readonly saveEvery: number | null;
  readonly logEvery: number;
  readonly lr: number;
  readonly seed: number;
  readonly sourceHash: string;
}

export const regressionDefaults: RegressionSettings = {
  batch: 4,
  microSteps: 24,
  accumulate: 2,
  saveEvery: 4,
  logEvery: 1,
  lr: 0.05,
  seed: 7,
  sourceHash: "a".repeat(64),
};

/** Linear regression on 2x2 pictures: the number of the subject is predicted from the pixels. A whole train plan, by hand. */
export function linearRegression(target: PlanTarget, changes: Partial<RegressionSettings> = {}): Plan & { readonly program: TrainPlan } {
  const s = { ...regressionDefaults, ...changes };
  const [params, grads, momentum, x, y, loss, norm] = [0, 1, 2, 3, 4, 5, 6] as const;
  const arena = (buffer: number) => range(buffer, 32);
  const inputs = [
    { name: "face.image", at: range(x, s.batch * pixels * 4), dtype: "f32", shape: [s.batch, 1, 2, 2] },
    { name: "face.subject", at: range(y, s.batch * 4), dtype: "i32", shape: [s.batch] },
  ] as const;
  const step = (name: string, kernel: number) => ({
    name,
    inputs,
    ops: [
      dispatch(
        kernel,
        [range(x, s.batch * pixels * 4), range(y, s.batch * 4), arena(params), arena(grads), range(loss, 16)],
        "loss and gradient",
        "reduce",
      ),
    ],
    outputs: [{ name: "loss", at: range(loss, 16), dtype: "f32", shape: [] } as const],
    figures: noFigures,
  });
  return {
    format: 1,
    compiler: "by hand",
    target,
    kernels: [
      {
        id: "gradient-first",
        name: "gradient",
        wgsl: gradientKernel(s.batch, false),
        bindings: ["read", "read", "read", "readWrite", "readWrite"],
      },
      {
        id: "gradient-next",
        name: "gradient, added",
        wgsl: gradientKernel(s.batch, true),
        bindings: ["read", "read", "read", "readWrite", "readWrite"],
      },
      { id: "init", name: "starting values", wgsl: initKernel, bindings: ["readWrite"] },
      { id: "update", name: "descent", wgsl: updateKernel, bindings: ["readWrite", "read", "readWrite", "readWrite", "uniform"] },
    ],
    buffers: [
      { id: params, name: "params", bytes: 32, use: "persistent" },
      { id: grads, name: "grads", bytes: 32, use: "persistent" },
      { id: momentum, name: "momentum", bytes: 32, use: "persistent" },
      { id: x, name: "face.image", bytes: s.batch * pixels * 4, use: "input" },
      { id: y, name: "face.subject", bytes: Math.ceil(s.batch / 4) * 16, use: "input" },
      { id: loss, name: "loss", bytes: 16, use: "output" },
      { id: norm, name: "norm", bytes: 16, use: "output" },
    ],
    legs: [
      {
        name: "init",
        inputs: [],
        ops: [dispatch(2, [arena(params)], "starting values"), { kind: "clear", target: arena(momentum) }],
        outputs: [],
        figures: noFigures,
      },
      step("fit.first", 0),
      step("fit.next", 1),
      {
        name: "update",
        inputs: [],
        ops: [dispatch(3, [arena(params), arena(grads), arena(momentum), range(norm, 16)], "descent")],
        outputs: [{ name: "log.grad_norm", at: range(norm, 16), dtype: "f32", shape: [] }],
        figures: noFigures,
      },
    ],
    uniforms: [
      // Falls to a half over the run.
      {
        name: "lr",
        dtype: "f32",
        expr: {
          kind: "op",
          op: "mul",
          args: [
            { kind: "number", value: s.lr },
            {
              kind: "op",
              op: "sub",
              args: [
                { kind: "number", value: 1 },
                {
                  kind: "op",
                  op: "mul",
                  args: [
                    { kind: "number", value: 0.5 },
                    { kind: "counter", name: "progress" },
                  ],
                },
              ],
            },
          ],
        },
      },
      { name: "share", dtype: "f32", expr: { kind: "number", value: 1 / s.accumulate } },
    ],
    program: {
      kind: "train",
      name: "regression",
      sourceHash: s.sourceHash,
      settings: {
        batch: s.batch,
        microSteps: s.microSteps,
        accumulate: s.accumulate,
        saveEvery: s.saveEvery,
        logEvery: s.logEvery,
        seed: s.seed,
      },
      mix: { kind: "of", choices: [{ weight: { kind: "number", value: 1 }, step: "fit" }] },
      steps: [
        {
          name: "fit",
          dataset: { binder: "face", setting: "face" },
          choices: [],
          alternatives: [{ key: [], first: "fit.first", next: "fit.next", minimises: true }],
        },
      ],
      initLeg: "init",
      updateLeg: "update",
      stored: [
        { key: "model.weight", role: "param", shape: [4], dtype: "f32", at: range(params, 16) },
        { key: "model.bias", role: "param", shape: [1], dtype: "f32", at: range(params, 4, 16) },
        { key: "optimizer.m/model.weight", role: "optimizer", shape: [4], dtype: "f32", at: range(momentum, 16) },
        { key: "optimizer.m/model.bias", role: "optimizer", shape: [1], dtype: "f32", at: range(momentum, 4, 16) },
      ],
      datasets: [
        {
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
      ],
      models: [{ name: "model", module: "Linear", mode: "trained", from: null }],
      unreached: [],
    },
  };
}
