import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Region } from "../compiler/fuse/region.ts";
import type { UniformDecl } from "../compiler/plan/host.ts";
import { compilerVersion } from "../compiler/planBuilder.ts";
import { scheduleText } from "../compiler/schedule/candidates.ts";
import { tuneTasks } from "../compiler/tune.ts";
import { realFiles, replaceFile } from "../runtime/checkpoint/files.ts";
import { openDevice } from "../runtime/device/openDevice.ts";
import { deviceBench } from "../runtime/tune/bench.ts";
import { printTuned, type ScheduleRecord, type Tuned, type TunedBucket, tunedFor, tunedKey, withFound } from "../runtime/tune/cache.ts";
import { tuneJob } from "../runtime/tune/tune.ts";
import { compileBlocks } from "./compileFile.ts";
import { problemText, processStreams, type Streams } from "./job.ts";
import { targetOf } from "./target.ts";
import { readTuned, tunedFile } from "./tuned.ts";

// `adac tune FILE`: tries the candidates of each bucket of shapes that the file's kernels fall into, on the adapter at hand, and keeps the
// fastest. What is known already is not tried again; what has been found is written after every bucket, so it may be stopped at any time.

export interface TuneRequest {
  readonly file: string;
  readonly driver?: string;
  readonly block?: string;
  readonly overrides?: Readonly<Record<string, string>>;
  /** The file of findings; default: the user's. */
  readonly out?: string;
  /** Try again what is known. */
  readonly again?: boolean;
  /** At most so many buckets, those with most work first. */
  readonly most?: number;
  readonly streams?: Streams;
}

/** Runs the command; gives the exit status. */
export async function tuneCommand(request: TuneRequest): Promise<number> {
  const streams = request.streams ?? processStreams;
  const opened = await openDevice(request.driver === undefined ? {} : { driver: request.driver });
  if (!opened.ok) {
    streams.err.write(problemText({ message: opened.reason, help: opened.help }));
    return 1;
  }
  try {
    const target = targetOf(opened.adapter);
    const regions: Region[] = [];
    const made = compileBlocks({
      ...request,
      target,
      options: { onKernel: (_dispatch, _kernel, region) => regions.push(region) },
      colour: streams.err.isTTY === true,
    });
    if (!made.ok) {
      streams.err.write(made.text);
      return made.status;
    }
    streams.err.write(made.warnings);
    const uniforms: readonly UniformDecl[] = [
      ...new Map(made.blocks.flatMap(({ plan }) => plan.uniforms).map((u) => [u.name, u])).values(),
    ];
    const { tasks, skipped } = tuneTasks(regions, uniforms, target);
    const file = request.out ?? tunedFile();
    const key = tunedKey(opened.adapter, compilerVersion);
    let tuned: Tuned = readTuned(file, (text) => streams.err.write(text));
    const known = request.again === true ? new Map<string, ScheduleRecord>() : tunedFor(tuned, key);
    const wanted = tasks.filter((task) => !known.has(task.bucket)).slice(0, request.most ?? tasks.length);
    streams.err.write(`${opened.adapter.name}: ${tasks.length} buckets, ${tasks.length - wanted.length} known or left out\n`);
    if (skipped > 0) streams.err.write(`${skipped} kernels keep their defaults: 16-bit tensors, attention and scatters are not tuned\n`);
    const bench = deviceBench(opened);
    for (const task of wanted) {
      const reasons: string[] = [];
      const verdict = await tuneJob(task, bench, {
        onRejected: (n, reason) => reasons.push(`${scheduleText(task.candidates[n]!.schedule)}: ${reason}`),
      });
      const schedule = { ...task.candidates[verdict.best]!.schedule };
      const found: TunedBucket = { schedule, ms: rounded(verdict.ms), defaultMs: rounded(verdict.defaultMs) };
      const gain =
        verdict.best === 0
          ? "the default is best"
          : `${(verdict.defaultMs / verdict.ms).toFixed(2)}x the default, ${scheduleText(schedule)}`;
      streams.out.write(
        `${task.what} (${task.uses} of it): ${verdict.ms.toFixed(3)} ms, ${gain}; ${verdict.tried} tried, ${verdict.rejected} refused\n`,
      );
      for (const reason of reasons) streams.err.write(`  refused ${reason}\n`);
      tuned = withFound(tuned, key, target, { [task.bucket]: found });
      await replace(file, printTuned(tuned));
    }
    streams.err.write(`${file}: ${tunedFor(tuned, key).size} buckets\n`);
    return 0;
  } finally {
    opened.close();
  }
}

const rounded = (ms: number): number => Number(ms.toFixed(4));

async function replace(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.resolve(file)), { recursive: true });
  await replaceFile(realFiles, file, [new TextEncoder().encode(text)]);
}
