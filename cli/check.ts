import path from "node:path";
import { checkOverrides } from "../compiler/elaborate/index.ts";
import { checkProgram } from "../dsl/check/index.ts";
import type { Diagnostic } from "../dsl/diagnostic.ts";
import { hasErrors } from "../dsl/diagnostics.ts";
import { loadProgram } from "../dsl/program.ts";
import { diagnosticsToJson, renderDiagnostics } from "../dsl/render.ts";
import { diskHost, projectRootOf } from "../dsl/source.ts";
import { fixProgram } from "./fix.ts";
import { sourceFiles } from "./sourceFiles.ts";

export interface CheckOptions {
  readonly json: boolean;
  readonly colour: boolean;
  /** Make the edits that diagnostics are certain of before reporting what is left. */
  readonly fix?: boolean;
  /** Settings and constants to be changed (`--set`). */
  readonly overrides?: Readonly<Record<string, string>>;
}
/** What a command leaves behind: the exit status and what it printed. */
export interface CheckOutcome {
  /** 0 clean, 1 with diagnostics, 2 wrong usage. */
  readonly status: 0 | 1 | 2;
  readonly output: string;
  readonly errorOutput: string;
}

/** `adac check FILE…`: reads and checks programs, and all of folders. Never throws on any input. */
export function checkFiles(files: readonly string[], { json, colour, fix = false, overrides = {} }: CheckOptions): CheckOutcome {
  if (files.length === 0) return usage("adac check: name at least one file or folder, as in `adac check pipelines/quickstart.ada`");
  const diagnostics: Diagnostic[] = [];
  const texts = new Map<string, string>();
  const seen = new Set<string>();
  const fixed: string[] = [];
  const found = files.map((where) => (where === "" ? [where] : (sourceFiles(where) ?? [where])));
  const bare = files[found.findIndex((inside) => inside.length === 0)];
  if (bare !== undefined) return usage(`adac check: there is no \`.ada\` file in "${bare}"`);
  for (const file of found.flat()) {
    const host = diskHost(projectRootOf(file));
    const problem = readable(file, host);
    if (problem !== undefined) return usage(`adac check: ${problem}`);
    if (fix) {
      const made = fixProgram(file, host);
      if (made.edits > 0)
        fixed.push(`${made.files.map((one) => path.relative(process.cwd(), one)).join(", ")}: ${count(made.edits, "fix", "fixes")}`);
    }
    const program = loadProgram(file, host);
    for (const source of program.files.values()) texts.set(source.id, source.text);
    const own = checkProgram(program);
    const given = Object.entries(overrides).map(([key, value]) => ({ key, value, span: { file: program.entry, start: 0, end: 0 } }));
    for (const one of [...own, ...(hasErrors(own) ? [] : checkOverrides(program, given))]) {
      // Files that several programs import are reported once.
      const key = `${one.span.file}:${one.span.start}:${one.span.end}:${one.code}:${one.message}`;
      if (!seen.has(key)) diagnostics.push(one);
      seen.add(key);
    }
  }
  const textOf = (file: string) => texts.get(file);
  const status = diagnostics.length === 0 ? 0 : 1;
  if (json) return { status, output: `${JSON.stringify(diagnosticsToJson(diagnostics, textOf))}\n`, errorOutput: "" };
  const done = fixed.map((line) => `${line}\n`).join("");
  if (status === 0) return { status, output: `${done}${files.join(", ")}: nothing to report\n`, errorOutput: "" };
  return { status, output: `${done}${renderDiagnostics(diagnostics, textOf, { colour })}\n\n${summary(diagnostics)}\n`, errorOutput: "" };
}

/** Runs `checkFiles` and prints; the result is the process's exit status. */
export function checkCommand(files: readonly string[], options: CheckOptions): number {
  const { status, output, errorOutput } = checkFiles(files, options);
  if (output !== "") process.stdout.write(output);
  if (errorOutput !== "") process.stderr.write(errorOutput);
  return status;
}

const usage = (message: string): CheckOutcome => ({ status: 2, output: "", errorOutput: `${message}\n` });

function readable(file: string, host: ReturnType<typeof diskHost>): string | undefined {
  if (file === "") return "an empty file name";
  if (!host.exists(file)) return `there is no file "${file}"`;
  const read = host.readFile(file);
  return "reason" in read ? `"${file}" cannot be read: ${read.reason}` : undefined;
}

const count = (n: number, one: string, many: string): string => (n === 0 ? "" : `${n} ${n === 1 ? one : many}`);

function summary(diagnostics: readonly Diagnostic[]): string {
  const of = (severity: Diagnostic["severity"]): number => diagnostics.filter((one) => one.severity === severity).length;
  const fixable = diagnostics.filter((one) => one.fix).length;
  const parts = [count(of("error"), "error", "errors"), count(of("warning"), "warning", "warnings")].filter((part) => part !== "");
  return `${parts.join(", ")}${fixable === 0 ? "" : `; \`adac check --fix\` mends ${fixable} of them`}`;
}
