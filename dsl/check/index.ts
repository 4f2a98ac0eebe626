import type { Diagnostic } from "../diagnostic.ts";
import { resolveNames } from "../names.ts";
import type { Program } from "../program.ts";

/** Everything that is wrong with a program, from reading it to checking it, in the order of files and places. */
export function checkProgram(program: Program): Diagnostic[] {
  return [...program.diagnostics, ...resolveNames(program).diagnostics];
}
