import { expect } from "vitest";
import { checkFully } from "../../dsl/check/index.ts";
import { hasErrors } from "../../dsl/diagnostics.ts";
import { format } from "../../dsl/format/index.ts";
import { parse } from "../../dsl/parse.ts";
import { loadProgram } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { tokenRows } from "../../dsl/tokens.ts";

/** Processor time of this process: unlike the clock it does not count what other processes take. */
export function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

// Whatever the text, reading it ends soon, throws nothing, and says where each mistake is.

const milliseconds = { base: 400, perKilobyte: 40 };

/** Reads a text: soon, without an exception, each mistake with its place. */
export function readsSafely(text: string): void {
  const before = cpuMilliseconds();
  const { file, diagnostics } = parse("fuzz.ada", text);
  const spent = cpuMilliseconds() - before;
  expect(spent).toBeLessThan(milliseconds.base + (milliseconds.perKilobyte * text.length) / 1024);
  for (const one of diagnostics) {
    for (const span of [one.span, ...one.related.map((related) => related.span)]) {
      expect(span.file).toBe("fuzz.ada");
      expect(span.start).toBeGreaterThanOrEqual(0);
      expect(span.end).toBeGreaterThanOrEqual(span.start);
      expect(span.end).toBeLessThanOrEqual(text.length);
    }
    expect(one.message).not.toMatch(/undefined|NaN|internal/);
  }
  spansInside(file, text.length);
}

/** Every span of the tree lies within the text; a tree from a text with mistakes has no holes. */
function spansInside(root: unknown, length: number): void {
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const one = waiting.pop();
    if (Array.isArray(one)) waiting.push(...one);
    else if (typeof one === "object" && one !== null) {
      if ("start" in one && "end" in one) {
        const { start, end } = one as { start: number; end: number };
        if (!(start >= 0 && end >= start && end <= length)) throw new Error(`span ${start}..${end} outside of 0..${length}`);
      } else waiting.push(...Object.values(one));
    } else if (one === undefined) throw new Error("a field of the tree is undefined");
  }
}

/** Reads, checks and formats a text as one file without a library. */
export function endsSafely(text: string): void {
  readsSafely(text);
  const before = cpuMilliseconds();
  const program = loadProgram("fuzz.ada", {
    projectRoot: "/project",
    stdRoot: "/std",
    exists: (absolute) => absolute === "/project/fuzz.ada",
    readFile: (absolute) => (absolute === "/project/fuzz.ada" ? { text } : { reason: "no such file" }),
  });
  const { diagnostics } = checkFully(program);
  for (const { span, related, message } of diagnostics) {
    expect(message).not.toMatch(/undefined|NaN|internal/);
    for (const at of [span, ...related.map((one) => one.span)]) {
      const length = program.files.get(at.file)?.text.length ?? 0;
      if (!(at.start >= 0 && at.end >= at.start && at.end <= length))
        throw new Error(`span ${at.start}..${at.end} outside of 0..${length}`);
    }
  }
  renderDiagnostics(diagnostics, (id) => program.files.get(id)?.text);
  const made = format("fuzz.ada", text);
  expect("text" in made).toBe(!hasErrors(parse("fuzz.ada", text).diagnostics));
  if ("text" in made) expect(format("fuzz.ada", made.text)).toEqual(made);
  expect(cpuMilliseconds() - before).toBeLessThan(2 * milliseconds.base + (4 * milliseconds.perKilobyte * text.length) / 1024);
}

/** A text for each kind of token, and some that are none. */
export const tokenTexts = [
  ...tokenRows.flatMap((row) => row.text ?? []),
  "x",
  "net",
  "1",
  "0.5",
  '"text"',
  "`a b -> (a b)`",
  "// c\n",
  "/// d\n",
  "\n",
  '"',
  "`",
  "#",
  "é",
];
