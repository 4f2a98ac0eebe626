import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gradient } from "../../compiler/autodiff.ts";
import { compileGraph } from "../../compiler/compile.ts";
import { uniformArrays } from "../../compiler/elaborate/testing.ts";
import { parseGraph } from "../../compiler/ir/parseText.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { requireVerified } from "../../compiler/ir/verify.ts";
import { graphInputs, graphValues } from "../../compiler/ir/walk.ts";
import type { LegStore } from "../../compiler/legContent.ts";
import { flatOps } from "../../compiler/plan/ops.ts";
import type { PlanRepeat } from "../../compiler/plan/plan.ts";
import { printPlan } from "../../compiler/plan/print.ts";
import { verifyPlan } from "../../compiler/plan/verify.ts";
import { largestError, probeLoss } from "../../compiler/reference/differences.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { array } from "../../compiler/reference/ndarray.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { eightLanes, fourLanes } from "../targets.ts";
import { ddimProgram } from "./ddim.ts";
import { elaborated, foldPrograms } from "./foldPrograms.ts";

// A fold that is a loop means what it means unrolled: in f64, and as kernels in f32, draws to the last bit.

const environment = { seed: 7, microStep: 3, update: 3, progress: 0.1 };
const loopsIn = (graph: Graph): number => new Set(graphValues(graph).flatMap((v) => (v.op === "loop" ? [v.attrs.body] : []))).size;

describe("a fold over host numbers", () => {
  it("as a loop equals itself unrolled", () => {
    let loops = 0;
    fc.assert(
      fc.property(foldPrograms, ({ text, inputs }) => {
        const flat = elaborated(text, inputs, "never");
        const looped = elaborated(text, inputs, "always");
        expect(loopsIn(flat.graph)).toBe(0);
        loops += loopsIn(looped.graph);
        requireVerified(looped.graph, "elaborate");
        const wanted = evaluate(flat.graph, { ...inputs, ...uniformArrays(flat.uniforms, environment) });
        const reference = evaluate(looped.graph, { ...inputs, ...uniformArrays(looped.uniforms, environment) });
        expect(Object.keys(reference)).toEqual(Object.keys(wanted));
        const target = inputs.x!.data[0]! > 0 ? fourLanes : eightLanes;
        const run = interpretGraph(looped.graph, inputs, target, { uniforms: looped.uniforms, environment });
        for (const [name, { data }] of Object.entries(wanted)) {
          const scale = data.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
          for (const [i, x] of data.entries()) {
            const [exact, rough] = [Math.abs(reference[name]!.data[i]! - x) / scale, Math.abs(run[name]!.data[i]! - x) / scale];
            if (!(exact < 1e-11 && rough < 1e-4))
              expect.fail(
                `${name}[${i}] is ${reference[name]!.data[i]}, on a device ${run[name]!.data[i]}, for ${x}\n${text}\n${printGraph(looped.graph)}`,
              );
          }
        }
      }),
      { seed: 11, numRuns: 40 },
    );
    expect(loops).toBeGreaterThan(25);
  });

  it("of fifty sampler steps is one compiled body, and the step without guidance beside it", () => {
    const { graph, uniforms } = ddimProgram(50);
    expect(loopsIn(graph)).toBe(1);
    const plan = compileGraph(graph, uniforms, fourLanes);
    expect(verifyPlan(plan)).toEqual([]);
    const { ops } = plan.legs[0]!;
    const repeats = ops.flatMap((op) => (op.kind === "repeat" ? [op] : []));
    expect(repeats.map((r) => [r.count, r.what])).toEqual([[49, "sample"]]);
    expect(repeats[0]!.items.map((i) => [i.words, i.from.bytes])).toEqual([[8, 4 * 8 * 49]]);
    const counted = flatOps(ops);
    expect(counted.length).toBeLessThanOrEqual(35); // unrolled 665
    expect(plan.kernels.length).toBeLessThanOrEqual(18); // unrolled 78
    // The carried picture lies in a buffer of its own, and no copy of a run's values waits for the next run.
    expect(plan.legs[0]!.figures.peakBytes).toBeLessThan(80_000);
    expect(printPlan(plan)).toContain("repeat 49 {  # sample");
  });

  it("is unrolled where the body is small, short, does more, or is trained through", () => {
    const loopsOf = (body: string, length: number, model = "frozen"): number => {
      const text = `
import { Linear } from "std/nn.ada"
model net = Linear(8) ${model}
fn f(x: real[b, c: 8]) -> real[b, c: 8] {
  return fold([for i in 0..${length}: 0.1 * i], x, fn(y, s) => ${body})
}`;
      return loopsIn(
        elaborated(
          text,
          {
            x: array(
              [2, 8],
              Array.from({ length: 16 }, (_, i) => i / 16),
            ),
          },
          undefined,
        ).graph,
      );
    };
    const wide = "net(net(net(net(net(net(net(net(net(net(net(y))))))))))) * s";
    expect(loopsOf(wide, 4)).toBe(1);
    expect(loopsOf(wide, 3)).toBe(0);
    expect(loopsOf("net(y) * s", 33)).toBe(1);
    expect(loopsOf("net(y) * s", 32)).toBe(0);
    expect(loopsOf("sin(y * s)", 500)).toBe(0);
    expect(loopsOf("net(y) * s", 33, "trained")).toBe(0);
    expect(loopsOf("net(stop(y)) * s", 33, "trained")).toBe(0);
  });

  it("has the derivatives of the unrolled one", () => {
    fc.assert(
      fc.property(foldPrograms, ({ text, inputs }) => {
        const [flat, looped] = (["never", "always"] as const).map((loops) => {
          const { builder: b, graph, uniforms } = elaborated(text, inputs, loops);
          const loss = probeLoss(
            b,
            graph.results.map((r) => r.value),
          );
          const wanted = graphInputs({ name: "loss", results: [{ name: "loss", value: loss }] }).filter((v) => v.attrs.role !== "uniform");
          const results = gradient(b, loss, wanted).map((value, i) => ({ name: wanted[i]!.attrs.name, value }));
          return evaluate({ name: "gradients", results }, { ...inputs, ...uniformArrays(uniforms, environment) });
        });
        for (const [name, { data }] of Object.entries(flat!))
          expect(largestError(looped![name]!.data, data), `${name}\n${text}`).toBeLessThan(1e-9);
      }),
      { seed: 5, numRuns: 25 },
    );
  });

  it("prints, reads back and counts in a plan's text", () => {
    const { graph } = ddimProgram(50);
    const text = printGraph(graph);
    const read = parseGraph(text);
    if (!("graph" in read)) throw new Error(`${read.error.line}: ${read.error.message}`);
    expect(printGraph(read.graph)).toBe(text);
    const wrong = text.replace("count: 49", "count: 48");
    expect(parseGraph(wrong)).toMatchObject({ error: { message: expect.stringContaining("has not 48 elements") } });
  });

  it("is made of parts that are kept like legs", () => {
    const { graph, uniforms } = ddimProgram(8);
    const made = new Map<string, string>();
    let taken = 0;
    const legs: LegStore = {
      take: (key) => {
        const text = made.get(key);
        if (text !== undefined) taken++;
        return text === undefined ? null : JSON.parse(text);
      },
      keep: (key, _, kept) => made.set(key, JSON.stringify(kept)),
    };
    const first = compileGraph(graph, uniforms, fourLanes, { legs });
    expect([made.size, taken]).toEqual([3, 0]); // before the loop, its body, after it
    expect(compileGraph(graph, uniforms, fourLanes, { legs })).toEqual(first);
    expect(taken).toBe(3);
  });

  it("is refused in a plan where its items or what it keeps do not fit", () => {
    const { graph, uniforms } = ddimProgram(50);
    const plan = compileGraph(graph, uniforms, fourLanes);
    const leg = plan.legs[0]!;
    const changed = (change: (op: PlanRepeat) => PlanRepeat) => {
      const legs = [{ ...leg, ops: leg.ops.map((op) => (op.kind === "repeat" ? change(op) : op)) }];
      return verifyPlan({ ...plan, legs })
        .map((p) => p.message)
        .join("; ");
    };
    expect(changed((op) => ({ ...op, count: 0 }))).toContain("runs 0 times");
    expect(changed((op) => ({ ...op, items: op.items.map((i) => ({ ...i, uniform: 7 })) }))).toContain("items go to the uniforms");
    expect(changed((op) => ({ ...op, items: op.items.map((i) => ({ ...i, words: 3 })) }))).toContain("items of 3 words for 49 runs");
    expect(changed((op) => ({ ...op, ops: op.ops.slice(1) }))).toContain("not written before");
    const at = { buffer: leg.outputs[0]!.at.buffer, offset: 0, bytes: 16 };
    expect(changed((op) => ({ ...op, every: [{ from: at, to: at }] }))).toContain("of each of 49 runs in a range of 16");
  });
});
