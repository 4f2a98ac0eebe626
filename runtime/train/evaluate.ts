import { type HostEnvironment, nothingKnown } from "../../compiler/plan/host.ts";
import type { EvaluatePlan } from "../../compiler/plan/plan.ts";
import type { Tokenizer } from "../../compiler/plan/prompt.ts";
import type { DatasetError } from "../dataset/folder.ts";
import type { Batch, FieldValue } from "../dataset/loader.ts";
import { RuntimeFailure } from "../execute/failure.ts";
import type { PendingRead, Session } from "../execute/session.ts";
import { noProgress, type Progress } from "../log/progress.ts";
import { type Collected, type Measured, measure } from "./metrics.ts";
import { promptInput } from "./prompts.ts";
import { uniformWords } from "./schedule.ts";
import type { TrainFailure } from "./trainer.ts";

// One pass over a data set with frozen models, then measures over all rows. Every picture counts once: the rows that fill up the last
// batch are dropped, and so are those that stand in for a broken picture.

/** Batches of a data set in its own order, each item once. */
export interface EvaluationSource {
  readonly batchesPerEpoch: number;
  batch(index: number): Promise<Batch | DatasetError>;
  validRows(index: number): number;
  itemsOf(index: number): readonly number[];
}
export interface EvaluationOptions {
  /** Puts the models' values in place after the init leg. */
  readonly prepare?: () => Promise<TrainFailure | null>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
  /** For programs with prompts. */
  readonly tokenizer?: Tokenizer;
}
export interface MeasuredRow {
  readonly name: string;
  readonly metric: string;
  readonly measured: Measured;
}
export interface Evaluation {
  readonly collected: Collected;
  readonly measures: readonly MeasuredRow[];
  /** All numbers by name, as report.json holds them. */
  readonly metrics: Readonly<Record<string, number>>;
}
export type EvaluationOutcome =
  | { readonly ok: true; readonly evaluation: Evaluation }
  | { readonly ok: false; readonly failure: TrainFailure };

const batchesUnderWay = 2;

/** Evaluates until every item has been seen once. */
export async function evaluate(
  session: Session,
  source: EvaluationSource | null,
  options: EvaluationOptions = {},
): Promise<EvaluationOutcome> {
  const program = session.plan.program;
  if (program.kind !== "evaluate") throw new Error(`internal: evaluate() was given a plan to ${program.kind}`);
  try {
    session.writeUniforms(wordsOf(session, environmentOf(program, 0, null)));
    session.run(program.initLeg);
    const failure = (await options.prepare?.()) ?? null;
    if (failure !== null) return { ok: false, failure };
    const collected = await collect(session, program, source, options);
    if (!("rows" in collected)) return { ok: false, failure: collected };
    const measures: MeasuredRow[] = [];
    for (const row of program.measures) {
      const result = measure(row, collected);
      if (!result.ok)
        return {
          ok: false,
          failure: {
            message: `${program.name}: ${row.name} cannot be measured: ${result.message}`,
            help: "check the data set that is evaluated",
          },
        };
      measures.push({ name: row.name, metric: row.metric, measured: result.measured });
    }
    return { ok: true, evaluation: { collected, measures, metrics: metricsOf(measures) } };
  } catch (error) {
    if (error instanceof RuntimeFailure) return { ok: false, failure: { message: error.message, help: error.help } };
    throw error;
  }
}

/** The measures as one flat record: `auc`, `auc/eer`, … */
function metricsOf(measures: readonly MeasuredRow[]): Record<string, number> {
  return Object.fromEntries(
    measures.flatMap(({ name, measured }) => [
      [name, measured.value] as const,
      ...Object.entries(measured.further).map(([further, value]) => [`${name}/${further}`, value] as const),
    ]),
  );
}

function wordsOf(session: Session, environment: HostEnvironment): Uint32Array {
  const words = new Uint32Array(session.plan.uniforms.length);
  uniformWords(session.plan.uniforms, environment, words);
  return words;
}

/** What is known of a batch before it is launched: its number, and what the host knows of its fields. */
function environmentOf({ seed, dataset }: EvaluatePlan, index: number, batch: Batch | null): HostEnvironment {
  const prefix = `${dataset?.setting}.`;
  return {
    seed,
    microStep: index,
    update: index,
    progress: 0,
    known: {
      ...nothingKnown,
      field: (field, at) => (field.startsWith(prefix) ? batch?.fields[field.slice(prefix.length)]?.[at] : undefined),
    },
  };
}

interface UnderWay {
  readonly read: PendingRead;
  readonly rows: readonly number[]; // of the batch, that count
  readonly fields: Readonly<Record<string, FieldValue>>;
  readonly items: readonly number[];
}

async function collect(
  session: Session,
  program: EvaluatePlan,
  source: EvaluationSource | null,
  options: EvaluationOptions,
): Promise<Collected | TrainFailure> {
  const leg = session.plan.legs.find((candidate) => candidate.name === program.leg)!;
  const outputs = leg.outputs.filter((output) => output.name.startsWith("collect."));
  const names = outputs.map((output) => output.name);
  const fieldNames = [...new Set(program.measures.flatMap((row) => row.args.flatMap((arg) => (arg.kind === "field" ? [arg.name] : []))))];
  const parts = new Map<string, Float32Array[]>(names.map((name) => [name, []]));
  const fields = new Map<string, (number | string)[]>(fieldNames.map((name) => [name, []]));
  const items: number[] = [];
  const settle = async ({ read, rows, fields: given, items: shown }: UnderWay) => {
    const values = await read.values();
    for (const output of outputs) {
      const width = output.shape.slice(1).reduce((a, b) => a * b, 1);
      const all = values[output.name]!;
      const kept = new Float32Array(rows.length * width);
      for (const [to, row] of rows.entries()) kept.set(all.subarray(row * width, (row + 1) * width), to * width);
      parts.get(output.name)!.push(kept);
    }
    for (const name of fieldNames) for (const row of rows) fields.get(name)!.push(given[name]![row]!);
    items.push(...rows.map((row) => shown[row]!));
  };
  const progress = options.progress ?? noProgress;
  const batches = source?.batchesPerEpoch ?? 1;
  const underWay: UnderWay[] = [];
  for (let index = 0; index < batches; index++) {
    if (options.signal?.aborted) return { message: "the evaluation was stopped", help: "run it again with `adac eval`" };
    const batch = source === null ? null : await session.opened.wait(source.batch(index));
    if (batch?.kind === "error") return { message: batch.message, help: batch.help };
    const environment = environmentOf(program, index, batch);
    for (const input of leg.inputs) {
      const made = promptInput(program.prompts, input.name, environment, options.tokenizer);
      if (!made.ok) return made.failure;
      const values = made.array ?? batch?.fields[input.name.slice(input.name.indexOf(".") + 1)];
      if (values === undefined || Array.isArray(values)) throw new Error(`internal: the batch has no numbers for ${input.name}`);
      session.writeInput(leg.name, input.name, values);
    }
    session.writeUniforms(wordsOf(session, environment));
    session.run(leg.name);
    const read = session.readLater(leg.name, names);
    const asked = source?.itemsOf(index);
    const valid = source === null ? program.batch : source.validRows(index);
    const rows = Array.from({ length: valid }, (_, row) => row).filter((row) => asked === undefined || batch?.items[row] === asked[row]);
    underWay.push({ read, rows, fields: batch?.fields ?? {}, items: batch?.items ?? rows });
    if (underWay.length > batchesUnderWay) await settle(underWay.shift()!);
    progress.update({ step: index + 1, loss: null });
  }
  for (const left of underWay) await settle(left);
  const tensors = new Map([...parts].map(([name, list]) => [name.slice("collect.".length), joined(list)]));
  return { rows: items.length, tensors, fields: new Map([...fields].map(([name, values]) => [name, typed(values)])), items };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function typed(values: readonly (number | string)[]): FieldValue {
  return values.some((value) => typeof value === "string") ? values.map(String) : Int32Array.from(values as readonly number[]);
}
