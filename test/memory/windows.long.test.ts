import { afterAll, beforeAll, expect, it } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import { targetOf } from "../../cli/target.ts";
import { compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";

// A tensor that is larger than 128 MiB, the least that a binding may have on any adapter, as it is: through a map and through sums.

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(`${result.reason} ${result.help}`);
  opened = result;
});
afterAll(() => opened?.close());

const [rows, columns] = [9001, 4096];

it("a tensor of 141 MiB through a map and sums", async () => {
  const b = new Builder();
  const x = b.input("x", [rows, columns]);
  const y = b.mul(b.add(x, 1), 0.5);
  const graph: Graph = {
    name: "large",
    results: [
      { name: "y", value: y },
      { name: "rows", value: b.sum(y, [1]) },
      { name: "columns", value: b.sum(y, [0]) },
    ],
  };
  const target = { ...targetOf(opened.adapter), maxBindingBytes: 2 ** 27 };
  const plan = compileGraph(graph, [], target);
  expect(plan.buffers.some((buffer) => buffer.bytes > 2 ** 27)).toBe(true);
  const data = new Float64Array(rows * columns);
  for (let i = 0; i < data.length; i++) data[i] = ((i * 37) % 128) / 64 - 1;
  const device = await DeviceGraph.create(opened, graph, [], {}, target);
  const found = await device.run({ x: { dtype: "f32", shape: [rows, columns], data } });
  device.dispose();
  const wanted = { rows: new Float64Array(rows), columns: new Float64Array(columns) };
  let wrong = 0;
  for (let i = 0; i < data.length; i++) {
    const value = (data[i]! + 1) * 0.5;
    wanted.rows[Math.floor(i / columns)]! += value;
    wanted.columns[i % columns]! += value;
    if (found.y!.data[i] !== value) wrong++;
  }
  expect(wrong).toBe(0);
  for (const name of ["rows", "columns"] as const) {
    for (const [i, value] of wanted[name].entries()) expect(Math.abs(found[name]!.data[i]! - value)).toBeLessThanOrEqual(1e-4 * value);
  }
});
