import { readFileSync } from "node:fs";
import { format } from "../dsl/format/index.ts";
import { renderDiagnostics } from "../dsl/render.ts";
import type { CheckOutcome } from "./check.ts";
import { sourceFiles } from "./sourceFiles.ts";
import { writeWhole } from "./writeWhole.ts";

export interface FmtOptions {
  /** Say what would change and write nothing. */
  readonly check: boolean;
  readonly colour: boolean;
}

/** `adac fmt FILE…`: lays out files, and all `.ada` files of folders. A file with mistakes is left as it is. */
export function fmtFiles(paths: readonly string[], { check, colour }: FmtOptions): CheckOutcome {
  const missing = paths.find((where) => sourceFiles(where) === null);
  if (missing !== undefined) return { status: 2, output: "", errorOutput: `adac fmt: there is no file or folder "${missing}"\n` };
  const found = paths.flatMap((where) => sourceFiles(where) ?? []);
  let output = "";
  let errorOutput = "";
  let status: 0 | 1 = 0;
  for (const file of new Set(found)) {
    const text = readFileSync(file, "utf8");
    const made = format(file, text);
    if (!("text" in made)) {
      errorOutput += `${renderDiagnostics(made.diagnostics, () => text, { colour })}\n${file}: not changed\n`;
      status = 1;
    } else if (made.text !== text) {
      if (check) status = 1;
      else writeWhole(file, made.text);
      output += check ? `${file}: would change\n` : `${file}: changed\n`;
    }
  }
  if (output === "" && errorOutput === "") output = `${paths.join(", ")}: nothing to change\n`;
  return { status, output, errorOutput };
}

/** `adac fmt --stdin`: the text laid out, or what is wrong with it; with `check` the text is not printed. */
export function fmtText(text: string, { check, colour }: FmtOptions): CheckOutcome {
  const made = format("stdin", text);
  if (!("text" in made)) return { status: 1, output: "", errorOutput: `${renderDiagnostics(made.diagnostics, () => text, { colour })}\n` };
  if (check) return { status: made.text === text ? 0 : 1, output: made.text === text ? "" : "stdin: would change\n", errorOutput: "" };
  return { status: 0, output: made.text, errorOutput: "" };
}

/** Runs `adac fmt` and prints; the result is the process's exit status. */
export function fmtCommand(paths: readonly string[], options: FmtOptions & { readonly stdin: boolean }): number {
  const isOneSource = options.stdin ? paths.length === 0 : paths.length > 0;
  const { status, output, errorOutput } = !isOneSource
    ? { status: 2, output: "", errorOutput: "adac fmt: name files or folders, or give --stdin and none\n" }
    : options.stdin
      ? fmtText(readFileSync(0, "utf8"), options)
      : fmtFiles(paths, options);
  if (output !== "") process.stdout.write(output);
  if (errorOutput !== "") process.stderr.write(errorOutput);
  return status;
}
