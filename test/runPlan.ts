import { type CompileOptions, compileGraph } from "../compiler/compile.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import type { Graph } from "../compiler/ir/value.ts";
import { evaluateHost } from "../compiler/plan/evalHost.ts";
import type { HostEnvironment, UniformDecl } from "../compiler/plan/host.ts";
import type { Plan, PlanTarget } from "../compiler/plan/plan.ts";
import type { OpenedDevice } from "../runtime/device/openDevice.ts";
import { createSession } from "../runtime/execute/session.ts";

// Runs a graph on the device, for tests: compiled as everything else is, outputs poisoned before the run.

/** What kernels for this adapter may use. */
export function targetOf(opened: OpenedDevice): PlanTarget {
  const { adapter } = opened;
  return {
    adapterClass: adapter.adapterClass,
    subgroupSize: adapter.subgroupSize,
    textureOperands: adapter.cheapTextureLoads,
    features: [],
    maxStorageBuffers: adapter.limits.maxStorageBuffersPerShaderStage ?? 8,
    maxBindingBytes: adapter.limits.maxStorageBufferBindingSize ?? 134217728,
    offsetAlignment: adapter.limits.minStorageBufferOffsetAlignment ?? 256,
    maxWorkgroupsPerDimension: adapter.limits.maxComputeWorkgroupsPerDimension ?? 65535,
  };
}

/** The results of a graph by name, as the device computes them. */
export async function runGraph(
  opened: OpenedDevice,
  graph: Graph,
  inputs: Readonly<Record<string, NdArray>>,
  options: CompileOptions & { readonly uniforms?: readonly UniformDecl[]; readonly environment?: HostEnvironment } = {},
): Promise<Record<string, NdArray>> {
  const plan = compileGraph(graph, options.uniforms ?? [], targetOf(opened), options);
  return runFunctionPlan(opened, plan, inputs, options.environment);
}

/** Runs the one leg of a function plan. */
export async function runFunctionPlan(
  opened: OpenedDevice,
  plan: Plan,
  inputs: Readonly<Record<string, NdArray>>,
  environment: HostEnvironment = { seed: 0, microStep: 0, update: 0, progress: 0 },
): Promise<Record<string, NdArray>> {
  const made = await createSession(opened, plan, { poison: true });
  if (!made.ok) throw new Error(made.failure.message);
  const { session } = made;
  try {
    const leg = plan.legs[0]!;
    for (const input of leg.inputs) {
      const given = inputs[input.name];
      if (!given) throw new Error(`no value for input ${input.name}`);
      const data =
        given.dtype === "f32"
          ? Float32Array.from(given.data)
          : given.dtype === "i32"
            ? Int32Array.from(given.data)
            : Uint32Array.from(given.data);
      session.writeInput(leg.name, input.name, data);
    }
    if (plan.uniforms.length > 0) session.writeUniforms(uniformWords(plan.uniforms, environment));
    session.run(leg.name);
    const results: Record<string, NdArray> = {};
    for (const output of leg.outputs) {
      const values = await session.readOutput(leg.name, output.name);
      results[output.name] = { dtype: output.dtype, shape: output.shape, data: Float64Array.from(values) };
    }
    await session.finish();
    return results;
  } finally {
    session.dispose();
  }
}

function uniformWords(uniforms: readonly UniformDecl[], environment: HostEnvironment): Uint32Array {
  const words = new Uint32Array(uniforms.length);
  const floats = new Float32Array(words.buffer);
  for (const [i, u] of uniforms.entries()) {
    const value = Number(evaluateHost(u.expr, environment));
    if (u.dtype === "f32") floats[i] = value;
    else words[i] = value;
  }
  return words;
}
