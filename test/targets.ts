import type { PlanTarget } from "../compiler/plan/plan.ts";

// Adapters that tests compile for without having them.

/** SwiftShader: four lanes, operands from buffers. */
export const fourLanes: PlanTarget = {
  adapterClass: "cpu-subgroups",
  subgroupSize: 4,
  textureOperands: false,
  shaderF16: false,
  features: [],
  maxStorageBuffers: 8,
  maxBindingBytes: 134217728,
  offsetAlignment: 256,
  maxWorkgroupsPerDimension: 65535,
};
/** lavapipe: eight lanes, operands from textures. */
export const eightLanes: PlanTarget = { ...fourLanes, subgroupSize: 8, textureOperands: true };
export const gpu: PlanTarget = { ...fourLanes, adapterClass: "gpu", subgroupSize: 32 };
export const noSubgroups: PlanTarget = { ...fourLanes, adapterClass: "cpu", subgroupSize: null };
export const fewBuffers: PlanTarget = { ...fourLanes, maxStorageBuffers: 4 };
/** So few workgroups along an axis that grids are folded. */
export const foldedGrids: PlanTarget = { ...fourLanes, maxWorkgroupsPerDimension: 20 };

export const targets: Readonly<Record<string, PlanTarget>> = { fourLanes, eightLanes, gpu, noSubgroups, fewBuffers, foldedGrids };
