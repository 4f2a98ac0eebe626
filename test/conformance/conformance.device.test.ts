import { describe, expect, test } from "vitest";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { goldenFolder, goldenTitle } from "../golden.ts";
import { runCases } from "./cases.ts";

// Recorded operators and optimisers on the device, as `npm run conformance` runs them.

async function opened(): Promise<OpenedDevice> {
  const device = await openDevice();
  if (!device.ok) throw new Error(`${device.reason}\n${device.help}`);
  return device;
}

describe(goldenTitle("conformance on the device"), () => {
  if (goldenFolder === undefined) {
    test("recorded cases", () => {
      console.log("conformance: skipped, there are no recorded cases (ADA_GOLDEN is not set)");
    });
    return;
  }
  const root = goldenFolder;
  test.each(["ops", "optimizers", "losses", "losses_readme", "schedulers"])(
    "no case of %s fails",
    async (group) => {
      const device = await opened();
      try {
        const result = (await runCases(root, device, { group, reference: null }))[group];
        const cases = result?.cases ?? [];
        console.log(`conformance ${group}: ${result?.passed} passed, ${result?.failed} failed, ${result?.unsupported} not yet supported`);
        expect(cases.filter((c) => c.status === "failed")).toEqual([]);
        expect(result?.passed).toBeGreaterThan(0);
      } finally {
        device.close();
      }
    },
    300_000,
  );
});
