import { afterAll, beforeAll, expect, test } from "vitest";
import { targetOf } from "../../cli/target.ts";
import { compileGraph } from "../../compiler/compile.ts";
import type { Region } from "../../compiler/fuse/region.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import { tuneTasks } from "../../compiler/tune.ts";
import { type OpenedDevice, openDevice } from "../device/openDevice.ts";
import { deviceBench } from "./bench.ts";
import { tuneJob } from "./tune.ts";

let opened: OpenedDevice;
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(result.reason);
  opened = result;
});
afterAll(() => opened.close());

test("every candidate runs on the device and is what the slow twin says", async () => {
  const b = new Builder();
  const x = b.input("x", [24, 40]);
  const product = b.matmul(x, b.input("w", [40, 36]));
  const graph = { name: "g", results: [product, b.sum(b.exp(x), [1])].map((value, i) => ({ name: `r${i}`, value })) };
  const target = targetOf(opened.adapter);
  const regions: Region[] = [];
  compileGraph(graph, [], target, { onKernel: (_dispatch, _kernel, region) => regions.push(region) });
  const { tasks } = tuneTasks(regions, [], target);
  expect(tasks.length).toBeGreaterThanOrEqual(2);
  for (const task of tasks) {
    const verdict = await tuneJob({ ...task, candidates: task.candidates.slice(0, 4) }, deviceBench(opened), { rounds: 1, turnMs: 0 });
    expect(verdict).toMatchObject({ rejected: 0 });
    expect(verdict.ms).toBeGreaterThan(0);
  }
}, 120_000);
