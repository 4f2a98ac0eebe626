import { templateProperties } from "./templates.ts";

// ADA_SEED=n draws other sizes, ADA_RUNS=n that many.

templateProperties(Number(process.env.ADA_RUNS ?? 12), Number(process.env.ADA_SEED ?? 5));
