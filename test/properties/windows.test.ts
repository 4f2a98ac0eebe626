import fc from "fast-check";
import { it } from "vitest";
import { interpretGraph } from "../interpretPlan.ts";
import { agree } from "./agreement.ts";
import { gradientsOf } from "./kernels.ts";
import { programs } from "./programs.ts";
import { settings } from "./settings.ts";

// Random programs for adapters whose bindings hold next to nothing, so that almost every tensor is cut into windows: equal to the f64 meaning.

const cramped = fc
  .tuple(settings, fc.constantFrom(64, 96, 128, 256), fc.constantFrom(16, 32))
  .map(([{ target, options }, maxBindingBytes, offsetAlignment]) => ({ options, target: { ...target, maxBindingBytes, offsetAlignment } }));
const seed = Number(process.env.ADA_SEED ?? 11);
const numRuns = Number(process.env.ADA_RUNS ?? 40);

it("random programs in windows equal the f64 meaning", () => {
  fc.assert(
    fc.property(programs(), cramped, ({ graph, inputs }, { target, options }) =>
      agree(graph, inputs, () => interpretGraph(graph, inputs, target, options)),
    ),
    { seed, numRuns },
  );
});
it("and so do their gradients", () => {
  fc.assert(
    fc.property(programs({ steps: 8, without: ["attend"] }), cramped, (program, { target, options }) => {
      const gradients = gradientsOf(program);
      if (gradients) agree(gradients, program.inputs, () => interpretGraph(gradients, program.inputs, target, options));
    }),
    { seed: seed + 1, numRuns: numRuns / 2 },
  );
});
