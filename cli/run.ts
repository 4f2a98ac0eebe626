import { join } from "node:path";
import type { Tokenizer } from "../compiler/plan/prompt.ts";
import { findCheckpoint, openCheckpoint } from "../runtime/checkpoint/checkpoint.ts";
import { type Checked, good, jsonBytes, realFiles, replaceFile, writeError } from "../runtime/checkpoint/files.ts";
import { type OpenedDevice, openDevice } from "../runtime/device/openDevice.ts";
import { createSession } from "../runtime/execute/session.ts";
import { readRows } from "../runtime/log/jsonl.ts";
import { clockText, openProgress, type Progress } from "../runtime/log/progress.ts";
import { type EvaluationOfRun, writeReport } from "../runtime/report/report.ts";
import { loadModels, type ModelSources } from "../runtime/train/models.ts";
import {
  createRunFolder,
  latestRun,
  type RunManifest,
  readRunManifest,
  runFolderOf,
  writeRunManifest,
} from "../runtime/train/runFolder.ts";
import { metricsFileName } from "../runtime/train/runLog.ts";
import { openDatasets } from "../runtime/train/sources.ts";
import { type TrainOutcome, train } from "../runtime/train/trainer.ts";
import { type FaceFinder, faceFinder } from "./faceFinder.ts";
import {
  type BlockProgram,
  type CompileFile,
  callProject,
  type EvaluateProgram,
  evaluateOn,
  evaluationText,
  isBlockName,
  type Problem,
  problemNotes,
  problemText,
  processStreams,
  type Streams,
  type TrainProgram,
  tokenizerFor,
  type WalkProgram,
} from "./job.ts";
import { profileRun, WaitClock } from "./profileRun.ts";
import { surgeonFor } from "./surgeon.ts";
import { walkOn, walkText } from "./walkRun.ts";

// `adac run FILE`: trains the train blocks of a file, evaluates what was trained and writes a report. Exit status: 0 done (or stopped by the
// user and saved), 1 something is wrong with the program, the data or the machine, 2 wrong usage.

export interface RunRequest {
  readonly file: string;
  /** A run folder or one of its checkpoints. */
  readonly resume?: string;
  /** Stop after this many micro-steps. */
  readonly steps?: number;
  readonly overrides?: Readonly<Record<string, string>>;
  /** Where run folders are made. */
  readonly out?: string;
  /** The one train block to run; default: all of the file. */
  readonly block?: string;
  readonly driver?: string;
  /** Where the vocabulary of the text model lies, for programs with prompts. */
  readonly tokenizer?: string;
  /** A TypeScript file that finds faces. */
  readonly faces?: string;
  /** Checkpoints that stay; null: all. */
  readonly keepLast?: number | null;
  /** Time every kernel when training is over. */
  readonly profile?: boolean;
  readonly streams?: Streams;
  /** Stops the run as Ctrl-C does. */
  readonly signal?: AbortSignal;
}

/** Runs the command; gives the exit status. */
export async function runCommand(request: RunRequest, compile: CompileFile): Promise<number> {
  const streams = request.streams ?? processStreams;
  const problem = (p: Problem, status = 1): number => {
    streams.err.write(problemText(p));
    return status;
  };
  const resumed = request.resume === undefined ? null : await findResumed(request.resume);
  if (resumed !== null && !resumed.ok) return problem(resumed.error);
  const opened = await openDevice(request.driver === undefined ? {} : { driver: request.driver });
  if (!opened.ok) return problem({ message: opened.reason, help: opened.help });
  const stop = stopOnInterrupt(streams, request.signal);
  try {
    const overrides = { ...resumed?.value.manifest.overrides, ...request.overrides };
    const compiled = await compile({ file: request.file, overrides, adapter: opened.adapter });
    if (!compiled.ok) {
      streams.err.write(compiled.text.endsWith("\n") ? compiled.text : `${compiled.text}\n`);
      return 1;
    }
    const block = resumed?.value.manifest.block ?? request.block;
    const trains = compiled.trains.filter((plan) => block === undefined || plan.program.name === block);
    if (trains.length === 0) {
      const names = compiled.trains.map((plan) => plan.program.name);
      const message = block === undefined ? `${request.file} has no train block` : `${request.file} has no train block ${block}`;
      return problem({ message, help: names.length > 0 ? `it has: ${names.join(", ")}` : "`adac eval FILE` runs its evaluate blocks" }, 2);
    }
    const tooMany = trains.find((plan) => (request.steps ?? 0) > plan.program.settings.microSteps);
    if (tooMany !== undefined)
      return problem(
        {
          message: `--steps ${request.steps} is beyond the ${tooMany.program.settings.microSteps} micro-steps of ${tooMany.program.name}`,
          help: `--steps only stops earlier; a longer run is --set micro_steps=${request.steps}`,
        },
        2,
      );
    const vocabulary = request.tokenizer ?? resumed?.value.manifest.tokenizer;
    const tokenizer = await tokenizerFor(vocabulary, [...trains, ...compiled.evaluations, ...compiled.walks]);
    if (!tokenizer.ok) return problem(tokenizer.error);
    const faces = request.faces === undefined ? null : faceFinder(request.faces);
    if (faces?.ok === false) return problem(faces.error);
    const folders = new Map<string, string>();
    const job: Job = {
      request,
      streams,
      opened,
      overrides,
      vocabulary,
      tokenizer: tokenizer.value,
      faces: faces?.value,
      signal: stop.signal,
      folders,
      sources: modelSources(request.file, overrides, folders, request.out ?? "runs"),
      resumed: resumed?.value ?? null,
    };
    for (const [i, plan] of trains.entries()) {
      const own = (candidate: EvaluateProgram | WalkProgram) => belongsTo(candidate, plan.program.name, i === trains.length - 1);
      const status = await runBlock(job, plan, compiled.evaluations.filter(own), compiled.walks.filter(own));
      if (status !== 0 || stop.signal.aborted) return status;
    }
    return 0;
  } finally {
    stop.release();
    opened.close();
  }
}

interface Resumed {
  readonly folder: string;
  readonly checkpoint: string;
  readonly manifest: RunManifest;
}
interface Job {
  readonly request: RunRequest;
  readonly streams: Streams;
  readonly opened: OpenedDevice;
  readonly overrides: Readonly<Record<string, string>>;
  readonly vocabulary: string | undefined;
  readonly tokenizer: Tokenizer | undefined;
  readonly faces: FaceFinder | undefined;
  readonly signal: AbortSignal;
  /** Run folders made so far, by train block. */
  readonly folders: Map<string, string>;
  readonly sources: ReturnType<typeof modelSources>;
  readonly resumed: Resumed | null;
}

async function findResumed(path: string): Promise<Checked<Resumed>> {
  const folder = await runFolderOf(path);
  if (!folder.ok) return folder;
  const manifest = await readRunManifest(folder.value);
  if (!manifest.ok) return manifest;
  const checkpoint = await findCheckpoint(path);
  return checkpoint.ok ? good({ folder: folder.value, checkpoint: checkpoint.value, manifest: manifest.value }) : checkpoint;
}

/** An evaluation goes with the block whose model it takes; one that takes none goes with the last. */
function belongsTo(evaluation: EvaluateProgram | WalkProgram, block: string, isLast: boolean): boolean {
  const blocks = evaluation.program.models.flatMap((model) => (model.from !== null && isBlockName(model.from) ? [model.from] : []));
  return blocks.includes(block) || (blocks.length === 0 && isLast);
}

/** First interrupt: finish the update, save, end. Second: end at once; what is saved stays. */
function stopOnInterrupt(streams: Streams, outer: AbortSignal | undefined): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (outer?.aborted) abort();
  outer?.addEventListener("abort", abort);
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    streams.err.write("\nfinishing this update, then saving (again: stop at once)\n");
    abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return {
    signal: controller.signal,
    release: () => {
      outer?.removeEventListener("abort", abort);
      process.removeListener("SIGINT", interrupt);
      process.removeListener("SIGTERM", interrupt);
    },
  };
}

/** One train block: train, evaluate, report. */
async function runBlock(
  job: Job,
  plan: TrainProgram,
  evaluations: readonly EvaluateProgram[],
  walks: readonly WalkProgram[],
): Promise<number> {
  const { streams, opened, request } = job;
  const { program } = plan;
  const failed = (problem: Problem): number => {
    streams.err.write(problemText(problem));
    return 1;
  };
  const made = job.resumed !== null ? good(job.resumed.folder) : await createRunFolder(request.out ?? "runs", program.name);
  if (!made.ok) return failed(made.error);
  const folder = made.value;
  job.folders.set(program.name, folder);
  const manifest: RunManifest = {
    format: 1,
    file: request.file,
    block: program.name,
    overrides: job.overrides,
    ...(job.vocabulary === undefined ? {} : { tokenizer: job.vocabulary }),
    compiler: plan.compiler,
    sourceHash: program.sourceHash,
    settings: program.settings,
    adapter: { name: opened.adapter.name, driver: opened.adapter.driver, features: opened.adapter.features },
    started: job.resumed?.manifest.started ?? new Date().toISOString(),
    status: "running",
    microSteps: null,
    failure: null,
  };
  const begun = await writeRunManifest(folder, manifest);
  if (!begun.ok) return failed(begun.error);
  const outcome = await trainBlock(job, plan, folder);
  const ended = await writeRunManifest(folder, {
    ...manifest,
    status: outcome.kind,
    microSteps: outcome.kind === "failed" ? null : outcome.counters.microStep,
    failure: outcome.kind === "failed" ? outcome.failure.message : null,
  });
  if (outcome.kind === "failed") {
    const last = outcome.lastCheckpoint === null ? "" : `the last checkpoint is ${outcome.lastCheckpoint}\n`;
    streams.err.write(`${problemText(outcome.failure)}${last}`);
    return 1;
  }
  if (!ended.ok) return failed(ended.error);
  const measured: EvaluationOfRun[] = [];
  if (outcome.kind === "finished")
    for (const evaluation of evaluations) {
      const result = await evaluateOn(opened, evaluation, job.sources(evaluation), streams, job.tokenizer, job.signal);
      if (!result.ok) return failed(result.problem);
      streams.out.write(evaluationText(evaluation.program.name, result.value.evaluation));
      const written = await writeEvaluation(folder, evaluation, result.value);
      if (!written.ok) return failed(written.error);
      measured.push(result.value);
    }
  if (outcome.kind === "finished")
    for (const walk of walks) {
      const options = {
        file: request.file,
        overrides: job.overrides,
        folder,
        sources: job.sources(walk),
        streams,
        signal: job.signal,
        tokenizer: job.tokenizer,
        faces: job.faces,
      };
      const walked = await walkOn(opened, walk, options);
      if (!walked.ok) return failed(walked.problem);
      streams.out.write(walkText(walk.program.name, walked.value));
    }
  const report = await writeRunReport(folder, plan, request.file, opened, measured);
  if (!report.ok) return failed(report.error);
  const resume = `adac run ${request.file} --resume ${folder}`;
  streams.out.write(
    outcome.kind === "stopped"
      ? `stopped after micro-step ${outcome.counters.microStep} and saved; go on with: ${resume}\n`
      : `run: ${folder}\nreport: ${report.value}\n`,
  );
  return 0;
}

async function trainBlock(job: Job, plan: TrainProgram, folder: string): Promise<TrainOutcome> {
  const { streams, opened, request } = job;
  const { program } = plan;
  const failed = (failure: Problem): TrainOutcome => ({ kind: "failed", failure, lastCheckpoint: job.resumed?.checkpoint ?? null });
  const total = Math.min(request.steps ?? program.settings.microSteps, program.settings.microSteps);
  let progress: Progress | undefined;
  const note = (text: string) => (progress === undefined ? streams.err.write(`${text}\n`) : progress.note(text));
  const resume = job.resumed === null ? null : await openCheckpoint(job.resumed.checkpoint);
  if (resume !== null && !resume.ok) return failed(resume.error);
  const data = await openDatasets(program.datasets, {
    batch: program.settings.batch,
    seed: program.settings.seed,
    sequential: false,
    callHost: callProject,
    onProblem: problemNotes(note),
  });
  if (!data.ok) {
    await resume?.value.close();
    return failed(data.error);
  }
  const started = performance.now();
  const made = await createSession(opened, plan);
  if (!made.ok) {
    await data.close();
    await resume?.value.close();
    return failed(made.failure);
  }
  const { session } = made;
  try {
    const from = resume?.value.manifest.counters.microStep ?? 0;
    note(
      `${program.name}: ${plan.kernels.length} kernels made in ${((performance.now() - started) / 1000).toFixed(1)} s on ${opened.adapter.name}; writing to ${folder}${from > 0 ? `; going on from micro-step ${from}` : ""}`,
    );
    progress = openProgress({ what: "step", total, from, stream: streams.err });
    const begun = performance.now();
    const clock = new WaitClock();
    const outcome = await train(session, data.sources, {
      onBatch: clock.add,
      folder,
      progress,
      signal: job.signal,
      prepare: () => loadModels(session, program, job.sources(plan)),
      ...(resume === null ? {} : { resume: resume.value }),
      ...(job.tokenizer === undefined ? {} : { tokenizer: job.tokenizer }),
      ...(request.steps === undefined ? {} : { steps: request.steps }),
      ...(request.keepLast === undefined ? {} : { keepLast: request.keepLast }),
    });
    progress.stop();
    const waits = clock.waits();
    if (outcome.kind === "finished")
      note(`${program.name}: ${outcome.counters.microStep} micro-steps, training took ${clockText((performance.now() - begun) / 1000)}`);
    if (request.profile && outcome.kind !== "failed") {
      const problem = await profileRun(session, plan, { folder, data: waits, streams });
      if (problem !== null) return { kind: "failed", failure: problem, lastCheckpoint: outcome.checkpoint };
    }
    return outcome;
  } finally {
    progress?.stop();
    await data.close();
    await resume?.value.close();
    session.dispose();
  }
}

/** Where the models of a block come from, and who fits them to it. `folders` are the runs made or named so far, by block. */
export function modelSources(
  file: string,
  overrides: Readonly<Record<string, string>>,
  folders: ReadonlyMap<string, string>,
  out: string,
): (plan: BlockProgram) => ModelSources {
  const find = (from: string) => sourceOf(from, folders, out);
  return (plan) => ({ find, surgeon: surgeonFor(file, overrides, plan) });
}

/** Where the source of a model lies: a run of this command, else the latest run of that block, else a path. */
export async function sourceOf(from: string, folders: ReadonlyMap<string, string>, out: string): Promise<Checked<string>> {
  if (!isBlockName(from)) return good(from);
  const own = folders.get(from);
  return own !== undefined ? good(own) : latestRun(out, from);
}

/** Writes the numbers of an evaluation where its `report` asks for them. */
export async function writeEvaluation(folder: string, plan: EvaluateProgram, measured: EvaluationOfRun): Promise<Checked<null>> {
  const to = plan.program.report;
  if (to === null) return good(null);
  const path = join(folder, to);
  try {
    await realFiles.mkdir(join(path, ".."), { recursive: true });
    await replaceFile(realFiles, path, [jsonBytes({ metrics: measured.evaluation.metrics })]);
    return good(null);
  } catch (error) {
    return writeError(`the report of ${plan.program.name}`, path, error);
  }
}

/** Writes report.html and report.json of a run from its log and its evaluations. */
export async function writeRunReport(
  folder: string,
  plan: TrainProgram | null,
  file: string,
  opened: OpenedDevice,
  evaluations: readonly EvaluationOfRun[],
): Promise<Checked<string>> {
  const log = await realFiles.readFile(join(folder, metricsFileName), "utf8").catch(() => "");
  return writeReport(folder, {
    name: folder.replace(/^.*[/\\]/, ""),
    file,
    program: plan?.program ?? null,
    adapter: opened.adapter,
    rows: readRows(String(log)),
    evaluations,
  });
}
