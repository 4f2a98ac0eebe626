import { templateProperties } from "./templates.ts";

templateProperties(Number(process.env.ADA_RUNS ?? 200), Number(process.env.ADA_SEED ?? 1005));
