import type { Expr } from "../ast.ts";
import type { Diagnostic } from "../diagnostic.ts";
import { brokenItems, type Resolution, resolveNames } from "../names.ts";
import type { Program } from "../program.ts";
import type { Type } from "../types/type.ts";
import { checkItem } from "./items.ts";
import { Session } from "./session.ts";
import { checkUndetermined } from "./undetermined.ts";

// The checker. In: a loaded program with its names resolved. Out: what is wrong with it, and the type of each expression. Every item is
// checked once, for all sizes; what is reported elsewhere (unreadable text, unknown names) leaves the error type here, of which nothing more
// is said. Invariant: it never throws, and its work is bounded.

export interface CheckResult {
  readonly diagnostics: readonly Diagnostic[];
  readonly typeOf: (node: Expr) => Type | undefined;
}
export interface CheckedProgram extends CheckResult {
  readonly program: Program;
  readonly resolution: Resolution;
}

/** Reads names and types of a loaded program; the diagnostics hold those of reading it too, in the order of files and places. */
export function checkFully(program: Program): CheckedProgram {
  const { resolution, diagnostics } = resolveNames(program);
  const types = checkTypes(program);
  return {
    program,
    resolution,
    typeOf: types.typeOf,
    diagnostics: withoutEchoes(program, ordered(program, [...program.diagnostics, ...diagnostics, ...types.diagnostics])),
  };
}

/** Everything that is wrong with a program, from reading it to checking it, in the order of files and places. */
export function checkProgram(program: Program): Diagnostic[] {
  return [...checkFully(program).diagnostics];
}

/** Types only: what reading and names have found is not repeated. */
export function checkTypes(program: Program): CheckResult {
  const session = new Session(program);
  for (const item of brokenItems(program)) session.markBroken(item.span);
  for (const [id, file] of program.files) {
    const precisions = file.ast.items.filter((item) => item.kind === "precision");
    for (const again of precisions.slice(1)) {
      const related = [{ span: precisions[0]!.span, label: "first said here" }];
      session.report(
        "name/duplicate",
        again.span,
        { name: "precision" },
        { related, help: "a file has one; a `train` block may have its own" },
      );
    }
    for (const item of file.isHost ? [] : file.ast.items) if (!session.isBroken(item.span)) checkItem(session, item, id);
  }
  checkUndetermined(session, program);
  return { diagnostics: ordered(program, session.diagnostics), typeOf: (node) => session.typeOf(node) };
}

/** Sizes that nothing settles in an item with another mistake are its echo: what would settle them could not be read. */
function withoutEchoes(program: Program, diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const echo = "shape/not-determined";
  const itemOf = ({ span }: Diagnostic) =>
    program.files.get(span.file)?.ast.items.find((item) => item.span.start <= span.start && span.end <= item.span.end);
  const broken = new Set(diagnostics.flatMap((one) => (one.code === echo ? [] : (itemOf(one) ?? []))));
  return diagnostics.filter((one) => one.code !== echo || !broken.has(itemOf(one)!));
}

function ordered(program: Program, diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const order = new Map([...program.files.keys()].map((id, at) => [id, at] as const));
  return [...diagnostics].sort((a, b) => (order.get(a.span.file) ?? 0) - (order.get(b.span.file) ?? 0) || a.span.start - b.span.start);
}
