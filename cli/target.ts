import type { PlanTarget } from "../compiler/plan/plan.ts";
import type { AdapterFacts } from "../runtime/device/adapterFacts.ts";

// For what kernels are made: the adapter at hand, or one of a few common ones where no device is opened.

/** WebGPU's guaranteed limits, for what an adapter does not say. */
const guaranteed = {
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 128 * 1024 * 1024,
  minStorageBufferOffsetAlignment: 256,
  maxComputeWorkgroupsPerDimension: 65535,
} as const;

/** What kernels for this adapter may use. */
export function targetOf(adapter: AdapterFacts): PlanTarget {
  const limit = (name: keyof typeof guaranteed): number => adapter.limits[name] ?? guaranteed[name];
  return {
    adapterClass: adapter.adapterClass,
    subgroupSize: adapter.subgroupSize,
    textureOperands: adapter.cheapTextureLoads,
    shaderF16: adapter.features.includes("shader-f16"),
    features: [],
    maxStorageBuffers: limit("maxStorageBuffersPerShaderStage"),
    maxBindingBytes: limit("maxStorageBufferBindingSize"),
    offsetAlignment: limit("minStorageBufferOffsetAlignment"),
    maxWorkgroupsPerDimension: limit("maxComputeWorkgroupsPerDimension"),
  };
}

const plain = (adapterClass: PlanTarget["adapterClass"], subgroupSize: number | null): PlanTarget => ({
  adapterClass,
  subgroupSize,
  textureOperands: false,
  shaderF16: false,
  features: [],
  maxStorageBuffers: guaranteed.maxStorageBuffersPerShaderStage,
  maxBindingBytes: guaranteed.maxStorageBufferBindingSize,
  offsetAlignment: guaranteed.minStorageBufferOffsetAlignment,
  maxWorkgroupsPerDimension: guaranteed.maxComputeWorkgroupsPerDimension,
});

/** Targets by the name that `--target` takes. Plans for them run on any adapter of their class and subgroup size. */
export const namedTargets = {
  cpu4: plain("cpu-subgroups", 4), // SwiftShader, which is the embedded driver
  cpu8: plain("cpu-subgroups", 8), // lavapipe
  cpu: plain("cpu", null),
  gpu: plain("gpu", null),
} as const satisfies Record<string, PlanTarget>;
export type TargetName = keyof typeof namedTargets;
export const defaultTarget: TargetName = "cpu4";
