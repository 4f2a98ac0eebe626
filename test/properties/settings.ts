import fc from "fast-check";
import type { CompileOptions } from "../../compiler/compile.ts";
import type { PlanTarget } from "../../compiler/plan/plan.ts";
import { fourLanes } from "../targets.ts";

// What a random program is compiled for and how: adapters with limits of all kinds, and every optional pass on or off.

export interface Settings {
  readonly target: PlanTarget;
  readonly options: CompileOptions;
}

const adapters: fc.Arbitrary<Partial<PlanTarget>> = fc.constantFrom(
  { adapterClass: "cpu-subgroups", subgroupSize: 4 } as const,
  { adapterClass: "cpu-subgroups", subgroupSize: 8 } as const,
  { adapterClass: "cpu", subgroupSize: null } as const,
  { adapterClass: "gpu", subgroupSize: 32 } as const,
  { adapterClass: "gpu", subgroupSize: null } as const,
);
const targetsOfAllKinds: fc.Arbitrary<PlanTarget> = fc
  .tuple(
    adapters,
    fc.record({
      textureOperands: fc.boolean(),
      maxStorageBuffers: fc.constantFrom(4, 5, 6, 8, 10),
      maxBindingBytes: fc.constantFrom(2 ** 27, 2 ** 27, 4096, 1024, 512),
      offsetAlignment: fc.constantFrom(32, 64, 256),
      maxWorkgroupsPerDimension: fc.constantFrom(65535, 331, 20),
    }),
  )
  .map(([adapter, limits]) => ({ ...fourLanes, ...adapter, ...limits }));
const passes: fc.Arbitrary<CompileOptions> = fc.record({
  fuse: fc.constantFrom(true, true, true, false),
  simplify: fc.constantFrom(true, true, true, false),
  inPlace: fc.constantFrom(true, true, true, false),
});

export const settings: fc.Arbitrary<Settings> = fc.record({ target: targetsOfAllKinds, options: passes });
