import { basename } from "node:path";
import type { EvaluatePlan, Plan, TrainPlan, WalkPlan } from "../compiler/plan/plan.ts";
import type { Tokenizer } from "../compiler/plan/prompt.ts";
import { loadHostModule } from "../dsl/host/run.ts";
import { type Checked, fail, good } from "../runtime/checkpoint/files.ts";
import type { CallHost, DatasetProblem } from "../runtime/dataset/index.ts";
import type { AdapterFacts, OpenedDevice } from "../runtime/device/openDevice.ts";
import { createSession } from "../runtime/execute/session.ts";
import { openProgress, type Progress } from "../runtime/log/progress.ts";
import type { EvaluationOfRun } from "../runtime/report/report.ts";
import { openTokenizer } from "../runtime/tokenizer/readTokenizer.ts";
import { type Evaluation, evaluate } from "../runtime/train/evaluate.ts";
import { loadModels, type ModelSources } from "../runtime/train/models.ts";
import { openDataset } from "../runtime/train/sources.ts";

// What `adac run` and `adac eval` share: how a file becomes plans, what they print, and one evaluation from plan to numbers.

export type TrainProgram = Plan & { readonly program: TrainPlan };
export type EvaluateProgram = Plan & { readonly program: EvaluatePlan };
export type WalkProgram = Plan & { readonly program: WalkPlan };
export type BlockProgram = TrainProgram | EvaluateProgram | WalkProgram;

export interface CompileRequest {
  readonly file: string;
  readonly overrides: Readonly<Record<string, string>>;
  readonly adapter: AdapterFacts;
}
/** The blocks of a file as plans for an adapter, in the order of the file; or what is wrong with it, as text for people. */
export type CompileResult =
  | {
      readonly ok: true;
      readonly trains: readonly TrainProgram[];
      readonly evaluations: readonly EvaluateProgram[];
      readonly walks: readonly WalkProgram[];
    }
  | { readonly ok: false; readonly text: string };
export type CompileFile = (request: CompileRequest) => CompileResult | Promise<CompileResult>;

/** What goes wrong, for people: the message, and on a line of its own what helps. */
export interface Problem {
  readonly message: string;
  readonly help: string;
}
export const problemText = ({ message, help }: Problem): string => `error: ${message}\nhelp: ${help}\n`;

/** Where a command writes: results to one stream, everything about its progress to the other. */
export interface Streams {
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
}
export const processStreams: Streams = { out: process.stdout, err: process.stderr };

/** Says once per picture what was passed over; only the first few, then how to see all. */
export function problemNotes(note: (text: string) => void): (problem: DatasetProblem) => void {
  const shown = 5;
  let count = 0;
  return ({ file, message }) => {
    count++;
    if (count <= shown) note(`passed over ${file}: ${message}`);
    else if (count === shown + 1)
      note("further pictures are passed over without a word; `on_broken: fatal` in the data set makes them errors");
  };
}

/** The tokenizer that programs ask for: none where no prompt is; a prompt without one is a problem before anything is run. */
export async function tokenizerFor(path: string | undefined, plans: readonly BlockProgram[]): Promise<Checked<Tokenizer | undefined>> {
  const asking = plans.find(({ program }) => (program.prompts ?? []).length > 0);
  if (asking === undefined) return good(undefined);
  if (path !== undefined) return openTokenizer(path);
  return fail(
    "missing",
    `${asking.program.name} has prompts, and there is no tokenizer`,
    "say where the text model's vocabulary lies: --tokenizer DIR, a folder with merges.txt and vocab.json, or the merges as published (.txt.gz)",
  );
}

/** Calls a function of the project's TypeScript for an item of a data set. */
export const callProject: CallHost = (file, name, args) => {
  const fn = loadHostModule(file)[name];
  if (typeof fn !== "function") throw new TypeError(`${name} is no function`);
  return (fn as (...values: readonly unknown[]) => unknown)(...args);
};

export type EvaluatedResult = { readonly ok: true; readonly value: EvaluationOfRun } | { readonly ok: false; readonly problem: Problem };

/** One evaluate block on an open device. */
export async function evaluateOn(
  opened: OpenedDevice,
  plan: EvaluateProgram,
  sources: ModelSources,
  streams: Streams,
  tokenizer: Tokenizer | undefined,
  signal?: AbortSignal,
): Promise<EvaluatedResult> {
  const { program } = plan;
  const made = await createSession(opened, plan);
  if (!made.ok) return { ok: false, problem: made.failure };
  const { session } = made;
  let progress: Progress | undefined;
  const spec = program.dataset?.spec ?? null;
  const data =
    spec === null
      ? null
      : await openDataset(spec, {
          batch: program.batch,
          seed: program.seed,
          sequential: true,
          callHost: callProject,
          onProblem: problemNotes((text) => (progress === undefined ? streams.err.write(`${text}\n`) : progress.note(text))),
        });
  if (data !== null && "kind" in data) {
    session.dispose();
    return { ok: false, problem: data };
  }
  try {
    const total = data?.loader.batchesPerEpoch ?? 1;
    progress = openProgress({ what: `evaluating ${program.name}: batch`, total, from: 0, stream: streams.err });
    const outcome = await evaluate(session, data?.loader ?? null, {
      progress,
      prepare: () => loadModels(session, program, sources),
      ...(tokenizer === undefined ? {} : { tokenizer }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!outcome.ok) return { ok: false, problem: outcome.failure };
    const { evaluation } = outcome;
    const fileOf = (row: number) => data?.dataset.items[evaluation.collected.items[row]!]?.file ?? "";
    return { ok: true, value: { name: program.name, evaluation, fileOf } };
  } finally {
    progress?.stop();
    await data?.loader.close();
    session.dispose();
  }
}

/** `held_out: auc 0.9812 (eer 0.0613, …)`. */
export function evaluationText(name: string, evaluation: Evaluation): string {
  return evaluation.measures
    .map(({ name: measure, measured }) => {
      const further = Object.entries(measured.further)
        .map(([key, value]) => `${key} ${Number.isInteger(value) ? value : value.toFixed(4)}`)
        .join(", ");
      return `${name}: ${measure} ${measured.value.toFixed(4)}${further === "" ? "" : ` (${further})`}\n`;
    })
    .join("");
}

/** A name in `from` that stands for a train block, and not for a file or folder. */
export const isBlockName = (from: string): boolean => /^[A-Za-z_]\w*$/.test(from) && basename(from) === from;
