import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import { targetOf } from "../../cli/target.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { agreeLater } from "../properties/agreement.ts";
import { largeCase, largeCases, limit } from "./large.ts";

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(`${result.reason} ${result.help}`);
  opened = result;
});
afterAll(() => opened?.close());

describe("larger than a binding may be, with the limit lowered", () => {
  it.each(Object.entries(largeCases))("%s", async (_, one) => {
    const { graph, inputs } = largeCase(one);
    const target = { ...targetOf(opened.adapter), maxBindingBytes: limit };
    await agreeLater(graph, inputs, async () => {
      const device = await DeviceGraph.create(opened, graph, [], {}, target);
      try {
        return await device.run(inputs);
      } finally {
        device.dispose();
      }
    });
    expect(opened.adapter.limits.maxStorageBufferBindingSize).toBeGreaterThan(limit);
  });
});
