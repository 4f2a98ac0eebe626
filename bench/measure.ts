// Times contenders side by side: in turns, warm, medians. The machine's speed wanders, so only ratios of times taken in turns mean anything.

/** Something that can be run and waited for. */
export interface Contender {
  readonly name: string;
  /** Runs the work `repeats` times and waits for the end. */
  readonly run: (repeats: number) => Promise<void>;
  /** The same, and the milliseconds it took, where the clock is better read elsewhere. */
  readonly timed?: (repeats: number) => Promise<number>;
  /** What a time is multiplied by: more than 1 where only a part of the work is run. */
  readonly scale: number;
}

export interface Timing {
  readonly ms: number; // median
  readonly spread: number; // half the distance of the quartiles, as a share of the median
}

export interface MeasureOptions {
  readonly rounds: number;
  /** Short work is repeated until a turn takes about this long. */
  readonly turnMs: number;
  /** Fewer rounds, but two at least, where they would all together take longer than this. */
  readonly budgetMs: number;
}

const defaults: MeasureOptions = { rounds: 7, turnMs: 6, budgetMs: Number.POSITIVE_INFINITY };

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = at * (sorted.length - 1);
  const low = sorted[Math.floor(place)]!;
  const high = sorted[Math.ceil(place)]!;
  return low + (high - low) * (place - Math.floor(place));
}

/** Milliseconds of each contender, in their order. */
export async function measure(contenders: readonly Contender[], options: Partial<MeasureOptions> = {}): Promise<Timing[]> {
  const { rounds: wanted, turnMs, budgetMs } = { ...defaults, ...options };
  const repeats: number[] = [];
  let roundMs = 0;
  for (const contender of contenders) {
    await contender.run(1);
    const once = await timed(contender, 1);
    repeats.push(Math.max(1, Math.min(50, Math.ceil(turnMs / once))));
    roundMs += once * repeats[repeats.length - 1]!;
  }
  const rounds = Math.min(wanted, Math.max(2, Math.floor(budgetMs / roundMs)));
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) times[i]!.push((await timed(contender, repeats[i]!)) / repeats[i]!);
  }
  return times.map((list, i) => {
    const ms = median(list);
    return { ms: ms * contenders[i]!.scale, spread: (quantile(list, 0.75) - quantile(list, 0.25)) / 2 / ms };
  });
}

async function timed(contender: Contender, repeats: number): Promise<number> {
  if (contender.timed !== undefined) return contender.timed(repeats);
  const started = performance.now();
  await contender.run(repeats);
  return performance.now() - started;
}
