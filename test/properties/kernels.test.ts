import { describe } from "vitest";
import { kernelProperties } from "./kernels.ts";

// ADA_SEED=n draws other programs, ADA_RUNS=n that many.

describe("random programs for random adapters", () => {
  kernelProperties(Number(process.env.ADA_RUNS ?? 200), Number(process.env.ADA_SEED ?? 21));
});
