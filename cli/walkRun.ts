import path from "node:path";
import { compileWalkLeg } from "../compiler/compile.ts";
import {
  type HostTensor,
  type LiveWalk,
  nextRequest,
  startWalk,
  type WalkAnswer,
  type WalkLeg,
  type WalkRequest,
} from "../compiler/elaborate/index.ts";
import { TooLarge } from "../compiler/memory/windows.ts";
import type { Tokenizer } from "../compiler/plan/prompt.ts";
import type { Diagnostic } from "../dsl/diagnostic.ts";
import { numberedPath } from "../dsl/template.ts";
import type { Checked } from "../runtime/checkpoint/files.ts";
import type { OpenedDevice } from "../runtime/device/openDevice.ts";
import { RuntimeFailure } from "../runtime/execute/failure.ts";
import { createSession, type Session } from "../runtime/execute/session.ts";
import { loadModels, type ModelSources } from "../runtime/train/models.ts";
import { promptInput } from "../runtime/train/prompts.ts";
import { listFolders, readLines } from "../runtime/walk/files.ts";
import { picturesOf, readPicture, writePicture } from "../runtime/walk/pictures.ts";
import { type Measured, type ReportRow, reportRows, writeReportFiles } from "../runtime/walk/report.ts";
import { type CheckedFile, lateProblem, placesIn, readAgain } from "./compileFile.ts";
import type { FaceFinder } from "./faceFinder.ts";
import type { Problem, Streams, WalkProgram } from "./job.ts";

// A walk on a device. In: its plan, whose parameters are shared by all of its legs, and its program, which asks for one thing after the
// other. Out: pictures and reports below a folder. Legs that the plan does not have are compiled when they are first met, and kept.

export interface WalkOptions {
  readonly file: string;
  readonly overrides: Readonly<Record<string, string>>;
  /** Below it are all paths that the program writes. */
  readonly folder: string;
  readonly sources: ModelSources;
  readonly streams: Streams;
  readonly signal?: AbortSignal;
  readonly tokenizer?: Tokenizer | undefined;
  readonly faces?: FaceFinder | undefined;
}
export interface Walked {
  /** Everything that was measured. */
  readonly measured: readonly Measured[];
  readonly pictures: number;
  readonly files: readonly string[];
  /** How many legs were compiled on the way. */
  readonly compiled: number;
}
export type WalkResult = { readonly ok: true; readonly value: Walked } | { readonly ok: false; readonly problem: Problem };

/** Runs a walk to its end. */
export async function walkOn(opened: OpenedDevice, plan: WalkProgram, options: WalkOptions): Promise<WalkResult> {
  const again = readAgain(options);
  if (!again.ok) return { ok: false, problem: again.error };
  const read = again.value;
  const started = startWalk(read.checked.program, plan.program.name, options.overrides);
  if (!started.ok) return { ok: false, problem: problemOf(started.diagnostics[0]!, read) };
  const made = await createSession(opened, plan);
  if (!made.ok) return { ok: false, problem: made.failure };
  const driver = new WalkDriver(plan, made.session, started.value, read, options);
  try {
    made.session.run(plan.program.initLeg);
    const failure = await loadModels(made.session, plan.program, options.sources);
    return failure === null ? await driver.run() : { ok: false, problem: failure };
  } catch (error) {
    if (error instanceof RuntimeFailure) return { ok: false, problem: { message: error.message, help: error.help } };
    throw error;
  } finally {
    driver.dispose();
    made.session.dispose();
  }
}

const problemOf = (diagnostic: Diagnostic, read: CheckedFile): Problem =>
  lateProblem(diagnostic, read, "mend the program, or the file that it reads");

/** A thing that went wrong on the way; it ends the walk. */
class Stopped {
  readonly problem: Problem;
  constructor(problem: Problem) {
    this.problem = problem;
  }
}

/** Legs compiled on the way that are kept: one for each size of pictures. */
const legsKept = 24;
/** Pictures that are kept from one use to the next. */
const picturesKept = 64;

class WalkDriver {
  readonly #plan: WalkProgram;
  readonly #session: Session;
  readonly #walk: LiveWalk;
  readonly #read: CheckedFile;
  readonly #options: WalkOptions;
  readonly #late = new Map<string, Session>();
  readonly #measured: { readonly name: string; readonly value: number; readonly keys: readonly (readonly string[])[] }[] = [];
  readonly #numbers = new Map<string, number>(); // of pictures written, by path
  readonly #pictures = new Map<string, HostTensor>();
  readonly #files: string[] = [];
  #written = 0;
  #compiled = 0;

  constructor(plan: WalkProgram, session: Session, walk: LiveWalk, read: CheckedFile, options: WalkOptions) {
    this.#plan = plan;
    this.#session = session;
    this.#walk = walk;
    this.#read = read;
    this.#options = options;
  }

  async run(): Promise<WalkResult> {
    let answer: WalkAnswer | undefined;
    try {
      for (;;) {
        if (this.#options.signal?.aborted)
          throw new Stopped({ message: "the evaluation was stopped", help: "run it again with `adac eval`" });
        const next = nextRequest(this.#walk, answer);
        if (!next.ok) throw new Stopped(problemOf(next.diagnostic, this.#read));
        if (next.value.done === true) break;
        answer = await this.#answer(next.value.value);
      }
    } catch (error) {
      if (error instanceof Stopped) return { ok: false, problem: error.problem };
      throw error;
    }
    const measured = this.#measured.map(({ name, value }) => ({ name, value, keys: [name] }));
    return { ok: true, value: { measured, pictures: this.#written, files: this.#files, compiled: this.#compiled } };
  }

  dispose(): void {
    for (const session of this.#late.values()) session.dispose();
  }

  #note(text: string): void {
    this.#options.streams.err.write(`${text}\n`);
  }

  async #answer(request: WalkRequest): Promise<WalkAnswer> {
    switch (request.kind) {
      case "folders":
        return need(await listFolders(request, (message) => this.#note(message)));
      case "lines":
        return need(await readLines(request.file));
      case "load":
        return await this.#load(request.file);
      case "made": {
        const { faces } = this.#options;
        if (faces === undefined)
          throw new Stopped({
            message: `\`${request.name}\` needs someone who finds faces`,
            help: "name a TypeScript file whose default export does: --faces FILE.ts; or read pictures that are aligned already",
          });
        return need(await faces(request.of, request.args));
      }
      case "prompt": {
        const environment = { seed: this.#plan.program.seed, microStep: 0, update: 0, progress: 0, known: this.#walk.known };
        const made = promptInput([request.prompt], request.input, environment, this.#options.tokenizer);
        if (!made.ok) throw new Stopped(made.failure);
        return { dtype: made.array instanceof Float32Array ? "f32" : "i32", shape: [made.array!.length], data: made.array };
      }
      case "leg":
        return await this.#run(request.leg, request.inputs);
      case "write":
        await this.#write(request.picture, request.file);
        return null;
      case "measure":
        this.#measured.push(request.measure);
        return null;
      case "ended":
        this.#note(`${this.#plan.program.name}: ${request.reason}`);
        return null;
      case "report":
        for (const [i, report] of request.reports.entries()) {
          const rows = this.#measured.map(({ name, value, keys }) => ({ name, value, keys: keys[i]! }));
          this.#files.push(...need(await writeReportFiles(this.#options.folder, this.#plan.program.name, report, rows)));
        }
        return null;
      default:
        return request satisfies never;
    }
  }

  async #load(file: string): Promise<HostTensor> {
    const known = this.#pictures.get(file);
    if (known !== undefined) return known;
    const { shape, data } = need(await readPicture(file));
    const picture: HostTensor = { dtype: "f32", shape, data };
    this.#pictures.set(file, picture);
    const [oldest] = this.#pictures.keys();
    if (this.#pictures.size > picturesKept) this.#pictures.delete(oldest!);
    return picture;
  }

  async #write(picture: HostTensor, file: string): Promise<void> {
    for (const one of picturesOf({ shape: picture.shape, data: picture.data as Float32Array })) {
      const number = this.#numbers.get(file) ?? 0;
      this.#numbers.set(file, number + 1);
      need(await writePicture(one, path.join(this.#options.folder, numberedPath(file, number))));
      this.#written++;
    }
  }

  async #run(leg: WalkLeg, inputs: readonly HostTensor[]): Promise<readonly HostTensor[]> {
    const isPlanned = leg.key in this.#plan.program.legs;
    const session = isPlanned ? this.#session : await this.#lateSession(leg);
    const run = isPlanned ? leg.key : "main";
    const declared = new Set(session.plan.legs.find((one) => one.name === run)!.inputs.map((one) => one.name));
    for (const [i, input] of inputs.entries()) {
      if (declared.has(`in${i}`)) session.writeInput(run, `in${i}`, input.data!);
    }
    session.run(run);
    const names = leg.graph.results.map((r) => r.name);
    const values = await session.readLater(run, names).values();
    return leg.graph.results.map(({ name, value }) => ({ dtype: value.dtype, shape: value.shape, data: values[name]! }));
  }

  /** A leg that the plan does not have: for pictures of another size, or another way. */
  async #lateSession(leg: WalkLeg): Promise<Session> {
    const known = this.#late.get(leg.key);
    if (known !== undefined) {
      // The one that was used last goes to the end.
      this.#late.delete(leg.key);
      this.#late.set(leg.key, known);
      return known;
    }
    if (this.#late.size >= legsKept) {
      const [oldest] = this.#late.keys();
      this.#late.get(oldest!)!.dispose();
      this.#late.delete(oldest!);
    }
    let plan: ReturnType<typeof compileWalkLeg>;
    try {
      plan = compileWalkLeg(leg, this.#walk, this.#plan, { placeOf: placesIn(this.#read.checked) });
    } catch (error) {
      if (error instanceof TooLarge) throw new Stopped(problemOf(error.diagnostic, this.#read));
      throw error;
    }
    const made = await createSession(this.#session.opened, plan, { over: this.#session });
    if (!made.ok) throw made.failure;
    this.#compiled++;
    this.#late.set(leg.key, made.session);
    return made.session;
  }
}

function need<T>(checked: Checked<T>): T {
  if (!checked.ok) throw new Stopped(checked.error);
  return checked.value;
}

/** One row for each measure over everything, in the order of first sight. */
const overall = (measured: readonly Measured[]): readonly ReportRow[] =>
  reportRows({ statistics: ["mean", "ci95", "count"], by: ["metric"], files: [] }, measured);

/** The means over everything, by the names of the measures. */
export function meansOf({ measured }: Walked): Record<string, number> {
  return Object.fromEntries(overall(measured).map(({ keys, values }) => [keys[0]!, values[0]!]));
}

/** `celebrities: clip_text 0.2512 ± 0.0031 (96)`, one line for each measure over everything. */
export function walkText(name: string, { measured, pictures, files }: Walked): string {
  const lines = overall(measured).map(({ keys: [metric], values }) => {
    const [mean, ci95, count] = values as readonly [number, number, number];
    return `${name}: ${metric} ${mean.toFixed(4)}${count < 2 ? "" : ` ± ${ci95.toFixed(4)}`} (${count})\n`;
  });
  const made = pictures === 0 ? "" : `${name}: ${pictures} picture${pictures === 1 ? "" : "s"} written\n`;
  return `${lines.join("")}${made}${files.map((file) => `report: ${file}\n`).join("")}`;
}
