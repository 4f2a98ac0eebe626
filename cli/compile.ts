import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { CompileOptions, Stage } from "../compiler/compile.ts";
import { printModules } from "../compiler/elaborate/print.ts";
import { isPlanFolder, planFileName, planFolderFiles } from "../compiler/emit/folder.ts";
import { printTyped } from "../dsl/check/printTyped.ts";
import { printAst } from "../dsl/printAst.ts";
import { codeOf } from "../runtime/checkpoint/files.ts";
import { type CompiledBlock, checkFile, compileBlocks, elaborateFile, type FileFailure } from "./compileFile.ts";
import { type Problem, problemText, processStreams, type Streams } from "./job.ts";
import type { PlanCache } from "./planCache.ts";
import { namedTargets, type TargetName } from "./target.ts";
import { schedulesForTarget } from "./tuned.ts";

// `adac compile FILE`: a plan folder (`-o DIR`), or the text of any stage (`--emit STAGE`). A folder is made beside its place and then renamed,
// so that DIR is whole or not there; a folder of other content is refused.

const textStages = ["ast", "typed", "modules"] as const;
export type EmitStage = (typeof textStages)[number] | Stage;

export interface CompileFolderRequest {
  readonly file: string;
  readonly out?: string;
  readonly emit?: EmitStage;
  readonly target: TargetName;
  /** A file of tuned schedules to take. */
  readonly tuned?: string;
  readonly block?: string;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly options?: CompileOptions;
  readonly streams?: Streams;
  readonly cache?: PlanCache | null;
}

/** Runs the command; gives the exit status. */
export async function compileCommand(request: CompileFolderRequest): Promise<number> {
  const streams = request.streams ?? processStreams;
  const colour = streams.err.isTTY === true;
  if (request.out === undefined && request.emit === undefined) {
    streams.err.write(
      problemText({ message: "nothing to do: neither -o nor --emit is given", help: `adac compile ${request.file} -o plan` }),
    );
    return 2;
  }
  if (request.emit !== undefined) {
    const text = stageText({ ...request, emit: request.emit }, colour);
    if (typeof text !== "string") return failed(text, streams);
    streams.out.write(text);
    if (request.out === undefined) return 0;
  }
  const compiled = compileBlocks({ ...request, target: namedTargets[request.target], colour, options: optionsOf(request) });
  if (!compiled.ok) return failed(compiled, streams);
  streams.err.write(compiled.warnings);
  const plans = compiled.blocks.map(({ plan }) => plan);
  const { planBindings } = await import("../compiler/emit/bindings.ts");
  const files = new Map(planFolderFiles(plans, { file: request.file, sourceHash: compiled.sourceHash }));
  files.set("plan.ts", planBindings(plans, { file: request.file }));
  const written = await writePlanFolder(request.out!, files);
  if (written !== null) {
    streams.err.write(problemText(written));
    return 1;
  }
  const kernels = [...files.keys()].filter((file) => file.endsWith(".wgsl")).length;
  streams.err.write(
    `${request.out}: ${compiled.blocks.map((block) => `${block.plan.program.name}${whatWasKept(block)}`).join(", ")} for ${request.target}, ${kernels} kernels\n`,
  );
  return 0;
}

/** What of a block was made and what was kept, in a few words; nothing where all was made. */
export function whatWasKept({ kept, legs }: Pick<CompiledBlock, "kept" | "legs">): string {
  if (kept) return " (unchanged)";
  const names = (which: boolean): readonly string[] => [...new Set(legs.filter((leg) => leg.kept === which).map((leg) => leg.name))];
  const [made, unchanged] = [names(false), names(true)];
  if (unchanged.length === 0) return "";
  const few = (all: readonly string[]): string =>
    all.length > 4 ? `${all.slice(0, 4).join(", ")} and ${all.length - 4} more` : all.join(", ");
  return ` (${made.length === 0 ? "" : `made: ${few(made)}; `}unchanged: ${few(unchanged)})`;
}

function optionsOf({ tuned, target, options = {} }: CompileFolderRequest): CompileOptions {
  const schedules = tuned === undefined ? undefined : schedulesForTarget(tuned, namedTargets[target]);
  return schedules === undefined ? options : { ...options, schedules };
}

function failed(failure: FileFailure, streams: Streams): number {
  streams.err.write(failure.text);
  return failure.status;
}

/** The text of one stage for all blocks of a file. */
export function stageText(request: CompileFolderRequest & { readonly emit: EmitStage }, colour = false): string | FileFailure {
  const { emit } = request;
  if (emit === "ast" || emit === "typed") {
    const read = checkFile({ ...request, colour });
    if (!read.ok) return read;
    const { program } = read.checked;
    return emit === "typed" ? printTyped(program, read.checked) : printAst(program.files.get(program.entry)!.ast);
  }
  if (emit === "modules") {
    const made = elaborateFile({ ...request, colour });
    return made.ok ? `${made.blocks.map((block) => printModules(block.program)).join("\n\n")}\n` : made;
  }
  const parts: string[] = [];
  const onStage: CompileOptions["onStage"] = (stage, leg, text) => {
    if (stage === emit) parts.push(`${heading(stage, leg)}${text().replace(/\n*$/, "\n")}`);
  };
  const made = compileBlocks({ ...request, target: namedTargets[request.target], colour, options: { ...optionsOf(request), onStage } });
  return made.ok ? parts.join("\n") : made;
}
const heading = (stage: Stage, leg: string): string => (leg === "" ? "" : stage === "wgsl" ? `// kernel ${leg}\n` : `# leg ${leg}\n`);

/** Puts the files into a folder that is whole or not there; null when that is done. */
export async function writePlanFolder(folder: string, files: ReadonlyMap<string, string>): Promise<Problem | null> {
  const place = path.resolve(folder);
  const refusal = await unfit(place, folder);
  if (refusal !== null) return refusal;
  let draft: string | null = null;
  let old: string | null = null;
  try {
    await mkdir(path.dirname(place), { recursive: true });
    draft = await mkdtemp(`${place}.new-`);
    for (const [name, text] of files) {
      const file = path.join(draft, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    if ((await list(place)) !== null) {
      old = await mkdtemp(`${place}.old-`);
      await rename(place, path.join(old, "plan"));
    }
    await rename(draft, place);
    draft = null;
    return null;
  } catch (error) {
    if (old !== null && (await list(place)) === null) await rename(path.join(old, "plan"), place).catch(() => undefined);
    return {
      message: `${folder} could not be written: ${error instanceof Error ? error.message : String(error)}`,
      help: "free some space, or name another folder with -o",
    };
  } finally {
    for (const left of [draft, old]) if (left !== null) await rm(left, { recursive: true, force: true });
  }
}

/** Why a folder may not be replaced. */
async function unfit(place: string, folder: string): Promise<Problem | null> {
  const other = { message: `${folder} is not empty, and is no plan folder`, help: "name another folder with -o, or empty this one" };
  try {
    const entries = await list(place);
    if (entries === null || entries.length === 0) return null;
    if (!entries.includes(planFileName)) return other;
    return isPlanFolder(await readFile(path.join(place, planFileName), "utf8")) ? null : other;
  } catch (error) {
    return {
      message: `${folder} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      help: "name another folder with -o",
    };
  }
}
async function list(folder: string): Promise<readonly string[] | null> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}
