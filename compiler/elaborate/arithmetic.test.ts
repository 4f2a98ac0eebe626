import { describe, expect, test } from "vitest";
import { evaluateHost } from "../plan/evalHost.ts";
import type { HostExpr } from "../plan/host.ts";
import { evaluateValues } from "../reference/evaluate.ts";
import { applyBinary, applyUnary, binaryRows, type Dyadic, unaryRows } from "./arithmetic.ts";
import { Session } from "./session.ts";
import { firstStep } from "./testing.ts";
import { number, type ScalarVal, tensor, type Val } from "./values.ts";

// A number means the same whether it is known when compiling, per step, or only on the device.

const session = new Session(0);
const span = { file: "main.ada", start: 0, end: 0 };
const counters = ["update", "progress"] as const;
const perStep = (at: number): ScalarVal => ({
  kind: "host",
  expr: { kind: "counter", name: counters[at]! } satisfies HostExpr,
  type: "real",
});

/** The number that a value is, with host counters as given. */
function meaning(val: Val, given: readonly number[]): number {
  const environment = { ...firstStep, update: given[0]!, progress: given[1] ?? 0 };
  if (val.kind === "number" || val.kind === "bool") return Number(val.value) + 0;
  if (val.kind === "host") return Number(evaluateHost(val.expr, environment)) + 0;
  if (val.kind !== "tensor") throw new Error(`internal: ${val.kind} is no number`);
  const inputs = session.uniforms.map(({ name, expr }) => [
    name,
    { dtype: "f32", shape: [], data: [Number(evaluateHost(expr, environment))] },
  ]);
  return evaluateValues([val.value], Object.fromEntries(inputs))[0]!.data[0]! + 0;
}
/** Known, per step, and as a tensor. */
function threeWays(apply: (args: readonly Val[]) => Val, given: readonly number[]): number[] {
  const tensors = given.map((x) => tensor(session.builder.table([x], [1], "f32"), ["n"]));
  return [given.map(number), given.map((_, i) => perStep(i)), tensors].map((args) => meaning(apply(args), given));
}
const numbers = [-2.5, -1, -0.25, 0, 0.5, 1, 1.5, 2.5];

describe("arithmetic at the three binding times", () => {
  test.each(Object.keys(unaryRows))("%s", (name) => {
    for (const x of numbers) {
      const [known, host, device] = threeWays(([a]) => applyUnary(session, name, a!, span), [x]);
      expect([x, host, device]).toEqual([x, known, known]);
    }
  });
  test.each(Object.keys(binaryRows) as Dyadic[])("%s", (op) => {
    for (const x of numbers)
      for (const y of numbers) {
        const [known, host, device] = threeWays(([a, b]) => applyBinary(session, op, a!, b!, span), [x, y]);
        expect([x, y, host, device]).toEqual([x, y, known, known]);
      }
  });
});
