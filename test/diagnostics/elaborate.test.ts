import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  elaborateEvaluate,
  elaborateTest,
  elaborateTrain,
  elaborateWalk,
  listEntries,
  listTests,
  nextRequest,
  startWalk,
  type WalkAnswer,
} from "../../compiler/elaborate/index.ts";
import type { Diagnostic } from "../../dsl/diagnostic.ts";
import { resolveNames } from "../../dsl/names.ts";
import { loadProgram, type Program } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { diskHost } from "../../dsl/source.ts";

// Every message of elaboration, which knows concrete sizes and settings, with the program that causes it: `elaborate/x.ada` and
// `elaborate/x.out`. A first line `// set: key=value` gives an override, `// block: name` asks for that block,
// `// line: text` is a line of each file that an evaluation reads.
// After changing a message on purpose: `ADA_UPDATE_SNAPSHOTS=1 npx vitest run test/diagnostics`, and read the difference.

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "elaborate");
const host = { ...diskHost(folder), workingFolder: folder };
const isUpdate = process.env.ADA_UPDATE_SNAPSHOTS !== undefined;
const cases = readdirSync(folder)
  .filter((file) => file.endsWith(".ada"))
  .sort();

function elaborate(file: string): string {
  const program = loadProgram(file, host);
  const { resolution, diagnostics } = resolveNames(program);
  expect([...program.diagnostics, ...diagnostics]).toEqual([]);
  const text = readFileSync(path.join(folder, file), "utf8");
  const set = Object.fromEntries([...text.matchAll(/^\/\/ set: ([^=\n]+)=(.*)$/gm)].map(([, key, value]) => [key!, value!]));
  const block = /^\/\/ block: (.*)$/m.exec(text)?.[1];
  const { train, evaluate, walk } = block === undefined ? listEntries(program) : { train: [block], evaluate: [], walk: [] };
  const lines = [...text.matchAll(/^\/\/ line: (.*)$/gm)].map(([, line]) => line!.replaceAll("\\t", "\t"));
  const made = [
    ...train.map((name) => elaborateTrain(program, resolution, name, set)),
    ...evaluate.map((name) => elaborateEvaluate(program, resolution, name, set)),
    ...walk.map((name) => elaborateWalk(program, name, set)),
    ...(lines.length === 0 ? [] : walk.map((name) => walked(program, name, lines))),
    ...listTests(program).map((test) => elaborateTest(program, test, { sizes: {}, rows: {}, forms: {}, values: {} }, 0)),
  ];
  const found = made.flatMap((one): readonly Diagnostic[] => (one.ok ? one.warnings : one.diagnostics));
  return `${renderDiagnostics(found, (id) => program.files.get(id)?.text)}\n`;
}

/** A walk whose files all have these lines, up to what ends it. */
function walked(program: Program, name: string, lines: readonly string[]): { ok: false; diagnostics: readonly Diagnostic[] } {
  const started = startWalk(program, name);
  if (!started.ok) return { ok: false, diagnostics: started.diagnostics };
  let answer: WalkAnswer | undefined;
  for (;;) {
    const next = nextRequest(started.value, answer);
    if (!next.ok) return { ok: false, diagnostics: [next.diagnostic] };
    if (next.value.done === true) return { ok: false, diagnostics: [] };
    const { kind } = next.value.value;
    answer = kind === "lines" ? lines : kind === "folders" ? [{ name: "anna", path: "faces/anna", images: [] }] : null;
  }
}

describe("messages", () => {
  test.each(cases)("%s", (file) => {
    const shown = elaborate(file);
    const expected = path.join(folder, file.replace(/\.ada$/, ".out"));
    if (isUpdate || !existsSync(expected)) writeFileSync(expected, shown);
    expect(shown).toBe(readFileSync(expected, "utf8"));
    expect(shown.trim()).not.toBe("");
  });
});
