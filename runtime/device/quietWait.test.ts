import { expect, test, vi } from "vitest";
import { quietWait } from "./quietWait.ts";

/** A pending operation as Dawn's binding has it: the event loop is kept turning until it is done. */
function spinningOperation<T>(milliseconds: number, value: T): Promise<T> {
  const end = performance.now() + milliseconds;
  return new Promise((resolve) => {
    const poll = (): void => {
      if (performance.now() >= end) resolve(value);
      else setImmediate(poll);
    };
    poll();
  });
}

/** The share of one core that this process used while `body` ran. */
async function cpuShare(body: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  const start = performance.now();
  await body();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000 / (performance.now() - start);
}

test("a wait leaves most of the core to others", async () => {
  const shares: number[] = [];
  // The least of three: other work in the process may fall into one of them.
  for (let i = 0; i < 3; i++) shares.push(await cpuShare(() => quietWait(spinningOperation(150, 0))));
  expect(Math.min(...shares)).toBeLessThan(0.5);
});

/** How often the thread was put to sleep while `body` ran. */
async function sleepsDuring(body: () => Promise<unknown>): Promise<number> {
  const wait = vi.spyOn(Atomics, "wait");
  try {
    await body();
    return wait.mock.calls.length;
  } finally {
    wait.mockRestore();
  }
}

test("several waits at once share one sleep per turn", async () => {
  let turns = 0;
  let done = false;
  const count = (): void => {
    turns++;
    if (!done) setImmediate(count);
  };
  count();
  let values: number[] = [];
  const sleeps = await sleepsDuring(async () => {
    values = await Promise.all(Array.from({ length: 50 }, (_, i) => quietWait(spinningOperation(60, i))));
  });
  done = true;
  expect(values).toEqual(Array.from({ length: 50 }, (_, i) => i));
  // Were each to sleep on its own, a turn would take 50 sleeps.
  expect(sleeps).toBeGreaterThan(0);
  expect(sleeps).toBeLessThanOrEqual(turns + 1);
});

test("gives back values and errors", async () => {
  expect(await quietWait(Promise.resolve(7))).toBe(7);
  await expect(quietWait(Promise.reject(new Error("gone")))).rejects.toThrow("gone");
  // A failed wait must not keep the sleeper alive.
  const sleeps = await sleepsDuring(async () => {
    for (let i = 0; i < 1000; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  });
  expect(sleeps).toBe(0);
});
