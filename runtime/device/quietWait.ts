// Waiting without burning a core. While one of Dawn's promises is pending, the Node binding polls it in a busy loop on the main thread; on
// an adapter that computes on the CPU this takes away a core (1.3x to 1.9x on everything). Here the loop polls hot for a short while, so
// that tiny work stays quick, and then sleeps between polls. Everything else on the event loop goes on between two polls.

export interface QuietWaitTimes {
  /** How long to poll without sleeping, in milliseconds. */
  readonly hot: number;
  /** How long to sleep between two polls afterwards, in milliseconds. */
  readonly sleep: number;
}

const defaultTimes: QuietWaitTimes = { hot: 0.3, sleep: 0.2 };
const cell = new Int32Array(new SharedArrayBuffer(4));

// All waits share one sleeper: two waits at once must not sleep twice per turn of the event loop.
let waiting = 0;
let sleeping = false;
let sleepFrom = 0;

async function sleepBetweenPolls(sleep: number): Promise<void> {
  sleeping = true;
  while (waiting > 0) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (waiting > 0 && performance.now() >= sleepFrom) Atomics.wait(cell, 0, 0, sleep);
  }
  sleeping = false;
}

/** Awaits `promise` (a pending operation of a device that computes on the CPU) with the main thread asleep most of the time. */
export async function quietWait<T>(promise: Promise<T>, times: QuietWaitTimes = defaultTimes): Promise<T> {
  waiting++;
  sleepFrom = Math.max(sleepFrom, performance.now() + times.hot);
  if (!sleeping) void sleepBetweenPolls(times.sleep);
  try {
    return await promise;
  } finally {
    waiting--;
  }
}
