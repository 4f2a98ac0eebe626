import { afterAll, beforeAll, expect, test } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { evaluate } from "../reference/evaluate.ts";
import { productOf } from "./stripes.testing.ts";

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(result.reason);
  opened = result;
});
afterAll(() => opened?.close());

// On adapters whose operands lie in textures, stripes are in the plan; elsewhere the same product is read from buffers.
test.each([
  [45, 520, 1088, "f32"],
  [33, 8192, 64, "f32"],
  [40, 1030, 1024, "f16"],
] as const)(
  "%i rows by a matrix of %i by %i %s are the f64 meaning",
  async (rows, k, columns, dtype) => {
    const { graph, inputs } = productOf(rows, k, columns, dtype);
    const expected = evaluate(graph, inputs).y!.data;
    const device = await DeviceGraph.create(opened, graph, []);
    for (let run = 0; run < 2; run++) {
      const actual = (await device.run(inputs)).y!.data;
      const worst = expected.reduce(
        (most, v, i) => Math.max(most, Number.isNaN(actual[i]!) ? Number.POSITIVE_INFINITY : Math.abs(actual[i]! - v)),
        0,
      );
      expect(worst).toBeLessThan(1e-2);
    }
    device.dispose();
  },
  60_000,
);
