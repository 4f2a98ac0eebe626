import { checkProgram } from "../dsl/check/index.ts";
import type { Diagnostic } from "../dsl/diagnostic.ts";
import { applyEdits, type Edit } from "../dsl/fix.ts";
import { loadProgram, type Program } from "../dsl/program.ts";
import { isInside, type SourceHost } from "../dsl/source.ts";
import { writeWhole } from "./writeWhole.ts";

// `adac check --fix`: makes the edits that diagnostics are certain of. An edit stays only if its mistake is then gone and its place is right,
// so a second run has nothing to do. Files of the library are never touched.

const mostRounds = 50;

/** Mends a program on disk; answers how many edits were made, and in which files. */
export function fixProgram(entry: string, host: SourceHost): { readonly edits: number; readonly files: readonly string[] } {
  const changed = new Map<string, string>();
  const read = (texts: ReadonlyMap<string, string>): { readonly program: Program; readonly diagnostics: readonly Diagnostic[] } => {
    const program = loadProgram(entry, {
      ...host,
      readFile: (absolute) => {
        const text = texts.get(absolute);
        return text === undefined ? host.readFile(absolute) : { text };
      },
    });
    return { program, diagnostics: checkProgram(program) };
  };
  let edits = 0;
  let now = read(changed);
  for (let round = 0; round < mostRounds; round++) {
    const wanted = now.diagnostics.flatMap((one) => (one.fix && isOurs(one.fix, now.program, host) ? [one.fix] : []));
    // All at once where that is right; else the first that helps.
    const tries = wanted.length > 1 ? [wanted, ...wanted.map((one) => [one])] : wanted.map((one) => [one]);
    let isBetter = false;
    for (const attempt of tries) {
      const texts = withEdits(now.program, changed, attempt);
      const then = read(texts);
      if (!helps(now.diagnostics, then.diagnostics, attempt)) continue;
      edits += attempt.length;
      for (const [file, text] of texts) changed.set(file, text);
      now = then;
      isBetter = true;
      break;
    }
    if (!isBetter) break;
  }
  for (const [file, text] of changed) writeWhole(file, text);
  return { edits, files: [...changed.keys()] };
}

/**
 * Whether edits helped: what they mend is gone and nothing is wrong in their place. A mistake mended may show others elsewhere, about which
 * nothing could be said before.
 */
function helps(before: readonly Diagnostic[], after: readonly Diagnostic[], edits: readonly Edit[]): boolean {
  if (after.length < before.length) return true;
  const keys = new Set(after.map((one) => `${one.code} ${one.message}`));
  const mended = before.filter((one) => one.fix && edits.includes(one.fix));
  const isGone = mended.every((one) => !keys.has(`${one.code} ${one.message}`));
  let shift = 0;
  const places = [...edits]
    .sort((a, b) => a.span.start - b.span.start)
    .map(({ span, text }) => {
      const start = span.start + shift;
      shift += text.length - (span.end - span.start);
      return { file: span.file, start, end: start + text.length };
    });
  const isInPlace = ({ span }: Diagnostic): boolean =>
    places.some((place) => place.file === span.file && span.start < place.end && place.start < span.end);
  return isGone && !after.some(isInPlace);
}

function isOurs({ span }: Edit, program: Program, host: SourceHost): boolean {
  const file = program.files.get(span.file);
  return file !== undefined && isInside(file.absolute, host.projectRoot) && !isInside(file.absolute, host.stdRoot);
}
function withEdits(program: Program, before: ReadonlyMap<string, string>, edits: readonly Edit[]): Map<string, string> {
  const texts = new Map(before);
  for (const id of new Set(edits.map((edit) => edit.span.file))) {
    const { absolute, text } = program.files.get(id)!;
    texts.set(
      absolute,
      applyEdits(
        text,
        edits.filter((edit) => edit.span.file === id),
      ),
    );
  }
  return texts;
}
