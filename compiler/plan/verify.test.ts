import { describe, expect, it } from "vitest";
import { linearRegression, plainTarget, range } from "../../test/plans/linearRegression.ts";
import type { Plan, PlanLeg, PlanOp, TrainPlan } from "./plan.ts";
import { RangeSet } from "./rangeSet.ts";
import { printProblem, verifyPlan } from "./verify.ts";

type Regression = Plan & { readonly program: TrainPlan };
const good = linearRegression(plainTarget);
const messages = (plan: Plan) => verifyPlan(plan).map(printProblem).join("\n");

function withLeg(name: string, change: (leg: PlanLeg) => PlanLeg): Regression {
  return { ...good, legs: good.legs.map((leg) => (leg.name === name ? change(leg) : leg)) };
}
type Dispatch = Extract<PlanOp, { kind: "dispatch" }>;
function withDispatch(name: string, change: (op: Dispatch) => PlanOp): Regression {
  return withLeg(name, (leg) => ({ ...leg, ops: leg.ops.map((op) => (op.kind === "dispatch" ? change(op) : op)) }));
}

describe("verifyPlan", () => {
  it("finds nothing wrong with a sound plan", () => {
    expect(messages(good)).toBe("");
  });

  const broken: readonly (readonly [string, Regression, RegExp])[] = [
    [
      "a binding outside its buffer",
      withDispatch("update", (op) => ({ ...op, bindings: [range(0, 64), ...op.bindings.slice(1)] })),
      /leg update op 0 \(descent\): binding 0: buffer 0 \(params\) bytes 0 to 64 is not inside/,
    ],
    [
      "an offset that is not aligned",
      withDispatch("update", (op) => ({ ...op, bindings: [range(0, 16, 16), ...op.bindings.slice(1)] })),
      /binding 0: .* is not aligned/,
    ],
    [
      "one buffer read and written",
      withDispatch("update", (op) => ({ ...op, bindings: [range(0, 32), range(2, 32), range(2, 32), op.bindings[3]!] })),
      /buffer 2 \(momentum\) is bound to read and to write/,
    ],
    [
      "two writable bindings that overlap",
      withDispatch("update", (op) => ({ ...op, bindings: [range(0, 32), range(1, 32), range(0, 16), op.bindings[3]!] })),
      /two writable bindings overlap/,
    ],
    ["a grid beyond the limit", withDispatch("update", (op) => ({ ...op, grid: [70000, 1, 1] })), /grid 70000 x 1 x 1/],
    [
      "a missing binding",
      withDispatch("update", (op) => ({ ...op, bindings: op.bindings.slice(1) })),
      /kernel descent takes 4 bindings, the dispatch gives 3/,
    ],
    [
      "a write to an input",
      withDispatch("fit.first", (op) => ({ ...op, bindings: [...op.bindings.slice(0, 4), range(3, 16)] })),
      /bound to read and to write/,
    ],
    [
      "an input that nobody declared",
      withLeg("fit.first", (leg) => ({ ...leg, inputs: leg.inputs.slice(1) })),
      /reads buffer 3 \(face.image\) bytes 0 to 64, of which bytes 0 to 64 were not written before/,
    ],
    [
      "an output that is never written",
      withLeg("fit.first", (leg) => ({ ...leg, ops: [] })),
      /leg fit.first \(output loss\): bytes 0 to 16 are never written/,
    ],
    ["a leg that is not there", { ...good, program: { ...good.program, updateLeg: "elsewhere" } }, /names the leg elsewhere/],
    [
      "a stored tensor over another",
      {
        ...good,
        program: { ...good.program, stored: [...good.program.stored, { ...good.program.stored[0]!, key: "again", at: range(0, 16) }] },
      },
      /stored tensor again: lies over model.weight/,
    ],
    [
      "a stored tensor in no order",
      { ...good, program: { ...good.program, stored: [{ ...good.program.stored[0]!, order: [1] }, ...good.program.stored.slice(1)] } },
      /stored tensor model.weight: lies in no order of its axes/,
    ],
    [
      "a stored tensor without a start",
      withLeg("init", (leg) => ({ ...leg, ops: leg.ops.slice(0, 1) })),
      /optimizer.m\/model.weight: leg init leaves/,
    ],
    [
      "a step that is not there",
      { ...good, program: { ...good.program, mix: { kind: "of", choices: [{ weight: { kind: "number", value: 1 }, step: "fly" }] } } },
      /mix names the step fly/,
    ],
    [
      "too many bindings",
      { ...good, target: { ...plainTarget, maxStorageBuffers: 4 } },
      /kernel gradient binds 5 storage buffers; the target allows 4/,
    ],
    ["a binding that is too large", { ...good, target: { ...plainTarget, maxBindingBytes: 16 } }, /one binding may have 16/],
    [
      "a copy inside one buffer",
      withLeg("init", (leg) => ({ ...leg, ops: [...leg.ops, { kind: "copy", from: range(0, 16), to: range(0, 16, 16) }] })),
      /leg init op 2 \(copy\): copies within buffer 0/,
    ],
    [
      "an input that is no field",
      withLeg("fit.first", (leg) => ({
        ...leg,
        inputs: leg.inputs.map((input) => ({ ...input, name: input.name.replace("subject", "age") })),
      })),
      /input face.age is no field of face/,
    ],
  ];
  it.each(broken)("names %s", (_, plan, expected) => {
    expect(messages(plan)).toMatch(expected);
  });

  it("follows a slot through a leg byte by byte", () => {
    const slot = { id: 7, name: "slot", bytes: 512, use: "slot" } as const;
    const reads = (bytes: number): Plan => ({
      ...good,
      buffers: [...good.buffers, slot],
      legs: good.legs.map((leg) =>
        leg.name === "init"
          ? {
              ...leg,
              ops: [...leg.ops, { kind: "clear", target: range(7, 256) }, { kind: "copy", from: range(7, bytes), to: range(1, bytes) }],
            }
          : leg,
      ),
    });
    expect(messages(reads(32))).toBe("");
    const partly: Plan = { ...reads(32), buffers: [...good.buffers.map((b) => (b.id === 1 ? { ...b, bytes: 512 } : b)), slot] };
    expect(messages(partly)).toBe("");
    const beyond = { ...partly, legs: reads(272).legs };
    expect(messages(beyond)).toMatch(/of which bytes 256 to 272 were not written/);
  });
});

describe("RangeSet", () => {
  it("joins, finds gaps, takes out", () => {
    const set = new RangeSet();
    set.add(0, 4);
    set.add(8, 12);
    expect(set.firstGap(0, 12)).toEqual({ from: 4, to: 8 });
    set.add(4, 8);
    expect(set.firstGap(0, 12)).toBeNull();
    expect(set.firstGap(0, 16)).toEqual({ from: 12, to: 16 });
    set.remove(2, 3);
    expect(set.firstGap(1, 6)).toEqual({ from: 2, to: 3 });
    expect(set.meets(2, 3)).toBe(false);
    expect(set.meets(2, 4)).toBe(true);
  });
});
