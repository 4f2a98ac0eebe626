import { existsSync, readFileSync } from "node:fs";
import { isAlias, isMap, isScalar, isSeq, type Pair, type ParsedNode, parseDocument } from "yaml";
import { checkOverrides, type GivenOverride } from "../compiler/elaborate/index.ts";
import type { Diagnostic } from "../dsl/diagnostic.ts";
import { diagnose, hasErrors } from "../dsl/diagnostics.ts";
import { loadProgram } from "../dsl/program.ts";
import { renderDiagnostics } from "../dsl/render.ts";
import { diskHost, projectRootOf } from "../dsl/source.ts";
import type { Span } from "../dsl/span.ts";

// `--config overrides.yaml`: settings and constants from a file. In: YAML, and the program it is for. Out: overrides as `--set` gives them
// (`round1: { batch: 8 }` is `round1.batch=8`), or what is wrong with them, at their places in the YAML.

export type ReadConfig =
  | { readonly ok: true; readonly overrides: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly status: 1 | 2; readonly text: string };

/** Reads a file of settings and checks it against a program. */
export function readConfig(file: string, programFile: string, colour: boolean): ReadConfig {
  if (!existsSync(file))
    return { ok: false, status: 2, text: `error: there is no file "${file}"\nhelp: --config names a YAML file with settings\n` };
  const text = readFileSync(file, "utf8");
  const { given, diagnostics } = readSettings(file, text);
  const found = [...diagnostics];
  const host = diskHost(projectRootOf(programFile));
  if (found.length === 0 && host.exists(programFile)) {
    const program = loadProgram(programFile, host);
    // A program that cannot be read says so itself, when the command comes to it.
    if (!hasErrors(program.diagnostics)) found.push(...checkOverrides(program, given));
  }
  if (found.length === 0) return { ok: true, overrides: Object.fromEntries(given.map(({ key, value }) => [key, value])) };
  return { ok: false, status: 1, text: `${renderDiagnostics(found, (id) => (id === file ? text : undefined), { colour })}\n` };
}

/** The settings of a YAML text, nested keys joined by dots, each with the place of its key. */
export function readSettings(
  file: string,
  text: string,
): { readonly given: readonly GivenOverride[]; readonly diagnostics: readonly Diagnostic[] } {
  const document = parseDocument(text, { prettyErrors: false });
  const span = (start: number, end: number): Span => ({ file, start, end: Math.min(Math.max(start, end), text.length) });
  if (document.errors.length > 0)
    return {
      given: [],
      diagnostics: document.errors.slice(0, 1).map((error) =>
        diagnose("config/not-yaml", span(Math.min(error.pos[0], text.length), error.pos[1]), {
          problem: error.message.replace(/\s+/g, " "),
        }),
      ),
    };
  const given: GivenOverride[] = [];
  const diagnostics: Diagnostic[] = [];
  const walk = (node: ParsedNode | null, path: readonly string[], at: Span): void => {
    if (isMap<ParsedNode, ParsedNode | null>(node)) {
      for (const pair of node.items) walk(pair.value, [...path, keyOf(pair)], spanOfKey(pair, span));
      return;
    }
    const key = path.join(".");
    const value = writtenValue(node);
    if (path.length === 0 && node === null) return;
    if (value === undefined) {
      const foundKind = node === null ? "empty" : isSeq(node) ? "a list of more than values" : isAlias(node) ? "an alias" : "empty";
      diagnostics.push(
        diagnose("config/not-a-value", at, {
          key: key === "" ? "this file" : key,
          found: path.length === 0 ? "no map of settings" : foundKind,
        }),
      );
    } else if (path.length === 0)
      diagnostics.push(diagnose("config/not-a-value", span(0, text.length), { key: "this file", found: "no map of settings" }));
    else given.push({ key, value, span: at });
  };
  walk(document.contents, [], span(0, 0));
  return { given, diagnostics };
}

const keyOf = (pair: Pair<ParsedNode, ParsedNode | null>): string => (isScalar(pair.key) ? String(pair.key.value) : String(pair.key));
function spanOfKey(pair: Pair<ParsedNode, ParsedNode | null>, span: (start: number, end: number) => Span): Span {
  const range = pair.key.range;
  return range ? span(range[0], range[1]) : span(0, 0);
}

/** A scalar, or a list of scalars, as `--set` writes it. */
function writtenValue(node: ParsedNode | null): string | undefined {
  if (isScalar(node))
    return typeof node.value === "number" || typeof node.value === "boolean" || typeof node.value === "string"
      ? String(node.value)
      : undefined;
  if (!isSeq(node)) return undefined;
  const plain = node.toJSON() as unknown[];
  const isPlain = (value: unknown): boolean =>
    Array.isArray(value) ? value.every(isPlain) : ["number", "boolean", "string"].includes(typeof value);
  return plain.every(isPlain) ? JSON.stringify(plain) : undefined;
}
