import { type CompileOptions, compileEvaluate, compileTrain, compileWalk } from "../compiler/compile.ts";
import {
  type Elaborated,
  type EvaluateProgram,
  elaborateEvaluate,
  elaborateTrain,
  elaborateWalk,
  listEntries,
  type TrainProgram,
  type WalkProgram,
} from "../compiler/elaborate/index.ts";
import { verifyElaborated } from "../compiler/elaborate/verify.ts";
import { TooLarge } from "../compiler/memory/windows.ts";
import type { EvaluatePlan, Plan, PlanTarget, TrainPlan, WalkPlan } from "../compiler/plan/plan.ts";
import { type CheckedProgram, checkFully } from "../dsl/check/index.ts";
import type { Diagnostic } from "../dsl/diagnostic.ts";
import { hasErrors } from "../dsl/diagnostics.ts";
import { didYouMean } from "../dsl/nearest.ts";
import { loadProgram } from "../dsl/program.ts";
import { LineIndex, renderDiagnostics } from "../dsl/render.ts";
import { diskHost, projectRootOf } from "../dsl/source.ts";
import type { Span } from "../dsl/span.ts";
import { type Checked, fail, good } from "../runtime/checkpoint/files.ts";
import type { CompileFile, CompileRequest, CompileResult, Problem } from "./job.ts";
import { type KeptBlock, keepBlock, keepFile, keptBlock, keptLegs, takeBlock, takeFile } from "./keptPlans.ts";
import { hashOfTexts, type PlanCache } from "./planCache.ts";
import { targetOf } from "./target.ts";
import { schedulesFor } from "./tuned.ts";

// The one way from a file to plans: load, names, check, elaborate, compile. In: a path, overrides (`--set`), a target. Out: one plan per
// block, train blocks first, or what is wrong as text for people. Warnings do not stop it and are given along.

export interface FileRequest {
  readonly file: string;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly target: PlanTarget;
  /** The one block; default: all. */
  readonly block?: string;
  readonly options?: CompileOptions;
  readonly colour?: boolean;
  /** Where plans are kept; without it everything is compiled. */
  readonly cache?: PlanCache | null;
}
export interface ElaboratedTrain {
  readonly kind: "train";
  readonly program: TrainProgram;
}
export interface ElaboratedEvaluate {
  readonly kind: "evaluate";
  readonly program: EvaluateProgram;
}
export interface ElaboratedWalk {
  readonly kind: "walk";
  readonly program: WalkProgram;
}
export type ElaboratedBlock = ElaboratedTrain | ElaboratedEvaluate | ElaboratedWalk;

/** A failure of the author's, as text; `status` is the exit status it calls for. */
export interface FileFailure {
  readonly ok: false;
  readonly text: string;
  readonly status: 1 | 2;
  /** The file, if nothing is wrong with it but that it has no block. */
  readonly withoutBlocks?: CheckedFile;
}
export interface CheckedFile {
  readonly ok: true;
  readonly checked: CheckedProgram;
  readonly sourceHash: string;
  /** Rendered warnings, or an empty text. */
  readonly warnings: string;
}
export interface ElaboratedFile extends CheckedFile {
  readonly blocks: readonly ElaboratedBlock[];
}
export interface CompiledBlock {
  readonly plan: Plan & { readonly program: TrainPlan | EvaluatePlan | WalkPlan };
  /** Milliseconds of this block's elaboration and compilation, and of reading and checking the file. */
  readonly compileMs: number;
  /** Whether the plan was kept from an earlier time. */
  readonly kept: boolean;
  /** Of a plan that was not, its legs in the order in which they were needed, and which of them were kept. Empty where nothing is kept. */
  readonly legs: readonly { readonly name: string; readonly kept: boolean }[];
}
export interface CompiledFile {
  readonly ok: true;
  readonly blocks: readonly CompiledBlock[];
  readonly sourceHash: string;
  readonly warnings: string;
}

/** Reads and checks a file with all it imports. */
export function checkFile({
  file,
  overrides = {},
  colour = false,
}: Pick<FileRequest, "file" | "overrides" | "colour">): CheckedFile | FileFailure {
  const host = diskHost(projectRootOf(file));
  if (!host.exists(file))
    return { ok: false, status: 2, text: `error: there is no file "${file}"\nhelp: name a program, as in pipelines/quickstart.ada\n` };
  const checked = checkFully(loadProgram(file, host));
  const text = rendered(checked, checked.diagnostics, colour);
  if (hasErrors(checked.diagnostics)) return { ok: false, status: 1, text };
  return { ok: true, checked, sourceHash: hashOf(checked, overrides), warnings: text };
}

/** A file that was compiled before, read again for what is compiled while it runs. */
export function readAgain(request: Pick<FileRequest, "file" | "overrides">): Checked<CheckedFile> {
  const read = checkFile(request);
  if (read.ok) return good(read);
  return fail("other program", `the program has changed since it was compiled: ${read.text.trim()}`, "run it again");
}

/** What is wrong with a program and is seen while it runs, as one sentence with its place; `help` where the diagnostic has none. */
export function lateProblem({ message, span, help: own }: Diagnostic, { checked }: CheckedFile, help: string): Problem {
  return { message: `${message} (${placesIn(checked)(span)})`, help: own ?? help };
}

/** The blocks of a file with concrete sizes. */
export function elaborateFile(request: Omit<FileRequest, "target">): ElaboratedFile | FileFailure {
  const read = checkFile(request);
  if (!read.ok) return read;
  const names = chooseBlocks(read, request);
  if ("text" in names) return names;
  const blocks: ElaboratedBlock[] = [];
  let { warnings } = read;
  for (const { kind, name } of names.blocks) {
    const made = elaborateBlock(read.checked, kind, name, request.overrides ?? {});
    if (!made.ok) return { ok: false, status: 1, text: rendered(read.checked, made.diagnostics, request.colour ?? false) };
    warnings += rendered(read.checked, made.warnings, request.colour ?? false);
    blocks.push(made.value);
  }
  return { ...read, warnings, blocks };
}

/** The blocks of a file as verified plans; what has not changed comes out of the cache, if there is one. */
export function compileBlocks(request: FileRequest): CompiledFile | FileFailure {
  const started = performance.now();
  const { cache = null, colour = false } = request;
  const whole = cache === null ? null : takeFile(cache, request);
  if (whole !== null) return whole;
  const read = checkFile(request);
  if (!read.ok) return read;
  const names = chooseBlocks(read, request);
  if ("text" in names) return names;
  const readMs = performance.now() - started;
  const blocks: CompiledBlock[] = [];
  const keys: KeptBlock[] = [];
  let { warnings } = read;
  for (const { kind, name } of names.blocks) {
    const begun = performance.now();
    const block = (plan: CompiledBlock["plan"], kept: boolean, legs: CompiledBlock["legs"] = []): CompiledBlock => ({
      plan,
      kept,
      legs,
      compileMs: readMs + performance.now() - begun,
    });
    const key = cache === null ? null : keptBlock(read.checked, name, request);
    if (key !== null) keys.push(key);
    const taken = key === null ? null : takeBlock(cache!, key, read.sourceHash);
    if (taken !== null) {
      blocks.push(block(taken, true));
      continue;
    }
    const made = elaborateBlock(read.checked, kind, name, request.overrides ?? {});
    if (!made.ok) return { ok: false, status: 1, text: rendered(read.checked, made.diagnostics, colour) };
    warnings += rendered(read.checked, made.warnings, colour);
    const legs = cache === null ? null : keptLegs(cache, request);
    const plan = compileBlock(
      made.value,
      read,
      legs === null ? request : { ...request, options: { ...request.options, legs: legs.store } },
    );
    if ("ok" in plan) return plan;
    // A block with warnings is compiled again each time, so that they are seen again.
    if (key !== null && made.warnings.length === 0) keepBlock(cache!, key, plan);
    blocks.push(block(plan, false, legs?.legs));
  }
  const made: CompiledFile = { ok: true, blocks, sourceHash: read.sourceHash, warnings };
  if (keys.length === blocks.length) keepFile(cache!, request, read.checked, made, keys);
  return made;
}

/** How `adac run` and `adac eval` compile: for the adapter they have opened. */
export const compileFile: CompileFile = (request) => compileFor(request, null);

/** The same with a cache. */
export const compileFileWith =
  (cache: PlanCache | null): CompileFile =>
  (request) =>
    compileFor(request, cache);

function compileFor({ file, overrides, adapter }: CompileRequest, cache: PlanCache | null): CompileResult {
  const schedules = schedulesFor(adapter);
  const made = compileBlocks({
    file,
    overrides,
    target: targetOf(adapter),
    options: schedules === undefined ? {} : { schedules },
    colour: process.stderr.isTTY === true,
    cache,
  });
  if (!made.ok) return made;
  if (made.warnings !== "") process.stderr.write(made.warnings);
  return {
    ok: true,
    trains: made.blocks.flatMap(({ plan }) => (isTrain(plan) ? [plan] : [])),
    evaluations: made.blocks.flatMap(({ plan }) => (isEvaluate(plan) ? [plan] : [])),
    walks: made.blocks.flatMap(({ plan }) => (isWalk(plan) ? [plan] : [])),
  };
}

export const isTrain = (plan: Plan): plan is Plan & { readonly program: TrainPlan } => plan.program.kind === "train";
const isEvaluate = (plan: Plan): plan is Plan & { readonly program: EvaluatePlan } => plan.program.kind === "evaluate";

export const isWalk = (plan: Plan): plan is Plan & { readonly program: WalkPlan } => plan.program.kind === "walk";

function elaborateBlock(
  checked: CheckedProgram,
  kind: ElaboratedBlock["kind"],
  name: string,
  overrides: Readonly<Record<string, string>>,
): Elaborated<ElaboratedBlock> {
  const { program, resolution } = checked;
  if (kind === "train") {
    const made = elaborateTrain(program, resolution, name, overrides);
    return made.ok ? { ...made, value: { kind, program: made.value } } : made;
  }
  if (kind === "walk") {
    const made = elaborateWalk(program, name, overrides);
    return made.ok ? { ...made, value: { kind, program: made.value } } : made;
  }
  const made = elaborateEvaluate(program, resolution, name, overrides);
  return made.ok ? { ...made, value: { kind, program: made.value } } : made;
}

/** Where spans begin, as people write it. */
export function placesIn(checked: CheckedProgram): (span: Pick<Span, "file" | "start">) => string {
  const lines = new Map<string, LineIndex>();
  return ({ file, start }) => {
    let index = lines.get(file);
    if (index === undefined) {
      index = new LineIndex(checked.program.files.get(file)?.text ?? "");
      lines.set(file, index);
    }
    const { line, column } = index.position(start);
    return `${file}:${line}:${column}`;
  };
}

/** One elaborated block as a plan, or why the target cannot run it. */
export function compileBlock(
  block: ElaboratedBlock,
  { checked, sourceHash }: Pick<CheckedFile, "checked" | "sourceHash">,
  { target, options: given = {}, colour = false }: Pick<FileRequest, "target" | "options" | "colour">,
): CompiledBlock["plan"] | FileFailure {
  const findings = given.verify === false ? [] : verifyElaborated(block.program);
  if (findings.length > 0) throw new Error(`internal: ${findings.slice(0, 4).join("; ")}`);
  const options: CompileOptions = { placeOf: placesIn(checked), ...given };
  let plan: Plan;
  try {
    plan =
      block.kind === "train"
        ? compileTrain(block.program, sourceHash, target, options)
        : block.kind === "walk"
          ? compileWalk(block.program, sourceHash, target, options)
          : compileEvaluate(block.program, sourceHash, target, options);
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    return { ok: false, status: 1, text: rendered(checked, [error.diagnostic], colour) };
  }
  if (!isTrain(plan) && !isEvaluate(plan) && !isWalk(plan))
    throw new Error(`internal: block ${block.program.name} became a plan of kind ${plan.program.kind}`);
  return plan;
}

type Chosen = { readonly blocks: readonly { readonly kind: ElaboratedBlock["kind"]; readonly name: string }[] };

function chooseBlocks(read: CheckedFile, { file, block }: Pick<FileRequest, "file" | "block">): Chosen | FileFailure {
  const { train, evaluate, walk } = listEntries(read.checked.program);
  const all = [
    ...train.map((name) => ({ kind: "train" as const, name })),
    ...evaluate.map((name) => ({ kind: "evaluate" as const, name })),
    ...walk.map((name) => ({ kind: "walk" as const, name })),
  ];
  const names = all.map((one) => one.name);
  if (all.length === 0)
    return {
      ok: false,
      status: 1,
      text: `error: ${file} has no block to compile\nhelp: write one: \`train NAME { … }\` or \`evaluate NAME { … }\`\n`,
      withoutBlocks: read,
    };
  if (block === undefined) return { blocks: all };
  const chosen = all.filter((one) => one.name === block);
  if (chosen.length > 0) return { blocks: chosen };
  return {
    ok: false,
    status: 2,
    text: `error: ${file} has no block ${block}\nhelp: ${didYouMean(block, names) ?? `it has: ${names.join(", ")}`}\n`,
  };
}

function rendered(checked: CheckedProgram, diagnostics: readonly Diagnostic[], colour: boolean): string {
  if (diagnostics.length === 0) return "";
  return `${renderDiagnostics(diagnostics, (id) => checked.program.files.get(id)?.text, { colour })}\n`;
}

/** Of every source file by name and content, and of the overrides by name: what a checkpoint must agree with. */
function hashOf(checked: CheckedProgram, overrides: Readonly<Record<string, string>>): string {
  const files = [...checked.program.files.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).flatMap(({ id, text }) => ["file", id, text]);
  const set = Object.entries(overrides).sort(([a], [b]) => (a < b ? -1 : 1));
  return hashOfTexts([...files, ...set.flatMap(([key, value]) => ["set", key, value])]);
}
