import { afterAll, beforeAll } from "vitest";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { testGroups } from "./groups.testing.ts";
import { onDevice } from "./run.ts";

// Recorded operators, losses, optimisers and samplers on the device, as `npm run conformance` runs them. That one runs the other groups too:
// whole networks, whose kernels a driver takes minutes to make, and what needs no device.

const groups = ["ops", "optimizers", "losses", "losses_readme", "schedulers"];

let opened: OpenedDevice;
beforeAll(async () => {
  const device = await openDevice();
  if (!device.ok) throw new Error(`${device.reason}\n${device.help}`);
  opened = device;
});
afterAll(() => opened?.close());

testGroups(
  "conformance on the device",
  (group) => groups.includes(group),
  () => onDevice(opened),
);
