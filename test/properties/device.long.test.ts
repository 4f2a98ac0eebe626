import { describe } from "vitest";
import { deviceProperties } from "./deviceKernels.ts";

describe("many random programs on the device", () => {
  deviceProperties(Number(process.env.ADA_RUNS ?? 400), Number(process.env.ADA_SEED ?? 1011));
});
