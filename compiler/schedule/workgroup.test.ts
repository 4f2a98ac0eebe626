import { expect, test } from "vitest";
import { interpretGraph } from "../../test/interpretPlan.ts";
import { gpu } from "../../test/targets.ts";
import { compileGraph } from "../compile.ts";
import type { NdArray } from "../ir/ops/row.ts";
import type { Graph } from "../ir/value.ts";
import { graphInputs } from "../ir/walk.ts";
import type { PlanTarget } from "../plan/plan.ts";
import { evaluate } from "../reference/evaluate.ts";
import type { TileKernel } from "../tile/tile.ts";
import { wideContractions, wideRows } from "./workgroup.testing.ts";

test("rows that a whole workgroup takes: norms, softmax and maxima of whole numbers, through its memory", () => {
  const target = { ...gpu, subgroupSize: null };
  for (const [rows, columns] of [
    [3, 64],
    [5, 77],
    [2, 2052],
  ] as const) {
    expect(checkAgainstMeaning(wideRows(rows, columns), target)).toBeGreaterThan(0);
  }
});

test("tiles in workgroup memory: no race, no divergent barrier, and the f64 meaning, at sizes that no tile divides", () => {
  for (const graph of wideContractions()) expect(checkAgainstMeaning(graph, gpu), graph.name).toBeGreaterThan(0);
});

/** Interprets the graph's kernels; gives how many of them use workgroup memory. */
function checkAgainstMeaning(graph: Graph, target: PlanTarget): number {
  const kernels: TileKernel[] = [];
  compileGraph(graph, [], target, { onKernel: (_, kernel) => kernels.push(kernel) });
  const held = kernels.filter((k) => k.shared.length > 0);
  for (const k of held) expect(k.workgroupSize).toBeGreaterThanOrEqual(64);
  const inputs = Object.fromEntries(
    graphInputs(graph).map((v): [string, NdArray] => {
      const size = v.shape.reduce((a, b) => a * b, 1);
      const at = (i: number): number => Math.fround(Math.sin(1.3 * i + v.id));
      return [v.attrs.name, { dtype: v.dtype, shape: v.shape, data: Float64Array.from({ length: size }, (_, i) => at(i)) }];
    }),
  );
  const [actual, expected] = [interpretGraph(graph, inputs, target), evaluate(graph, inputs)];
  for (const { name } of graph.results) {
    const want = expected[name]!.data;
    const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
    const worst = want.reduce((most, v, i) => Math.max(most, Math.abs(actual[name]!.data[i]! - v)), 0);
    expect(worst / scale, `${graph.name} ${name}`).toBeLessThan(2e-5);
  }
  return held.length;
}
