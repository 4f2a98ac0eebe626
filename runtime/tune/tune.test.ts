import { expect, test } from "vitest";
import type { Plan } from "../../compiler/plan/plan.ts";
import { type HostArray, type Prepared, type TuneBench, type TuneJob, tuneJob } from "./tune.ts";

/** A candidate as the fake bench sees it: what it computes and how long it says that takes. */
interface Fake {
  readonly ms: number;
  readonly result?: readonly number[];
  readonly refuses?: string;
}
const right = [1, 2, 3, 4];

function setUp(fakes: readonly Fake[]): {
  readonly job: TuneJob;
  readonly bench: TuneBench;
  readonly timed: number[];
  readonly open: Set<number>;
} {
  const plans = fakes.map((_, i) => ({ compiler: `${i}` }) as Plan);
  const timed = fakes.map(() => 0);
  const open = new Set<number>();
  const prepare = async (plan: Plan, inputs: ReadonlyMap<string, HostArray>): Promise<Prepared | string> => {
    expect(inputs.get("x")).toEqual(Float32Array.of(5));
    const i = plans.indexOf(plan);
    const { ms, result = right, refuses } = fakes[i]!;
    if (refuses !== undefined) return refuses;
    open.add(i);
    return {
      output: async (name) => {
        expect(name).toBe("y");
        return Float32Array.from(result);
      },
      timed: async (repeats) => {
        timed[i]! += repeats;
        return ms * repeats;
      },
      release: () => void open.delete(i),
    };
  };
  const job: TuneJob = {
    what: "a kernel",
    candidates: plans.map((plan) => ({ plan })),
    inputs: () => new Map([["x", Float32Array.of(5)]]),
    expected: () => [{ output: "y", places: [0, 3], values: [1, 4] }],
  };
  return { job, bench: { prepare }, timed, open };
}

test("the fastest candidate wins, and everything is given back", async () => {
  const { job, bench, open } = setUp([{ ms: 4 }, { ms: 9 }, { ms: 2 }, { ms: 2.2 }]);
  expect(await tuneJob(job, bench)).toEqual({ best: 2, ms: 2, defaultMs: 4, tried: 4, rejected: 0 });
  expect(open.size).toBe(0);
});

test("a wrong candidate is refused before it is timed, however fast it is", async () => {
  const { job, bench, timed } = setUp([
    { ms: 4 },
    { ms: 0.1, result: [1, 2, 3, 4.1] },
    { ms: 0.1, result: [Number.NaN, 2, 3, 4] },
    { ms: 3 },
  ]);
  const reasons: string[] = [];
  const verdict = await tuneJob(job, bench, { onRejected: (i, reason) => reasons.push(`${i}: ${reason}`) });
  expect(verdict).toMatchObject({ best: 3, rejected: 2 });
  expect([timed[1], timed[2]]).toEqual([0, 0]);
  expect(reasons).toHaveLength(2);
  expect(reasons[0]).toContain("1: y is 4.09");
});

test("a candidate that does not run is refused; a default that does not is a mistake of ours", async () => {
  const { job, bench } = setUp([{ ms: 4 }, { ms: 1, refuses: "too many registers" }]);
  expect(await tuneJob(job, bench)).toMatchObject({ best: 0, rejected: 1 });
  const broken = setUp([{ ms: 4, result: [0, 0, 0, 0] }, { ms: 1 }]);
  await expect(tuneJob(broken.job, broken.bench)).rejects.toThrow("internal: tune: the default for a kernel is refused");
  expect(broken.open.size).toBe(0);
});

test("a gain of a hundredth is none", async () => {
  const { job, bench } = setUp([{ ms: 100 }, { ms: 99 }]);
  expect(await tuneJob(job, bench)).toMatchObject({ best: 0, ms: 100, defaultMs: 100 });
});

test("the last rounds take turns and are for a few; losers give their memory back at once", async () => {
  const fakes = [10, 1, 1.1, 1.15, 1.2, 1.25, 1.28, 30, 40].map((ms) => ({ ms }));
  const { job, bench, timed } = setUp(fakes);
  const verdict = await tuneJob(job, bench, { rounds: 3, turnMs: 1 });
  expect(verdict).toMatchObject({ best: 1, ms: 1, defaultMs: 10 });
  expect(timed.filter((n) => n > 3)).toHaveLength(5);
});
