import { expect, test } from "vitest";
import { interpretGraph } from "../../test/interpretPlan.ts";
import { gpu } from "../../test/targets.ts";
import { compileGraph } from "../compile.ts";
import type { NdArray } from "../ir/ops/row.ts";
import { graphInputs } from "../ir/walk.ts";
import { evaluate } from "../reference/evaluate.ts";
import type { TileKernel } from "../tile/tile.ts";
import { wideContractions } from "./workgroup.testing.ts";

test("tiles in workgroup memory: no race, no divergent barrier, and the f64 meaning, at sizes that no tile divides", () => {
  for (const graph of wideContractions()) {
    const kernels: TileKernel[] = [];
    compileGraph(graph, [], gpu, { onKernel: (_, kernel) => kernels.push(kernel) });
    const held = kernels.filter((k) => k.shared.length > 0);
    expect(held.length, graph.name).toBeGreaterThan(0);
    for (const k of held) expect(k.workgroupSize).toBeGreaterThanOrEqual(64);
    const inputs = Object.fromEntries(
      graphInputs(graph).map((v): [string, NdArray] => {
        const size = v.shape.reduce((a, b) => a * b, 1);
        return [
          v.attrs.name,
          { dtype: "f32", shape: v.shape, data: Float64Array.from({ length: size }, (_, i) => Math.fround(Math.sin(1.3 * i + v.id))) },
        ];
      }),
    );
    const [actual, expected] = [interpretGraph(graph, inputs, gpu), evaluate(graph, inputs)];
    for (const { name } of graph.results) {
      const want = expected[name]!.data;
      const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
      const worst = want.reduce((most, v, i) => Math.max(most, Math.abs(actual[name]!.data[i]! - v)), 0);
      expect(worst / scale, `${graph.name} ${name}`).toBeLessThan(2e-5);
    }
  }
});
