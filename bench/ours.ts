// Our side: a workload's graph through the compiler and the executor, exactly as a program's.

import { targetOf } from "../cli/target.ts";
import { compileGraph } from "../compiler/compile.ts";
import type { Plan, PlanOp, PlanTarget } from "../compiler/plan/plan.ts";
import type { OpenedDevice } from "../runtime/device/openDevice.ts";
import { createSession, type Session } from "../runtime/execute/session.ts";
import type { Contender } from "./measure.ts";
import { numbersOf, type Workload } from "./workloads/workload.ts";

export interface OurContender extends Contender {
  readonly session: Session;
  readonly samples: (places: readonly number[]) => Promise<number[]>;
  readonly destroy: () => void;
}

async function contenderOf(opened: OpenedDevice, plan: Plan): Promise<OurContender> {
  const made = await createSession(opened, plan);
  if (!made.ok) throw made.failure;
  const { session } = made;
  return {
    name: "ours",
    scale: 1,
    session,
    run: async (repeats) => {
      for (let i = 0; i < repeats; i++) session.run("main");
      await session.finish();
    },
    samples: async (places) => {
      const values = await session.readOutput("main", "result");
      return places.map((place) => values[place]!);
    },
    destroy: () => session.dispose(),
  };
}

/** Compiles a workload for the device, fills its inputs and runs it once. */
export async function prepareOurs(opened: OpenedDevice, workload: Workload): Promise<OurContender> {
  const ours = await contenderOf(opened, compileGraph(workload.graph, [], targetOf(opened.adapter)));
  for (const input of workload.inputs) ours.session.writeInput("main", input.name, numbersOf(input));
  await ours.run(1);
  return ours;
}

export const emptyKernel = `@group(0) @binding(0) var<storage, read_write> nothing: array<f32>;
@compute @workgroup_size(1)
fn main() { if (arrayLength(&nothing) == 0u) { nothing[0] = 0.0; } }
`;

/** A plan of dispatches that do nothing: what is left is what a dispatch costs. */
export function prepareEmptyDispatches(opened: OpenedDevice, count: number): Promise<OurContender> {
  const target: PlanTarget = targetOf(opened.adapter);
  const at = { buffer: 0, offset: 0, bytes: 16 };
  const op: PlanOp = {
    kind: "dispatch",
    kernel: 0,
    bindings: [at],
    grid: [1, 1, 1],
    what: "nothing",
    template: "map",
    flops: 0,
    bytesMoved: 0,
    origins: [],
  };
  const figures = { peakBytes: 0, liveBytes: 0, flops: 0, bytesMoved: 0 };
  return contenderOf(opened, {
    format: 1,
    compiler: "bench",
    target,
    kernels: [{ id: "empty", name: "empty", wgsl: emptyKernel, bindings: ["readWrite"] }],
    buffers: [{ id: 0, name: "result", bytes: 16, use: "output" }],
    legs: [
      {
        name: "main",
        ops: Array.from({ length: count }, () => op),
        inputs: [],
        outputs: [{ name: "result", at, dtype: "f32", shape: [4] }],
        figures,
      },
    ],
    uniforms: [],
    program: { kind: "function", name: "empty dispatches" },
  });
}
