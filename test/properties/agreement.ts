import { expect } from "vitest";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";

// One comparison for all property tests: what a compiled graph gives against its f64 meaning. A miss shows the graph as IR text.

export type Inputs = Readonly<Record<string, NdArray>>;

/** f32 rounding over programs of a dozen steps whose values stay below 4. */
export const programTolerance = 2e-4;

/**
 * The largest difference relative to the largest finite expected element (at least `floor`). NaN must meet NaN, an infinity the same
 * infinity; anything else there is infinitely wrong.
 */
export function difference(actual: NdArray, expected: NdArray, floor = 1e-3): number {
  let scale = floor;
  for (const x of expected.data) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  let worst = 0;
  for (const [i, x] of expected.data.entries()) {
    const y = actual.data[i]!;
    if (Object.is(x, y) || x === y) continue;
    const d = Math.abs(y - x) / scale;
    worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(worst, d);
  }
  return worst;
}

function compared(graph: Graph, expected: Inputs, actual: Inputs, tolerance: number, where: string): void {
  for (const r of graph.results) {
    const d = difference(actual[r.name]!, expected[r.name]!);
    if (d <= tolerance) continue;
    const [got, want] = [actual, expected].map((x) => [...x[r.name]!.data.slice(0, 8)]);
    expect.fail(`${where}${r.name} differs by ${d} (${got} for ${want})\n${printGraph(graph)}`);
  }
}
const failed = (error: unknown, graph: Graph, where: string): Error =>
  new Error(`${where}${(error as Error).message}\n${printGraph(graph)}`, { cause: error });

/** Holds what `run` gives against the meaning of the graph. */
export function agree(graph: Graph, inputs: Inputs, run: () => Inputs, tolerance = programTolerance, where = ""): void {
  let actual: Inputs;
  try {
    actual = run();
  } catch (error) {
    throw failed(error, graph, where);
  }
  compared(graph, evaluate(graph, inputs), actual, tolerance, where);
}

/** The same of a device. */
export async function agreeLater(graph: Graph, inputs: Inputs, run: () => Promise<Inputs>, tolerance = programTolerance): Promise<void> {
  let actual: Inputs;
  try {
    actual = await run();
  } catch (error) {
    throw failed(error, graph, "");
  }
  compared(graph, evaluate(graph, inputs), actual, tolerance, "");
}
