import type { PeakPlans, Plan } from "../../compiler/plan/plan.ts";
import type { OpenedDevice } from "../device/openDevice.ts";
import { createSession, type Session } from "./session.ts";

// What a device can do at most, as two kernels of a plan made for that find it: multiply-adds out of registers, and copying through memory.
// Each figure is the best of a few runs of some tens of milliseconds.

export interface DevicePeak {
  /** Floating point operations a second, a multiply-add counted as two. */
  readonly flops: number;
  /** Bytes read and written a second. */
  readonly bytes: number;
}

const runs = 4;
const wantedMs = 30;

/** Measures a device with the plans that the compiler has for it; takes about half a second. */
export async function measurePeak(opened: OpenedDevice, plans: PeakPlans): Promise<DevicePeak> {
  return { flops: await withSession(opened, plans.arithmetic, peakFlops), bytes: await withSession(opened, plans.copy, peakBytes) };
}

async function withSession(opened: OpenedDevice, plan: Plan, measure: (session: Session) => Promise<number>): Promise<number> {
  const made = await createSession(opened, plan);
  if (!made.ok) throw made.failure;
  try {
    return await measure(made.session);
  } finally {
    made.session.dispose();
  }
}

/** Milliseconds of one run. */
async function time(session: Session): Promise<number> {
  await session.finish();
  const started = performance.now();
  session.run("main");
  await session.finish();
  return performance.now() - started;
}
const figuresOf = ({ plan }: Session) => plan.legs[0]!.figures;

async function peakFlops(session: Session): Promise<number> {
  const timeOf = (rounds: number): Promise<number> => {
    session.writeUniforms(Uint32Array.of(rounds));
    return time(session);
  };
  // Products of numbers below one keep the chains away from infinities and from denormal numbers.
  session.writeInput("main", "from", Float32Array.of(0.5, 0.25, 0.75, 0.5, 1, 2, 3, 4));
  await timeOf(1);
  let rounds = 64;
  for (let ms = await timeOf(rounds); ms < wantedMs / 2 && rounds < 1 << 20; ms = await timeOf(rounds)) rounds *= 4;
  // The difference of two lengths leaves out what launching costs.
  let best = 0;
  for (let i = 0; i < runs; i++) {
    const seconds = ((await timeOf(2 * rounds)) - (await timeOf(rounds))) / 1000;
    if (seconds > 0) best = Math.max(best, (rounds * figuresOf(session).flops) / seconds);
  }
  return best;
}

async function peakBytes(session: Session): Promise<number> {
  await time(session);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) best = Math.min(best, await time(session));
  return figuresOf(session).bytesMoved / (best / 1000);
}
