import type { PlanTarget } from "../plan/plan.ts";

// Schedules are records: how the same meaning is spread over invocations. Defaults per adapter class and shape; a tuner may choose others.

export type ScheduleTarget = PlanTarget;

export interface MapSchedule {
  readonly workgroup: number;
  readonly perInvocation: number; // vectors (or scalars) that one invocation makes
}
export interface ReduceSchedule {
  readonly style: "rowPerSubgroup" | "rowPerInvocation" | "rowsInVectors";
  readonly workgroup: number;
}
export interface ContractSchedule {
  readonly lanes: number; // invocations that share the left operand through subgroup broadcasts; 1: each loads its own
  readonly workgroup: number;
  readonly tileM: number; // rows of a tile
  readonly vectorsN: number; // vectors of columns per lane
  readonly chunkK: number; // contraction steps whose loads are issued together
}

/** The size of one workgroup's worth of independent invocations. */
function workgroup(target: ScheduleTarget): number {
  return target.adapterClass === "gpu" ? 64 : 8;
}

/**
 * Elementwise: on CPU adapters few workgroups with long loops (a workgroup costs about 0.1 us there, a load far more), on GPUs one vector
 * per invocation until the device is full.
 */
export function mapSchedule(items: number, target: ScheduleTarget): MapSchedule {
  const size = workgroup(target);
  const wanted = target.adapterClass === "gpu" ? 2048 : 16; // workgroups that keep the device busy
  const limit = target.adapterClass === "gpu" ? 4 : 64;
  const perInvocation = Math.max(1, Math.min(limit, Math.floor(items / (size * wanted))));
  return { workgroup: size, perInvocation };
}

export function reduceSchedule(
  shape: { readonly rows: number; readonly inner: number; readonly innerContiguous: boolean; readonly argmax: boolean },
  target: ScheduleTarget,
): ReduceSchedule {
  const size = workgroup(target);
  if (shape.argmax) return { style: "rowPerInvocation", workgroup: size };
  if (!shape.innerContiguous) return { style: shape.rows % 4 === 0 ? "rowsInVectors" : "rowPerInvocation", workgroup: size };
  if (target.subgroupSize === null || (shape.inner <= 32 && shape.rows >= 4 * size)) return { style: "rowPerInvocation", workgroup: size };
  return { style: "rowPerSubgroup", workgroup: target.subgroupSize };
}

export function contractSchedule(
  shape: { readonly m: number; readonly n: number; readonly k: number; readonly innerK: number; readonly alongM: boolean },
  target: ScheduleTarget,
): ContractSchedule {
  const lanes = target.adapterClass === "cpu-subgroups" && target.subgroupSize !== null && target.subgroupSize >= 4 ? target.subgroupSize : 1;
  const columns = Math.ceil(shape.n / 4);
  const vectorsN = lanes > 1 && columns >= 2 * lanes && lanes <= 4 ? 2 : 1;
  const chunkK = shape.innerK % 8 === 0 && lanes <= 8 ? 8 : 4;
  let tileM = lanes === 1 ? 4 : 8;
  if (lanes >= 8 && shape.m >= 16) tileM = 16;
  while (tileM > 1 && tileM / 2 >= shape.m) tileM /= 2;
  if (lanes > 1) while ((tileM * chunkK) / 4 < lanes) tileM *= 2;
  return { lanes, workgroup: lanes === 1 ? workgroup(target) : lanes, tileM, vectorsN, chunkK };
}
