import { describe } from "vitest";
import { precisionProperties } from "./precision.ts";

describe("many random programs with f16 storage", () => {
  precisionProperties(Number(process.env.ADA_RUNS ?? 1000), Number(process.env.ADA_SEED ?? 1033));
});
