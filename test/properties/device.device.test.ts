import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { vjp } from "../../compiler/autodiff.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { DeviceGraph } from "../conformance/device.ts";
import { programs } from "./programs.ts";

// Random programs, compiled as everything is, run on the device and compared with the f64 meaning. A counterexample is IR text.

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(`${result.reason} ${result.help}`);
  opened = result;
});
afterAll(() => opened?.close());

/** Largest difference relative to the size of the expected array. */
function difference(actual: NdArray, expected: NdArray): number {
  let scale = 1e-3;
  let worst = 0;
  for (let i = 0; i < expected.data.length; i++) {
    scale = Math.max(scale, Math.abs(expected.data[i]!));
    const d = Math.abs(actual.data[i]! - expected.data[i]!);
    worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(worst, d);
  }
  return worst / scale;
}
async function check(graph: Graph, inputs: Readonly<Record<string, NdArray>>, options: { readonly fuse?: boolean } = {}): Promise<void> {
  const expected = evaluate(graph, inputs);
  let actual: Record<string, NdArray>;
  try {
    const device = await DeviceGraph.create(opened, graph, [], options);
    try {
      actual = await device.run(inputs);
    } finally {
      device.dispose();
    }
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${printGraph(graph)}`);
  }
  for (const r of graph.results) {
    const d = difference(actual[r.name]!, expected[r.name]!);
    // f32 rounding over programs of a dozen steps whose values stay below 4.
    if (d > 2e-4)
      expect.fail(
        `${r.name} differs by ${d} (${[...actual[r.name]!.data.slice(0, 8)]} for ${[...expected[r.name]!.data.slice(0, 8)]})\n${printGraph(graph)}`,
      );
  }
}
const seed = Number(process.env.ADA_SEED ?? 11);
const numRuns = Number(process.env.ADA_RUNS ?? 60);

describe("random programs on the device", () => {
  it("equal the f64 meaning, fused and unfused", async () => {
    await fc.assert(
      fc.asyncProperty(programs({ steps: 14 }), async ({ graph, inputs }) => {
        await check(graph, inputs);
        await check(graph, inputs, { fuse: false });
      }),
      { seed, numRuns, endOnFailure: false },
    );
  });
  it("have the gradients of the f64 meaning", async () => {
    await fc.assert(
      fc.asyncProperty(programs({ steps: 10 }), async ({ b, graph, inputs, params }) => {
        const outputs = graph.results.map((r) => r.value).filter((v) => v.dtype === "f32");
        if (outputs.length === 0 || params.length === 0) return;
        const cotangents = outputs.map((o) => b.splat(1, o.shape));
        const gradients = vjp(b, outputs, cotangents, params);
        await check({ name: "gradients", results: gradients.map((value, i) => ({ name: `g${i}`, value })) }, inputs);
      }),
      { seed: seed + 1, numRuns },
    );
  });
});
