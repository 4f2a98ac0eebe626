import { openDevice } from "../runtime/device/openDevice.ts";
import type { EvaluationOfRun } from "../runtime/report/report.ts";
import { createRunFolder, readRunManifest, runFolderOf } from "../runtime/train/runFolder.ts";
import { faceFinder } from "./faceFinder.ts";
import {
  type CompileFile,
  type EvaluateProgram,
  evaluateOn,
  evaluationText,
  isBlockName,
  type Problem,
  problemText,
  processStreams,
  type Streams,
  tokenizerFor,
  type WalkProgram,
} from "./job.ts";
import { modelSources, sourceOf, writeEvaluation, writeRunReport } from "./run.ts";
import { meansOf, walkOn, walkText } from "./walkRun.ts";

// `adac eval FILE`: runs the evaluate blocks of a file on what was trained before, and renews the report of that run. Exit status as `adac run`.

export interface EvalRequest {
  readonly file: string;
  /** The run whose models are evaluated; default: the latest of the block that an evaluation names. */
  readonly run?: string;
  /** The one evaluate block; default: all. */
  readonly block?: string;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly out?: string;
  readonly driver?: string;
  /** Where the vocabulary of the text model lies, for programs with prompts; default: where the run found it. */
  readonly tokenizer?: string;
  /** A TypeScript file that finds faces. */
  readonly faces?: string;
  readonly json?: boolean;
  readonly streams?: Streams;
}

/** Runs the command; gives the exit status. */
export async function evalCommand(request: EvalRequest, compile: CompileFile): Promise<number> {
  const streams = request.streams ?? processStreams;
  const out = request.out ?? "runs";
  const problem = (p: Problem, status = 1): number => {
    streams.err.write(problemText(p));
    return status;
  };
  const folders = new Map<string, string>();
  let overrides = request.overrides ?? {};
  let vocabulary = request.tokenizer;
  if (request.run !== undefined) {
    const folder = await runFolderOf(request.run);
    if (!folder.ok) return problem(folder.error);
    const manifest = await readRunManifest(folder.value);
    if (!manifest.ok) return problem(manifest.error);
    folders.set(manifest.value.block, folder.value);
    overrides = { ...manifest.value.overrides, ...overrides };
    vocabulary ??= manifest.value.tokenizer;
  }
  const opened = await openDevice(request.driver === undefined ? {} : { driver: request.driver });
  if (!opened.ok) return problem({ message: opened.reason, help: opened.help });
  try {
    const compiled = await compile({ file: request.file, overrides, adapter: opened.adapter });
    if (!compiled.ok) {
      streams.err.write(compiled.text.endsWith("\n") ? compiled.text : `${compiled.text}\n`);
      return 1;
    }
    const asked = (plan: EvaluateProgram | WalkProgram) => request.block === undefined || plan.program.name === request.block;
    const chosen = compiled.evaluations.filter(asked);
    const walks = compiled.walks.filter(asked);
    if (chosen.length + walks.length === 0) {
      const names = [...compiled.evaluations, ...compiled.walks].map((plan) => plan.program.name);
      const which = request.block === undefined ? "" : ` ${request.block}`;
      return problem(
        {
          message: `${request.file} has no evaluate block${which}`,
          help: names.length > 0 ? `it has: ${names.join(", ")}` : "write one: `evaluate NAME { … }`",
        },
        2,
      );
    }
    const tokenizer = await tokenizerFor(vocabulary, [...chosen, ...walks]);
    if (!tokenizer.ok) return problem(tokenizer.error);
    const faces = request.faces === undefined ? null : faceFinder(request.faces);
    if (faces?.ok === false) return problem(faces.error);
    const sources = modelSources(request.file, overrides, folders, out);
    // Evaluations of one run share its report.
    const byFolder = new Map<string, EvaluationOfRun[]>();
    const blockOf = new Map<string, string>();
    for (const plan of chosen) {
      const place = await folderOf(plan, folders, out);
      if (!place.ok) return problem(place.error);
      const result = await evaluateOn(opened, plan, sources(plan), streams, tokenizer.value);
      if (!result.ok) return problem(result.problem);
      if (!request.json) streams.out.write(evaluationText(plan.program.name, result.value.evaluation));
      const written = await writeEvaluation(place.value, plan, result.value);
      if (!written.ok) return problem(written.error);
      byFolder.set(place.value, [...(byFolder.get(place.value) ?? []), result.value]);
      blockOf.set(place.value, blockNames(plan)[0] ?? "");
    }
    const metrics: Record<string, number> = {};
    for (const plan of walks) {
      const place = await folderOf(plan, folders, out);
      if (!place.ok) return problem(place.error);
      const walked = await walkOn(opened, plan, {
        file: request.file,
        overrides,
        folder: place.value,
        sources: sources(plan),
        streams,
        tokenizer: tokenizer.value,
        faces: faces?.value,
      });
      if (!walked.ok) return problem(walked.problem);
      if (!request.json) streams.out.write(`${walkText(plan.program.name, walked.value)}folder: ${place.value}\n`);
      Object.assign(metrics, meansOf(walked.value));
    }
    for (const [folder, evaluations] of byFolder) {
      const train = compiled.trains.find((plan) => plan.program.name === blockOf.get(folder)) ?? null;
      const report = await writeRunReport(folder, train, request.file, opened, evaluations);
      if (!report.ok) return problem(report.error);
      if (!request.json) streams.out.write(`report: ${report.value}\n`);
    }
    if (request.json) {
      Object.assign(metrics, ...[...byFolder.values()].flat().map((row) => row.evaluation.metrics));
      streams.out.write(`${JSON.stringify({ metrics })}\n`);
    }
    return 0;
  } finally {
    opened.close();
  }
}

const blockNames = (plan: EvaluateProgram | WalkProgram): string[] =>
  plan.program.models.flatMap((model) => (model.from !== null && isBlockName(model.from) ? [model.from] : []));

/** The folder that an evaluation writes into: the run it evaluates, or a new one of its own. */
function folderOf(plan: EvaluateProgram | WalkProgram, folders: ReadonlyMap<string, string>, out: string) {
  const [block] = blockNames(plan);
  return block === undefined ? createRunFolder(out, plan.program.name) : sourceOf(block, folders, out);
}
