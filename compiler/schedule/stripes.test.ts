import { describe, expect, it } from "vitest";
import { interpretGraph } from "../../test/interpretPlan.ts";
import { eightLanes } from "../../test/targets.ts";
import { compileGraph } from "../compile.ts";
import { evaluate } from "../reference/evaluate.ts";
import { productOf } from "./stripes.testing.ts";

describe("a large right operand", () => {
  it("is read in stripes, and the product is what it was", () => {
    // As many rows of the matrix as a stripe may have; a tile with rows behind the end.
    const { graph, inputs } = productOf(33, 8192, 64);
    const plan = compileGraph(graph, [], eightLanes);
    const dispatch = plan.legs[0]!.ops.find((op) => op.kind === "dispatch" && op.template === "contract");
    if (dispatch?.kind !== "dispatch") throw new Error("no contraction");
    expect(plan.kernels[dispatch.kernel]!.bindings).toContain("stripes");
    expect(dispatch.bindings.map((at) => at.rowBytes).filter((n) => n !== undefined)).toEqual([4 * 64]);
    const [expected, actual] = [evaluate(graph, inputs).y!.data, interpretGraph(graph, inputs, eightLanes).y!.data];
    for (const [i, y] of expected.entries()) expect(Math.abs(actual[i]! - y), `${i}`).toBeLessThan(1e-2);
  });
  it("lies as it is where its rows are no whole stripes, and a small one too", () => {
    for (const { graph } of [productOf(33, 8192, 80), productOf(33, 1024, 64)])
      expect(compileGraph(graph, [], eightLanes).kernels.flatMap((kernel) => kernel.bindings)).not.toContain("stripes");
  });
});
