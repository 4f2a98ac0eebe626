import { join } from "node:path";
import { evaluateHost } from "../../compiler/plan/evalHost.ts";
import type { HostEnvironment } from "../../compiler/plan/host.ts";
import type { StoredTensor, TrainPlan } from "../../compiler/plan/plan.ts";
import type { Tokenizer } from "../../compiler/plan/prompt.ts";
import {
  type CheckpointCounters,
  loadTensors,
  type OpenedCheckpoint,
  programDifference,
  saveCheckpoint,
} from "../checkpoint/checkpoint.ts";
import { codeOf, type Files, writeError } from "../checkpoint/files.ts";
import type { DatasetError } from "../dataset/folder.ts";
import type { Batch } from "../dataset/loader.ts";
import { RuntimeFailure } from "../execute/failure.ts";
import type { HostArray, PendingRead, Session } from "../execute/session.ts";
import { noProgress, type Progress } from "../log/progress.ts";
import { picturesOf, writePicture } from "../walk/pictures.ts";
import { promptInput } from "./prompts.ts";
import { RunLog } from "./runLog.ts";
import { type MicroStep, microStepOf, uniformWords, type Way, waysOf } from "./schedule.ts";
import { Tables } from "./tables.ts";

// The training loop. In: a session of a train plan, a source of batches for each data setting, where to write. Out: a finished run, a
// stopped one, or what went wrong and which checkpoint is the last good one. Invariants: nothing in a step waits for that step's results;
// everything that decides a step is a function of the counters in the checkpoint; no checkpoint is written from values that are not finite.

export interface BatchSource {
  batch(index: number): Promise<Batch | DatasetError>;
}
export interface TrainOptions {
  /** The run folder: metrics.jsonl, the event file and checkpoints/ go there. */
  readonly folder: string;
  readonly resume?: OpenedCheckpoint;
  /** Puts starting values in place after the init leg: models that begin from files. Not called on resume. */
  readonly prepare?: () => Promise<TrainFailure | null>;
  /** Stop after this many micro-steps, counted from the start of the run; schedules still go by `micro_steps`. */
  readonly steps?: number;
  readonly keepLast?: number | null;
  readonly progress?: Progress;
  /** Asks the run to finish its update, save and end. */
  readonly signal?: AbortSignal;
  readonly files?: Files;
  /** Told for each micro-step how long it waited for its batch, in milliseconds. */
  readonly onBatch?: (waited: number) => void;
  /** For programs with prompts. */
  readonly tokenizer?: Tokenizer;
}
export interface TrainFailure {
  readonly message: string;
  readonly help: string;
}
export type TrainOutcome =
  | { readonly kind: "finished" | "stopped"; readonly counters: CheckpointCounters; readonly checkpoint: string }
  | { readonly kind: "failed"; readonly failure: TrainFailure; readonly lastCheckpoint: string | null };

/** Micro-steps that may be under way while the next one is prepared. */
const stepsUnderWay = 3;
const defaultKeepLast = 3;

/** A failure that ends the run; the border of `train` makes it a value. */
class RunEnd extends Error {
  readonly failure: TrainFailure;
  constructor(failure: TrainFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Trains until the program's last micro-step, a stop, or a failure. */
export async function train(
  session: Session,
  sources: Readonly<Record<string, BatchSource>>,
  options: TrainOptions,
): Promise<TrainOutcome> {
  const program = session.plan.program;
  if (program.kind !== "train") throw new Error(`internal: train() was given a plan to ${program.kind}`);
  const run = new Run(session, program, sources, options);
  try {
    return await run.go();
  } catch (error) {
    const failure = failureOf(error, options.folder);
    if (failure === null) throw error;
    return { kind: "failed", failure, lastCheckpoint: run.lastCheckpoint };
  } finally {
    await run.close();
  }
}

function failureOf(error: unknown, folder: string): TrainFailure | null {
  if (error instanceof RunEnd) return error.failure;
  if (error instanceof RuntimeFailure) return { message: error.message, help: error.help };
  // What has a code and is neither ours nor the device's is a file that could not be written.
  if (codeOf(error) !== "") return writeError("the log", folder, error).error;
  return null;
}

/** A read that is on its way, and what it belongs to. */
interface UnderWay {
  readonly micro: MicroStep;
  readonly endsUpdate: boolean;
  /** What happened in it, to be counted. */
  readonly events: readonly string[];
  readonly reads: readonly PendingRead[];
}

class Run {
  readonly #session: Session;
  readonly #program: TrainPlan;
  readonly #sources: Readonly<Record<string, BatchSource>>;
  readonly #options: TrainOptions;
  readonly #progress: Progress;
  readonly #words: Uint32Array;
  /** What a leg's host reads after it: the loss and what is logged. */
  readonly #readOf = new Map<string, readonly string[]>();
  readonly #underWay: UnderWay[] = [];
  readonly #batches: Record<string, number> = {};
  #tables: Tables;
  #microStep = 0;
  #minimised = false;
  #log: RunLog | null = null;
  lastCheckpoint: string | null = null;

  constructor(session: Session, program: TrainPlan, sources: Readonly<Record<string, BatchSource>>, options: TrainOptions) {
    this.#session = session;
    this.#program = program;
    this.#sources = sources;
    this.#options = options;
    this.#progress = options.progress ?? noProgress;
    this.#tables = new Tables(program.tables ?? []);
    this.#words = new Uint32Array(session.plan.uniforms.length);
    for (const leg of session.plan.legs)
      this.#readOf.set(
        leg.name,
        leg.outputs.map((output) => output.name).filter((name) => name === "loss" || name.startsWith("log.")),
      );
    for (const { setting } of program.datasets) this.#batches[setting] = 0;
  }

  async go(): Promise<TrainOutcome> {
    await this.#begin();
    const { settings } = this.#program;
    const wanted = Math.min(this.#options.steps ?? settings.microSteps, settings.microSteps);
    // Only whole updates can be saved.
    const end = Math.ceil(wanted / settings.accumulate) * settings.accumulate;
    let stopped = false;
    while (this.#microStep < end) {
      const atUpdate = this.#microStep % settings.accumulate === 0;
      if (atUpdate && this.#options.signal?.aborted) {
        stopped = true;
        break;
      }
      await this.#step();
      if (this.#microStep % settings.accumulate !== 0) continue;
      const update = this.#microStep / settings.accumulate;
      const { preview } = this.#program;
      if (preview !== undefined && update % preview.every === 0) await this.#preview(preview.leg, update);
      if (settings.saveEvery !== null && update % settings.saveEvery === 0 && this.#microStep < end) await this.#save();
    }
    const checkpoint = await this.#save();
    return { kind: stopped ? "stopped" : "finished", counters: this.#counters(), checkpoint };
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  async #begin(): Promise<void> {
    const { resume, folder } = this.#options;
    this.#session.writeUniforms(this.#uniformsOf(microStepOf(this.#program, 0).environment));
    this.#session.run(this.#program.initLeg);
    if (resume !== undefined) {
      const difference = programDifference(resume, this.#program);
      if (difference !== null) throw new RunEnd(difference);
      const loaded = await loadTensors(resume, this.#program.stored, (tensor, bytes, offset) =>
        this.#session.writeFloats(tensor, bytes, offset),
      );
      if (!loaded.ok) throw new RunEnd(loaded.error);
      const { counters, tables } = resume.manifest;
      this.#microStep = counters.microStep;
      Object.assign(this.#batches, counters.batches);
      this.#tables = new Tables(this.#program.tables ?? [], tables);
      this.lastCheckpoint = resume.folder;
    } else {
      const failure = (await this.#options.prepare?.()) ?? null;
      if (failure !== null) throw new RunEnd(failure);
      if (this.#program.copyLeg !== undefined) this.#session.run(this.#program.copyLeg);
    }
    await this.#session.finish();
    this.#log = await RunLog.open(folder, this.#microStep, resume?.manifest.log);
  }

  #uniformsOf(environment: HostEnvironment): Uint32Array {
    uniformWords(this.#session.plan.uniforms, environment, this.#words);
    return this.#words;
  }

  /** Launches one micro-step and, when it ends an update, the update. It waits only where the step reads. */
  async #step(): Promise<void> {
    const { settings } = this.#program;
    const micro = microStepOf(this.#program, this.#microStep);
    const place = micro.index % settings.accumulate;
    if (place === 0) this.#minimised = false;
    const batch = await this.#nextBatch(micro);
    const values = new Map<string, number | boolean>();
    const environment = this.#knowing(micro, batch, values);
    const way = await this.#chooseWay(micro, environment, batch, values);
    this.#tables.take(way.tables ?? [], environment);
    const leg = this.#minimised ? way.next : way.first;
    this.#writeInputs(leg, micro, environment, batch);
    this.#session.writeUniforms(this.#uniformsOf(environment));
    this.#session.run(leg);
    this.#tables.put(way.tables ?? [], environment);
    this.#minimised ||= way.minimises;
    const events = Object.entries(way.notes ?? {}).map(([name, text]) => `${name}.${evaluateHost(text, environment)}`);
    if (way.ended !== undefined) events.push(`ended.${way.ended}`);
    const reads = [this.#readLater(leg)];
    const endsUpdate = place === settings.accumulate - 1;
    if (endsUpdate && this.#minimised) {
      this.#session.run(this.#program.updateLeg);
      reads.push(this.#readLater(this.#program.updateLeg));
    }
    this.#underWay.push({ micro, endsUpdate, events, reads: reads.filter((read) => read !== null) });
    this.#microStep++;
    if (this.#underWay.length > stepsUnderWay) await this.#settle(this.#underWay.shift()!);
  }

  /** Runs the legs that end in a read, until one way through the step is left. */
  async #chooseWay(micro: MicroStep, environment: HostEnvironment, batch: Batch, values: Map<string, number | boolean>): Promise<Way> {
    const done = new Set<string>();
    for (;;) {
      const ways = waysOf(micro.step, environment, done);
      const next = ways[0]!.reads?.[done.size];
      if (next === undefined) return ways[0]!;
      this.#writeInputs(next.leg, micro, environment, batch);
      this.#session.writeUniforms(this.#uniformsOf(environment));
      this.#session.run(next.leg);
      const output = `read.${next.name}`;
      const found = (await this.#session.readLater(next.leg, [output]).values())[output]![0]!;
      values.set(next.name, next.type === "bool" ? found !== 0 : found);
      done.add(next.name);
    }
  }

  /** What the running step knows besides its counters. */
  #knowing(micro: MicroStep, batch: Batch, values: ReadonlyMap<string, number | boolean>): HostEnvironment {
    const { binder } = micro.step.dataset;
    const environment: HostEnvironment = {
      ...micro.environment,
      known: {
        field: (field, at) => {
          const value = field.startsWith(`${binder}.`) ? batch.fields[field.slice(binder.length + 1)]?.[at] : undefined;
          return value;
        },
        read: (name) => values.get(name),
        holds: (table, key) => this.#tables.holds(table, key),
        row: (table, key, use) => this.#tables.row(table, key, use, micro.environment),
        taken: (table, key, field, present) => this.#tables.taken(table, key, field, present),
      },
    };
    return environment;
  }

  async #nextBatch(micro: MicroStep): Promise<Batch> {
    const { setting } = micro.step.dataset;
    const source = this.#sources[setting];
    if (source === undefined) throw new Error(`internal: no batches for the data setting ${setting}`);
    const asked = performance.now();
    const batch = await this.#session.opened.wait(source.batch(this.#batches[setting]!));
    this.#options.onBatch?.(performance.now() - asked);
    if (batch.kind === "error") throw new RunEnd({ message: batch.message, help: batch.help });
    this.#batches[setting]!++;
    return batch;
  }

  /** Writes what a leg takes from the host: fields of the batch, and prompts. */
  #writeInputs(leg: string, micro: MicroStep, environment: HostEnvironment, batch: Batch): void {
    const { binder } = micro.step.dataset;
    for (const input of this.#session.plan.legs.find((candidate) => candidate.name === leg)!.inputs) {
      const made = promptInput(this.#program.prompts, input.name, environment, this.#options.tokenizer);
      if (!made.ok) throw new RunEnd(made.failure);
      const values = made.array ?? batch.fields[input.name.slice(binder.length + 1)];
      if (values === undefined || Array.isArray(values)) throw new Error(`internal: the host has no numbers for ${input.name}`);
      this.#session.writeInput(leg, input.name, values);
    }
  }

  #readLater(leg: string): PendingRead | null {
    const names = this.#readOf.get(leg)!;
    return names.length === 0 ? null : this.#session.readLater(leg, names);
  }

  /** Takes the results of a micro-step that has run: checks the loss and writes a row when one is due. */
  async #settle(done: UnderWay): Promise<void> {
    const { micro } = done;
    let loss: number | null = null;
    const { window } = this.#log!;
    for (const event of done.events) window.count(event);
    for (const read of done.reads)
      for (const [name, values] of Object.entries(await read.values())) {
        const value = values[0]!;
        if (name === "loss") loss = value;
        // `loss` is what was minimised; a program may log something else under that name.
        window.add(name === "loss" || name === "log.loss" ? name : name.slice("log.".length), value);
        if (name === "loss" && this.#program.steps.length > 1) window.add(`loss.${micro.step.name}`, value);
      }
    if (loss !== null && !Number.isFinite(loss)) throw new RunEnd(this.#diverged(micro, `the loss became ${loss}`));
    const step = micro.index + 1;
    this.#progress.update({ step, loss });
    const { logEvery, accumulate } = this.#program.settings;
    if (!done.endsUpdate || (step / accumulate) % logEvery !== 0) return;
    await this.#log!.write(step, step / accumulate, this.#rates(micro));
  }

  /** Learning rates, which the host knows. */
  #rates(micro: MicroStep): Record<string, number> {
    const rates = this.#session.plan.uniforms.filter(({ name }) => /(^|[./])lr$/.test(name));
    return Object.fromEntries(
      rates.map(({ name, expr }) => [rates.length === 1 ? "lr" : name, Number(evaluateHost(expr, micro.environment))]),
    );
  }

  #diverged(micro: MicroStep | null, what: string): TrainFailure {
    const index = micro?.index ?? this.#microStep - 1;
    const place = `micro-step ${index} (update ${Math.floor(index / this.#program.settings.accumulate)}${micro === null ? "" : `, step ${micro.step.name}`})`;
    const good = this.lastCheckpoint === null ? "no checkpoint was saved yet" : `the last good checkpoint is ${this.lastCheckpoint}`;
    return {
      message: `${what} in ${place}; ${good}`,
      help: "lower the learning rate or add `gradient clip_norm(1)`, then start again; a run resumed unchanged would end the same way",
    };
  }

  #counters(): CheckpointCounters {
    const { accumulate } = this.#program.settings;
    return { update: this.#microStep / accumulate, microStep: this.#microStep, batches: { ...this.#batches } };
  }

  /** Makes the pictures of a preview and writes them as `previews/000500-0.png`. */
  async #preview(leg: string, update: number): Promise<void> {
    const { environment } = microStepOf(this.#program, this.#microStep - 1);
    const { inputs, outputs } = this.#session.plan.legs.find((one) => one.name === leg)!;
    for (const input of inputs) {
      const made = promptInput(this.#program.prompts, input.name, environment, this.#options.tokenizer);
      if (!made.ok) throw new RunEnd(made.failure);
      if (made.array === null) throw new Error(`internal: a preview reads ${input.name}`);
      this.#session.writeInput(leg, input.name, made.array);
    }
    this.#session.writeUniforms(this.#uniformsOf(environment));
    this.#session.run(leg);
    const names = outputs.map((output) => output.name);
    const values = await this.#session.readLater(leg, names).values();
    const pictures = outputs.flatMap(({ name, shape }) => picturesOf({ shape, data: values[name] as Float32Array }));
    for (const [i, picture] of pictures.entries()) {
      const file = join(this.#options.folder, "previews", `${String(update).padStart(6, "0")}-${i}.png`);
      const written = await writePicture(picture, file);
      if (!written.ok) throw new RunEnd(written.error);
    }
  }

  /** Waits for everything under way and saves. */
  async #save(): Promise<string> {
    while (this.#underWay.length > 0) await this.#settle(this.#underWay.shift()!);
    const { plan, opened } = this.#session;
    const saved = await saveCheckpoint({
      root: join(this.#options.folder, "checkpoints"),
      manifest: {
        program: this.#program.name,
        sourceHash: this.#program.sourceHash,
        compiler: plan.compiler,
        settings: this.#program.settings,
        counters: this.#counters(),
        log: this.#log!.window.state(),
        ...(this.#program.tables === undefined ? {} : { tables: this.#tables.state() }),
        adapter: { name: opened.adapter.name, driver: opened.adapter.driver },
      },
      stored: this.#program.stored,
      read: (tensor) => this.#finite(tensor),
      keepLast: this.#options.keepLast === undefined ? defaultKeepLast : this.#options.keepLast,
      ...(this.#options.files === undefined ? {} : { files: this.#options.files }),
    });
    if (!saved.ok) throw new RunEnd(saved.error);
    this.lastCheckpoint = saved.value;
    return saved.value;
  }

  /** The bytes of a tensor; ends the run when one of its values is not finite, so that such a checkpoint is never written. */
  async *#finite(tensor: StoredTensor): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#session.readFloats(tensor)) {
      const values: HostArray = new Float32Array(piece.buffer as ArrayBuffer, piece.byteOffset, piece.length / 4);
      if (!values.every(Number.isFinite))
        throw new RunEnd(this.#diverged(null, `${tensor.key} has values that are not finite, seen while saving`));
      yield piece;
    }
  }
}
