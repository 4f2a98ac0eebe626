import { describe } from "vitest";
import { precisionProperties } from "./precision.ts";

// ADA_SEED=n draws other programs, ADA_RUNS=n that many.

describe("random programs with f16 storage", () => {
  precisionProperties(Number(process.env.ADA_RUNS ?? 40), Number(process.env.ADA_SEED ?? 33));
});
