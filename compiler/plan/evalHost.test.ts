import { describe, expect, test } from "vitest";
import { evaluateHost, hostOps, pickIndex, roundHalfEven } from "./evalHost.ts";
import type { HostDistribution, HostEnvironment, HostExpr } from "./host.ts";

const at = (microStep: number, seed = 1): HostEnvironment => ({
  seed,
  microStep,
  update: Math.floor(microStep / 2),
  progress: microStep / 100,
});
const number = (value: number): HostExpr => ({ kind: "number", value });
const draw = (distribution: HostDistribution, stream = "s"): HostExpr => ({ kind: "draw", stream, distribution });
const over = (expr: HostExpr, count: number) => Array.from({ length: count }, (_, i) => evaluateHost(expr, at(i)));

test("operations", () => {
  expect(hostOps.mod(-1, 3)).toBe(2);
  expect([0.5, 1.5, -0.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 0, 2, 3]);
  expect(hostOps.eq("a", "a")).toBe(true);
  expect(hostOps.add(true, 2)).toBe(3);
});
test("counters and conditions", () => {
  const condition: HostExpr = { kind: "op", op: "lt", args: [{ kind: "counter", name: "update" }, number(2)] };
  const then: HostExpr = { kind: "counter", name: "microStep" };
  const otherwise: HostExpr = { kind: "counter", name: "progress" };
  const expr: HostExpr = { kind: "if", condition, then, otherwise };
  expect(over(expr, 6)).toEqual([0, 1, 2, 3, 0.04, 0.05]);
});

describe("draws", () => {
  const uniform = draw({ kind: "uniform", low: number(2), high: number(4) });
  test("are a pure function of seed, stream and micro-step", () => {
    expect(over(uniform, 50)).toEqual(over(uniform, 50));
    expect(new Set(over(uniform, 50)).size).toBe(50);
    expect(evaluateHost(uniform, at(3, 2))).not.toBe(evaluateHost(uniform, at(3, 1)));
    expect(evaluateHost(draw({ kind: "uniform", low: number(2), high: number(4) }, "t"), at(3))).not.toBe(evaluateHost(uniform, at(3)));
  });
  test("stay inside and reach everything", () => {
    const values = over(uniform, 2000) as number[];
    expect(values.every((v) => v >= 2 && v < 4)).toBe(true);
    expect(Math.abs(values.reduce((a, b) => a + b, 0) / 2000 - 3)).toBeLessThan(0.05);
    expect(new Set(over(draw({ kind: "integer", low: number(3), high: number(6) }), 100))).toEqual(new Set([3, 4, 5]));
  });
  test("coins and picks have their probabilities", () => {
    const heads = over(draw({ kind: "coin", probability: number(0.3) }), 4000).filter((v) => v === true).length;
    expect(Math.abs(heads / 4000 - 0.3)).toBeLessThan(0.03);
    const picks = over(draw({ kind: "pick", values: [1, 3, 5, 7], weights: [0.4, 0.3, 0.2, 0.1].map(number), atMost: number(3) }), 4000);
    expect(new Set(picks)).toEqual(new Set([1, 3]));
    expect(Math.abs(picks.filter((v) => v === 1).length / 4000 - 4 / 7)).toBeLessThan(0.03);
  });
  test("weights of zero are never picked", () => {
    expect(pickIndex([0, 1, 0], 0)).toBe(1);
    expect(pickIndex([0, 1, 0], 0.999999)).toBe(1);
    expect(pickIndex([1, 1, 0], 0.9999999999999999)).toBe(1);
  });
});
