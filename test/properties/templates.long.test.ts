import { templateProperties } from "./templates.ts";

templateProperties(Number(process.env.ADA_RUNS ?? 60), Number(process.env.ADA_SEED ?? 1005));
