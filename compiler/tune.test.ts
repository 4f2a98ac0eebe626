import { describe, expect, it } from "vitest";
import { interpretGraph } from "../test/interpretPlan.ts";
import { eightLanes, fourLanes, gpu, noSubgroups, targets } from "../test/targets.ts";
import { compileGraph } from "./compile.ts";
import type { Region } from "./fuse/region.ts";
import { Builder } from "./ir/builder.ts";
import type { NdArray } from "./ir/ops/row.ts";
import type { Graph } from "./ir/value.ts";
import { graphInputs } from "./ir/walk.ts";
import type { PlanTarget } from "./plan/plan.ts";
import { verifyPlan } from "./plan/verify.ts";
import { evaluate } from "./reference/evaluate.ts";
import { candidatesFor, mostCandidates, scheduleText } from "./schedule/candidates.ts";
import { bucketOf, type KernelSchedule, type ScheduleBook } from "./schedule/target.ts";
import { tuneTasks } from "./tune.ts";

function graphOf(): Graph {
  const b = new Builder();
  const x = b.input("x", [20, 24]);
  const product = b.matmul(x, b.input("w", [24, 36]));
  const y = b.tanh(b.add(product, b.broadcastInDim(b.input("bias", [36]), product.shape, [1])));
  const rate = b.sum(b.mul(y, y), [1]);
  const picture = b.conv(b.input("p", [1, 4, 6, 8]), b.input("k", [8, 4, 3, 3]), { padLow: [1, 1], padHigh: [1, 1] });
  const columns = b.sum(b.exp(b.input("z", [12, 40])), [0]);
  const flags = b.where(b.eq(b.input("flags", [37], { dtype: "i32" }), 1), 2, b.input("u", [37]));
  const attended = b.make("attend", [b.input("q", [2, 20, 8]), b.input("keys", [2, 7, 8]), b.input("v", [2, 7, 5])], {
    part: "out",
    scale: 0.3,
  });
  return {
    name: "g",
    results: [attended, y, rate, picture, columns, flags, b.reduceMax(x, [1]), b.exp(b.input("m", [64, 8]))].map((value, i) => ({
      name: `r${i}`,
      value,
    })),
  };
}
function tasksOf(graph: Graph, target: PlanTarget) {
  const regions: Region[] = [];
  compileGraph(graph, [], target, { onKernel: (_dispatch, _kernel, region) => regions.push(region) });
  return tuneTasks(regions, [], target);
}
const inputsOf = (graph: Graph): Record<string, NdArray> =>
  Object.fromEntries(
    graphInputs(graph).map((v) => {
      const size = v.shape.reduce((a, b) => a * b, 1);
      const data = Float64Array.from({ length: size }, (_, i) => (v.dtype === "f32" ? Math.fround(Math.sin(1.7 * i + v.id)) : i % 3));
      return [v.attrs.name, { dtype: v.dtype, shape: v.shape, data }];
    }),
  );

describe("candidates", () => {
  it("all compute the same, for every kind of adapter", () => {
    const graph = graphOf();
    const inputs = inputsOf(graph);
    const expected = evaluate(graph, inputs);
    for (const [name, target] of Object.entries({ fourLanes, eightLanes, gpu })) {
      for (const { bucket, candidates, what } of tasksOf(graph, target).tasks) {
        expect(candidates.length).toBeLessThanOrEqual(mostCandidates);
        for (const { schedule, plan } of candidates.filter((_, i) => i % 8 === bucket.length % 8)) {
          expect(verifyPlan(plan), `${name}: ${what}`).toEqual([]);
          const actual = interpretGraph(graph, inputs, target, { schedules: { [bucket]: schedule } });
          for (const { name: result } of graph.results) {
            const want = expected[result]!.data;
            const scale = want.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
            const worst = want.reduce((m, v, i) => Math.max(m, Math.abs(actual[result]!.data[i]! - v)), 0);
            expect(worst / scale, `${name}: ${what} by ${scheduleText(schedule)}`).toBeLessThan(2e-5);
          }
        }
      }
    }
  });
  it("have the default first and no schedule twice", () => {
    for (const target of Object.values(targets)) {
      for (const { candidates } of tasksOf(graphOf(), target).tasks) {
        const texts = candidates.map((c) => scheduleText(c.schedule));
        expect(new Set(texts).size).toBe(texts.length);
        expect(candidates[0]!.plan.kernels[0]!.wgsl).not.toBe("");
      }
    }
  });
  it("are the only schedules that a book may bring in", () => {
    const graph = graphOf();
    const { tasks } = tasksOf(graph, fourLanes);
    const wild = Object.fromEntries(
      tasks.map((t): [string, KernelSchedule] => [t.bucket, { ...t.candidates[0]!.schedule, workgroup: 12345 }]),
    );
    const kernels = (schedules?: ScheduleBook) =>
      compileGraph(graph, [], fourLanes, schedules === undefined ? {} : { schedules }).kernels.map((k) => k.wgsl);
    expect(kernels(wild)).toEqual(kernels());
    const other = Object.fromEntries(tasks.map((t): [string, KernelSchedule] => [t.bucket, t.candidates[1]!.schedule]));
    expect(kernels(other)).not.toEqual(kernels());
  });
});

describe("tasks", () => {
  it("are one per bucket, and say what the f64 meaning is at places of each output", () => {
    const graph = graphOf();
    const { tasks, skipped } = tasksOf(graph, eightLanes);
    expect(skipped).toBe(0);
    expect(new Set(tasks.map((t) => t.bucket)).size).toBe(tasks.length);
    for (const task of tasks) {
      const leg = task.candidates[0]!.plan.legs[0]!;
      expect([...task.inputs().keys()].sort()).toEqual(leg.inputs.map((i) => i.name).sort());
      for (const { output, places, values } of task.expected()) {
        expect(leg.outputs.map((o) => o.name)).toContain(output);
        expect(values).toHaveLength(places.length);
        expect(values.every(Number.isFinite)).toBe(true);
      }
    }
  });
  it("name a bucket by all its facts", () => {
    const facts = { rows: 4, inner: 8, innerContiguous: true, argmax: false, types: "f32" };
    expect(bucketOf({ kind: "reduce", facts })).toBe("reduce rows=4 inner=8 innerContiguous=true argmax=false types=f32");
    expect(candidatesFor({ kind: "reduce", facts }, noSubgroups).every((c) => c.kind === "reduce")).toBe(true);
  });
});
