import fc from "fast-check";
import { afterAll, beforeAll, it } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import type { CompileOptions } from "../../compiler/compile.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { agreeLater, type Inputs } from "./agreement.ts";
import { gradientsOf } from "./kernels.ts";
import { programs } from "./programs.ts";

// Random programs, compiled as everything is, run on the device and compared with the f64 meaning. A counterexample is IR text.

/** Declares the properties, each held by so many programs; opens and closes the device around them. */
export function deviceProperties(numRuns: number, seed: number): void {
  let opened: OpenedDevice;
  beforeAll(async () => {
    const result = await openDevice();
    if (!result.ok) throw new Error(`${result.reason} ${result.help}`);
    opened = result;
  });
  afterAll(() => opened?.close());

  const check = (graph: Graph, inputs: Inputs, options: CompileOptions = {}): Promise<void> =>
    agreeLater(graph, inputs, async () => {
      const device = await DeviceGraph.create(opened, graph, [], options);
      try {
        return await device.run(inputs);
      } finally {
        device.dispose();
      }
    });
  it("equal the f64 meaning, fused and unfused", async () => {
    await fc.assert(
      fc.asyncProperty(programs({ steps: 14 }), async ({ graph, inputs }) => {
        await check(graph, inputs);
        await check(graph, inputs, { fuse: false });
      }),
      { seed, numRuns, endOnFailure: false },
    );
  });
  it("have the gradients of the f64 meaning", async () => {
    await fc.assert(
      // Where a softmax has one key, or nearly, its gradient is what rounding leaves of terms that cancel: attention.test.ts measures those by their terms.
      fc.asyncProperty(programs({ steps: 10, without: ["attend"] }), async (program) => {
        const gradients = gradientsOf(program);
        if (gradients) await check(gradients, program.inputs);
      }),
      { seed: seed + 1, numRuns },
    );
  });
}
