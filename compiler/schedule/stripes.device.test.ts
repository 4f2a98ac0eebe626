import { afterAll, beforeAll, expect, test } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { Builder } from "../ir/builder.ts";
import type { NdArray } from "../ir/ops/row.ts";
import type { Graph } from "../ir/value.ts";
import { evaluate } from "../reference/evaluate.ts";

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(result.reason);
  opened = result;
});
afterAll(() => opened?.close());

const wave = (shape: readonly number[], stride: number, dtype: "f32" | "f16" = "f32"): NdArray => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype, shape, data: Float64Array.from({ length: size }, (_, i) => (((i * stride) % 61) - 30) / 32) };
};

// On adapters whose operands lie in textures, stripes are in the plan; elsewhere the same product is read from buffers.
test.each([
  [45, 520, 1088, "f32"],
  [33, 8192, 64, "f32"],
  [40, 1030, 1024, "f16"],
] as const)(
  "%i rows by a matrix of %i by %i %s are the f64 meaning",
  async (rows, k, columns, dtype) => {
    const b = new Builder();
    const weights = b.input("w", [k, columns], { dtype });
    const y = b.matmul(b.input("x", [rows, k]), dtype === "f16" ? b.cast(weights, "f32") : weights);
    const graph: Graph = { name: "product", results: [{ name: "y", value: y }] };
    const inputs = { x: wave([rows, k], 7), w: wave([k, columns], 11, dtype) };
    const expected = evaluate(graph, inputs).y!.data;
    const device = await DeviceGraph.create(opened, graph, []);
    for (let run = 0; run < 2; run++) {
      const actual = (await device.run(inputs)).y!.data;
      const worst = expected.reduce(
        (most, v, i) => Math.max(most, Number.isNaN(actual[i]!) ? Number.POSITIVE_INFINITY : Math.abs(actual[i]! - v)),
        0,
      );
      expect(worst).toBeLessThan(1e-2);
    }
    device.dispose();
  },
  60_000,
);
