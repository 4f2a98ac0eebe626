import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import type { FunctionProgram } from "../../compiler/elaborate/program.ts";
import { uniformArrays } from "../../compiler/elaborate/testing.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { array } from "../../compiler/reference/ndarray.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { ddimProgram, ddimShapes } from "./ddim.ts";
import { elaborated, foldPrograms } from "./foldPrograms.ts";

// Loops on a device: the body's dispatches again and again, with the items of each run in the uniform buffer.

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(`${result.reason} ${result.help}`);
  opened = result;
});
afterAll(() => opened?.close());

const environment = { seed: 7, microStep: 3, update: 3, progress: 0.1 };
type Inputs = Readonly<Record<string, NdArray>>;

async function onDevice({ graph, uniforms }: FunctionProgram, inputs: Inputs): Promise<Record<string, NdArray>> {
  const device = await DeviceGraph.create(opened, graph, uniforms);
  try {
    await device.run(inputs, environment); // whatever a run leaves behind, the next one does not see it
    return await device.run(inputs, environment);
  } finally {
    device.dispose();
  }
}
function expectClose(actual: Record<string, NdArray>, wanted: Record<string, NdArray>, tolerance: number, note: string): void {
  for (const [name, { data }] of Object.entries(wanted)) {
    const scale = data.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    const off = data.findIndex((x, i) => !(Math.abs(actual[name]!.data[i]! - x) <= tolerance * scale));
    if (off >= 0) expect.fail(`${name}[${off}] is ${actual[name]!.data[off]} for ${data[off]}\n${note}`);
  }
}

describe("loops on the device", () => {
  it("equal the unrolled program's meaning", async () => {
    await fc.assert(
      fc.asyncProperty(foldPrograms, async ({ text, inputs }) => {
        const flat = elaborated(text, inputs, "never");
        const wanted = evaluate(flat.graph, { ...inputs, ...uniformArrays(flat.uniforms, environment) });
        expectClose(await onDevice(elaborated(text, inputs, "always"), inputs), wanted, 1e-4, text);
      }),
      { seed: Number(process.env.ADA_SEED ?? 3), numRuns: Number(process.env.ADA_RUNS ?? 12) },
    );
  });

  it("sample eight steps as eight copies of the network do", async () => {
    const looped = ddimProgram(8);
    const inputs: Record<string, NdArray> = {};
    for (const [name, shape] of Object.entries(ddimShapes)) {
      const count = shape.reduce((a, b) => a * b, 1);
      inputs[name] = array(
        shape,
        Array.from({ length: count }, (_, i) => Math.sin(2.1 * i)),
      );
    }
    const starts = evaluate({ name: "init", results: looped.leaves.map((leaf) => ({ name: leaf.path, value: leaf.init })) }, {});
    const all = { ...inputs, ...starts };
    const [once, copies] = [await onDevice(looped, all), await onDevice(ddimProgram(8, "never"), all)];
    expectClose(once, copies, 1e-4, "eight steps");
  });
});
