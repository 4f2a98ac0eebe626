import { readdirSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import { testFile } from "../../cli/runTests.ts";
import { packageRoot } from "../../dsl/source.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";

// The tests that the standard library and the losses of the recipe hold themselves, on the device: `adac test std/*.ada pipelines/losses.ada`.

const library = readdirSync(path.join(packageRoot(), "std")).filter((file) => file.endsWith(".ada"));
const files = [...library.map((file) => `std/${file}`), "pipelines/losses.ada"];
let opened: OpenedDevice;
beforeAll(async () => {
  const made = await openDevice();
  if (!made.ok) throw new Error(made.reason);
  opened = made;
});
afterAll(() => opened.device.destroy());

let tests = 0;
test.each(files)("%s", async (file) => {
  let written = "";
  const counts = await testFile(path.join(packageRoot(), file), {
    seed: 1,
    runs: 8,
    onDevice: async (graph, inputs, uniforms, environment) => {
      const made = await DeviceGraph.create(opened, graph, uniforms);
      try {
        return await made.run(inputs, environment);
      } finally {
        made.dispose();
      }
    },
    write: (text) => {
      written += text;
    },
  });
  expect(counts, written).toMatchObject({ failed: 0 });
  tests += "passed" in counts ? counts.passed : 0;
});
test("there are some", () => expect(tests).toBeGreaterThan(5));
