import { describe } from "vitest";
import { deviceProperties } from "./deviceKernels.ts";

// ADA_SEED=n draws other programs, ADA_RUNS=n that many.

describe("random programs on the device", () => {
  deviceProperties(Number(process.env.ADA_RUNS ?? 60), Number(process.env.ADA_SEED ?? 11));
});
