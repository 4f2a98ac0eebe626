import { peakPlans } from "../compiler/peakPlans.ts";
import { measurePeak } from "../runtime/execute/peak.ts";
import { profileLeg } from "../runtime/execute/profile.ts";
import type { Session } from "../runtime/execute/session.ts";
import { type DataWaits, knownPeak, type ProfileOfRun, profiledLegs, profileText, writeProfile } from "../runtime/report/profileReport.ts";
import type { Problem, Streams, TrainProgram } from "./job.ts";
import { targetOf } from "./target.ts";

// `adac run --profile`: when training is over (and saved), the legs of a micro-step are run again kernel by kernel on what is in memory.

/** Collects how long micro-steps waited for data. */
export class WaitClock {
  #count = 0;
  #total = 0;
  #longest = 0;
  readonly #started = performance.now();

  readonly add = (waited: number): void => {
    this.#total += waited;
    if (this.#count++ > 0) this.#longest = Math.max(this.#longest, waited);
  };
  waits(): DataWaits {
    return { microSteps: this.#count, waitedMs: this.#total, longestMs: this.#longest, trainingMs: performance.now() - this.#started };
  }
}

/** Profiles a session that has trained; writes profile.json and profile.html. Null when all went well. */
export async function profileRun(
  session: Session,
  plan: TrainProgram,
  { folder, data, streams }: { readonly folder: string; readonly data: DataWaits; readonly streams: Streams },
): Promise<Problem | null> {
  const { name, driver } = session.opened.adapter;
  const adapter = { name, driver };
  const peak = (await knownPeak(folder, adapter)) ?? (await measurePeak(session.opened, peakPlans(targetOf(session.opened.adapter))));
  const flopsOf = (leg: string): number => plan.legs.find((one) => one.name === leg)?.figures.flops ?? 0;
  const legs: ProfileOfRun["legs"][number][] = [];
  for (const leg of profiledLegs(plan.program, flopsOf)) legs.push(await profileLeg(session, leg, { repeats: 3 }));
  const run: ProfileOfRun = { name: folder.replace(/^.*[/\\]/, ""), adapter, peak, legs, data };
  streams.out.write(profileText(run));
  const written = await writeProfile(folder, run);
  if (!written.ok) return written.error;
  streams.out.write(`profile: ${written.value}\n`);
  return null;
}
