import { afterAll, beforeAll, expect, test } from "vitest";
import { targetOf } from "../../cli/target.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { createSession } from "../../runtime/execute/session.ts";
import { compileGraph } from "../compile.ts";
import type { NdArray } from "../ir/ops/row.ts";
import { graphInputs } from "../ir/walk.ts";
import type { PlanTarget } from "../plan/plan.ts";
import { evaluate } from "../reference/evaluate.ts";
import { wideContractions, wideRows } from "./workgroup.testing.ts";

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(result.reason);
  opened = result;
});
afterAll(() => opened.close());

test("kernels made for GPUs run on the adapter at hand and are the f64 meaning", async () => {
  const target: PlanTarget = { ...targetOf(opened.adapter), adapterClass: "gpu", subgroupSize: null, textureOperands: false };
  const contractions = wideContractions().filter(({ name }) => ["product 40x36x20 0", "product 17x21x5 3", "conv 2"].includes(name));
  for (const graph of [...contractions, wideRows(5, 77)]) {
    const made = await createSession(opened, compileGraph(graph, [], target), { poison: true });
    if (!made.ok) throw made.failure;
    const inputs: Record<string, NdArray> = {};
    for (const v of graphInputs(graph)) {
      const values = Float32Array.from({ length: v.shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.3 * i + v.id));
      inputs[v.attrs.name] = { dtype: "f32", shape: v.shape, data: Float64Array.from(values) };
      made.session.writeInput("main", v.attrs.name, values);
    }
    made.session.run("main");
    const expected = evaluate(graph, inputs);
    for (const { name } of graph.results) {
      const seen = await made.session.readOutput("main", name);
      const want = expected[name]!.data;
      const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
      const worst = want.reduce(
        (most, v, i) => Math.max(most, Number.isNaN(seen[i]!) ? Number.POSITIVE_INFINITY : Math.abs(seen[i]! - v)),
        0,
      );
      expect(worst / scale, `${graph.name} ${name}`).toBeLessThan(5e-5);
    }
    made.session.dispose();
  }
}, 120_000);
