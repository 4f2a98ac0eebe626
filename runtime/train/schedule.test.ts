import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HostExpr } from "../../compiler/plan/host.ts";
import type { PlanMix, TrainPlan } from "../../compiler/plan/plan.ts";
import { linearRegression, plainTarget } from "../../test/plans/linearRegression.ts";
import { chooseStep, environmentOf, type MicroStep, microStepOf, uniformWords, waysOf } from "./schedule.ts";
import { MeanWindow } from "./window.ts";

const { program } = linearRegression(plainTarget, { microSteps: 1200, accumulate: 2 });
const number = (value: number): HostExpr => ({ kind: "number", value });
const of = (...rows: readonly (readonly [HostExpr, string])[]): PlanMix => ({
  kind: "of",
  choices: rows.map(([weight, step]) => ({ weight, step })),
});
const adaface: PlanMix = {
  kind: "every",
  count: 3,
  mix: of([number(1), "compose"]),
  otherwise: of([number(0.2), "distill"], [number(0.8), "reconstruct"]),
};
const chosen = (mix: PlanMix, count: number) =>
  Array.from({ length: count }, (_, i) => chooseStep(mix, environmentOf(program.settings, i)));

describe("the mix", () => {
  it("counts updates: all micro-steps of every third update compose", () => {
    const steps = chosen(adaface, 60);
    for (const [i, step] of steps.entries()) expect(step === "compose").toBe(Math.floor(i / 2) % 3 === 0);
  });

  it("draws by weight", () => {
    const steps = chosen(adaface, 1200).filter((step) => step !== "compose");
    const share = steps.filter((step) => step === "distill").length / steps.length;
    // Four standard errors of 800 draws.
    expect(Math.abs(share - 0.2)).toBeLessThan(0.057);
  });

  it("is a pure function of the micro-step, whatever was asked before", () => {
    const all = chosen(adaface, 100);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 99 }), (i) => {
        expect(chooseStep(adaface, environmentOf(program.settings, i))).toBe(all[i]);
      }),
      { seed: 3, numRuns: 50 },
    );
  });

  it("never chooses a weight of zero, and takes weights that change with progress", () => {
    const late: HostExpr = { kind: "op", op: "lt", args: [number(0.5), { kind: "counter", name: "progress" }] };
    const early: HostExpr = { kind: "op", op: "not", args: [late] };
    const steps = chosen(of([early, "early"], [late, "late"]), 1200);
    expect(steps.slice(0, 601).every((step) => step === "early")).toBe(true);
    expect(steps.slice(601).every((step) => step === "late")).toBe(true);
  });
});

describe("a micro-step", () => {
  const placed: HostExpr = { kind: "draw", stream: "fit.placed", distribution: { kind: "coin", probability: number(0.5) } };
  const many: HostExpr = { kind: "draw", stream: "fit.many", distribution: { kind: "pick", values: [1, 3, 5], weights: [], atMost: null } };
  const alternatives = [true, false].flatMap((coin) =>
    [1, 3, 5].map((count) => ({
      key: [coin, count],
      first: `fit.${coin}.${count}.first`,
      next: `fit.${coin}.${count}.next`,
      minimises: true,
    })),
  );
  const choosing: TrainPlan = { ...program, steps: [{ ...program.steps[0]!, choices: [placed, many], alternatives }] };

  it("finds the alternative that its choices name, and reaches all of them", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const micro = microStepOf(choosing, i);
      expect(microStepOf(choosing, i)).toEqual(micro);
      const ways = waysOf(micro.step, micro.environment, new Set());
      expect(ways).toHaveLength(1);
      seen.add(ways[0]!.first);
    }
    expect(seen.size).toBe(6);
  });

  it("differs with the seed", () => {
    const other = { ...choosing, settings: { ...choosing.settings, seed: 8 } };
    const first = ({ step, environment }: MicroStep) => waysOf(step, environment, new Set())[0]!.first;
    const firsts = (p: TrainPlan) => Array.from({ length: 20 }, (_, i) => first(microStepOf(p, i))).join();
    expect(firsts(other)).not.toBe(firsts(choosing));
  });
});

describe("uniforms", () => {
  it("are stored as the bits that kernels read", () => {
    const words = new Uint32Array(4);
    const counter: HostExpr = { kind: "counter", name: "microStep" };
    const uniforms = [
      { name: "a", dtype: "f32", expr: number(0.1) },
      { name: "b", dtype: "i32", expr: number(-2) },
      { name: "c", dtype: "u32", expr: counter },
      { name: "d", dtype: "f32", expr: { kind: "counter", name: "progress" } },
    ] as const;
    uniformWords(uniforms, environmentOf(program.settings, 300), words);
    expect([...words]).toEqual([0x3dcccccd, 0xfffffffe, 300, 0x3e800000]);
  });
});

describe("the window of means", () => {
  it("goes on from where a checkpoint left it", () => {
    const whole = new MeanWindow();
    const first = new MeanWindow();
    for (const value of [1, 2, 4]) whole.add("loss", value);
    for (const value of [1, 2]) first.add("loss", value);
    const second = new MeanWindow(JSON.parse(JSON.stringify(first.state())));
    second.add("loss", 4);
    expect(second.take()).toEqual(whole.take());
    expect(second.take()).toEqual({});
  });
});
