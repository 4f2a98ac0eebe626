import { describe } from "vitest";
import { kernelProperties } from "./kernels.ts";

describe("many random programs for random adapters", () => {
  kernelProperties(Number(process.env.ADA_RUNS ?? 2000), Number(process.env.ADA_SEED ?? 1021));
});
