import { describe, expect, test } from "vitest";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { goldenFolder, goldenTitle } from "../golden.ts";
import { discoverCases } from "./case.ts";
import { adafaceKinds } from "./kinds/adaface.ts";
import { networkKinds } from "./kinds/networks.ts";
import { runWritten } from "./run.ts";

// Whole recorded networks by the f64 meaning: outputs and gradients. `npm run conformance` runs them on a device, where a driver takes minutes
// to make their kernels.

const kinds = { ...networkKinds, ...adafaceKinds };

describe(goldenTitle("recorded networks"), () => {
  const cases = goldenFolder === undefined ? [] : discoverCases(goldenFolder).filter((one) => one.group === "networks");
  test.runIf(cases.length > 0)("every kind is known", () => {
    expect(cases.filter((one) => kinds[one.kind] === undefined).map((one) => one.kind)).toEqual([]);
  });
  test.runIf(cases.length > 0).each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    const written = kinds[one.kind]!(one.config, one.tensors());
    if ("unsupported" in written) throw new Error(written.unsupported);
    expect(await runWritten(one, written, async (graph, inputs) => evaluate(graph, inputs))).toBeNull();
  });
});
