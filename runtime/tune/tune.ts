import type { Plan } from "../../compiler/plan/plan.ts";

// The tuner: finds the fastest of several plans that must compute the same. In: the plans, numbers to run them on, what the slow twin says
// the results are, and a bench that runs and times. Out: which is fastest, by how much, and which were wrong. Nothing is timed before its
// result has been checked; what is nearly as fast as the best is timed again in turns, because the machine's speed wanders.

export type HostArray = Float32Array | Int32Array | Uint32Array;

export interface Trial {
  readonly plan: Plan;
}
export interface TuneJob {
  readonly what: string;
  /** The default first. */
  readonly candidates: readonly Trial[];
  readonly inputs: () => ReadonlyMap<string, HostArray>;
  readonly expected: () => readonly { readonly output: string; readonly places: readonly number[]; readonly values: readonly number[] }[];
}
export interface Prepared {
  /** The values of an output after a run into poisoned memory. */
  readonly output: (name: string) => Promise<HostArray>;
  /** Milliseconds of so many runs, waited for quietly. */
  readonly timed: (repeats: number) => Promise<number>;
  readonly release: () => void;
}
/** Where plans run. A plan that cannot run there is a text that says why. */
export interface TuneBench {
  readonly prepare: (plan: Plan, inputs: ReadonlyMap<string, HostArray>) => Promise<Prepared | string>;
}
export interface TuneOptions {
  readonly rounds?: number;
  /** Short work is repeated until a turn takes about this long. */
  readonly turnMs?: number;
  /** Hears of each candidate that is refused. */
  readonly onRejected?: (candidate: number, reason: string) => void;
}
export interface Verdict {
  /** The number of the fastest candidate. */
  readonly best: number;
  readonly ms: number;
  readonly defaultMs: number;
  readonly tried: number;
  readonly rejected: number;
}

/** What may be in the last rounds: at most so many candidates, none slower than so many times the best. */
const finalists = { most: 4, slower: 1.3 } as const;
/** A change for less than this share is not worth a line in the cache. */
const worthwhile = 0.03;
/** Share of the largest expected number by which a result may be off: f32 sums of some thousand terms stay a hundred times below it. */
const tolerance = 1e-3;

/** Finds the fastest candidate. A default that is wrong or does not run is a mistake of ours and throws. */
export async function tuneJob(job: TuneJob, bench: TuneBench, options: TuneOptions = {}): Promise<Verdict> {
  const { rounds = 7, turnMs = 6, onRejected } = options;
  const inputs = job.inputs();
  const expected = job.expected();
  const running: { readonly index: number; readonly prepared: Prepared; readonly quick: number; readonly repeats: number }[] = [];
  let rejected = 0;
  try {
    for (const [index, { plan }] of job.candidates.entries()) {
      const prepared = await bench.prepare(plan, inputs);
      const wrong = typeof prepared === "string" ? prepared : await difference(prepared, expected);
      if (typeof prepared === "string" || wrong !== null) {
        if (typeof prepared !== "string") prepared.release();
        if (index === 0) throw new Error(`internal: tune: the default for ${job.what} is refused: ${wrong}`);
        rejected++;
        onRejected?.(index, wrong!);
        continue;
      }
      const once = Math.min(await prepared.timed(1), await prepared.timed(1));
      const repeats = Math.max(1, Math.min(50, Math.ceil(turnMs / once)));
      const quick = repeats === 1 ? once : (await prepared.timed(repeats)) / repeats;
      running.push({ index, prepared, quick, repeats });
      // Memory is for those that may still win, and for the default.
      running.sort((a, b) => a.quick - b.quick);
      const rivals = running.filter((r) => r.index !== 0);
      const limit = finalists.slower * running[0]!.quick;
      for (const [place, rival] of rivals.entries()) {
        if (place < finalists.most && rival.quick <= limit) continue;
        rival.prepared.release();
        running.splice(running.indexOf(rival), 1);
      }
    }
    const times = running.map((): number[] => []);
    for (let round = 0; round < rounds; round++)
      for (const [i, { prepared, repeats }] of running.entries()) times[i]!.push((await prepared.timed(repeats)) / repeats);
    const medians = times.map(median);
    const defaultMs = medians[running.findIndex((r) => r.index === 0)]!;
    let best = 0;
    for (const [i, ms] of medians.entries()) if (ms < medians[best]!) best = i;
    const wins = medians[best]! < (1 - worthwhile) * defaultMs;
    return {
      best: wins ? running[best]!.index : 0,
      ms: wins ? medians[best]! : defaultMs,
      defaultMs,
      tried: job.candidates.length,
      rejected,
    };
  } finally {
    for (const { prepared } of running) prepared.release();
  }
}

/** The first place where a result is not what the slow twin says, as text. */
async function difference(prepared: Prepared, expected: ReturnType<TuneJob["expected"]>): Promise<string | null> {
  for (const { output, places, values } of expected) {
    const seen = await prepared.output(output);
    const scale = values.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 1e-3);
    for (const [i, place] of places.entries()) {
      const [want, have] = [values[i]!, seen[place]!];
      const equal = Number.isFinite(want) ? Math.abs(have - want) <= tolerance * scale : Object.is(have, want) || !Number.isFinite(have);
      if (!equal) return `${output} is ${have} at ${place}, not ${want}`;
    }
  }
  return null;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
