import fc from "fast-check";
import {
  drawsOf,
  type Elaborated,
  elaborateTest,
  listTests,
  placesIn,
  type Sample,
  type SampleForm,
  type TestCase,
} from "../compiler/elaborate/index.ts";
import type { Program } from "../dsl/program.ts";
import { positionAt, renderDiagnostics } from "../dsl/render.ts";
import type { Span } from "../dsl/span.ts";
import { checkFile } from "./compileFile.ts";
import { counterexample } from "./counterexample.ts";
import { type Failing, judge, type OnDevice } from "./judge.ts";
import { samplesOf } from "./sampling.ts";

// `adac test FILE…`: runs the `test`, `property` and `gradcheck` items of files, on the device and by their meaning in double precision.
// In: files. Out: a line per item, shrunk counterexamples that can be run again, a summary. Equal seeds give equal samples.

export interface TestOptions {
  readonly seed: number;
  /** Samples per property; a gradcheck takes a fifth as many. */
  readonly runs: number;
  readonly onDevice: OnDevice;
  readonly colour?: boolean;
  readonly write: (text: string) => void;
}
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
}

/** Runs all items of a file; null when the file itself has mistakes, which are written. */
export async function testFile(file: string, options: TestOptions): Promise<TestCounts | { readonly status: 1 | 2 }> {
  const read = checkFile({ file, colour: options.colour ?? false });
  if (!read.ok) {
    options.write(read.text);
    return { status: read.status };
  }
  const { program } = read.checked;
  const counts = { passed: 0, failed: 0 };
  const tests = listTests(program);
  options.write(`${file}${tests.length === 0 ? ": no tests" : ""}\n`);
  for (const test of tests) {
    const outcome = await runTest(program, test, options);
    counts[outcome.ok ? "passed" : "failed"]++;
    const name = test.kind === "gradcheck" ? `gradcheck ${test.title}` : `${test.kind} ${JSON.stringify(test.title)}`;
    options.write(`  ${outcome.ok ? "ok  " : "FAIL"} ${name}${outcome.ok ? outcome.remark : ""}\n`);
    if (!outcome.ok) options.write(`${outcome.text.trimEnd().replace(/^(?=.)/gm, "       ")}\n`);
  }
  return counts;
}

type Outcome = { readonly ok: true; readonly remark: string } | { readonly ok: false; readonly text: string };

/** Unwinds out of fast-check with what a sample showed. */
class SampleFails extends Error {
  readonly failing: Failing;
  constructor(failing: Failing) {
    super(failing.lines.join("; "));
    this.failing = failing;
  }
}
/** A mistake in the program that only concrete sizes show. */
class DoesNotElaborate extends Error {}

async function runTest(program: Program, test: TestCase, options: TestOptions): Promise<Outcome> {
  const taken = <T>(made: Elaborated<T>): T => {
    if (made.ok) return made.value;
    throw new DoesNotElaborate(
      renderDiagnostics(made.diagnostics, (id) => program.files.get(id)?.text, { colour: options.colour ?? false }),
    );
  };
  try {
    const draws = taken(drawsOf(program, test));
    const placesAt = (form: SampleForm) => taken(placesIn(program, test, form));
    const check = async (sample: Sample): Promise<boolean> => {
      const verdict = await judge(taken(elaborateTest(program, test, sample, options.seed)), sample, options.onDevice);
      if (verdict.kind === "fails") throw new SampleFails(verdict.failing);
      return verdict.kind === "holds";
    };
    if (draws.values.size === 0) {
      const holds = await check({ sizes: {}, rows: {}, forms: {}, values: {} }).catch(onlySampleFails);
      if (holds instanceof SampleFails) return { ok: false, text: failureText(program, holds.failing) };
      return holds ? { ok: true, remark: "" } : { ok: false, text: "its `require` does not hold, so nothing was tested" };
    }
    const property = fc.asyncProperty(samplesOf(draws, placesAt), async (sample) => fc.pre(await check(sample)));
    const runs = test.kind === "gradcheck" ? Math.max(1, Math.ceil(options.runs / 5)) : options.runs;
    const details = await fc.check(property, { seed: options.seed, numRuns: runs });
    if (!details.failed) return { ok: true, remark: ` (${runs} samples)` };
    const error = details.errorInstance;
    if (error instanceof DoesNotElaborate) throw error;
    if (details.counterexample === null)
      return {
        ok: false,
        text: `its \`require\` discarded ${details.numSkips} samples and kept ${details.numRuns}: draw from narrower ranges`,
      };
    if (!(error instanceof SampleFails)) throw error;
    const [sample] = details.counterexample;
    const source = program.files.get(test.file)!.text;
    const found = counterexample(test, draws, sample, placesAt(sample), source);
    const after = `after ${details.numRuns} sample${details.numRuns === 1 ? "" : "s"}, made smaller ${details.numShrinks} times; seed ${options.seed}`;
    return { ok: false, text: `${failureText(program, error.failing)}${after}\n\n${found}` };
  } catch (error) {
    if (error instanceof DoesNotElaborate) return { ok: false, text: error.message };
    throw error;
  }
}
function onlySampleFails(error: unknown): SampleFails {
  if (error instanceof SampleFails) return error;
  throw error;
}

function failureText(program: Program, { span, lines }: Failing): string {
  const where = span ? `${placeOf(program, span)}: \`${textOf(program, span)}\`\n` : "";
  return `${where}${lines.join("\n")}\n`;
}
function placeOf(program: Program, { file, start }: Span): string {
  const { line, column } = positionAt(program.files.get(file)?.text ?? "", start);
  return `${file}:${line}:${column}`;
}
const textOf = (program: Program, { file, start, end }: Span): string =>
  (program.files.get(file)?.text.slice(start, end) ?? "").replace(/\s+/g, " ");

export interface TestCommand {
  readonly files: readonly string[];
  readonly seed: number;
  readonly runs?: number;
  readonly reference: boolean;
  readonly driver?: string;
}

/** Runs `adac test` and prints; the result is the process's exit status. */
export async function testCommand({ files, seed, runs, reference, driver }: TestCommand): Promise<number> {
  const write = (text: string): void => void process.stdout.write(text);
  const device = reference ? null : await openForTests(driver);
  if (device && "problem" in device) {
    process.stderr.write(device.problem);
    return 1;
  }
  let [passed, failed, status] = [0, 0, 0];
  try {
    for (const file of files) {
      const made = await testFile(file, {
        seed,
        runs: runs ?? (reference ? 100 : 20),
        onDevice: device?.onDevice ?? null,
        colour: process.stdout.isTTY === true,
        write,
      });
      if ("status" in made) status = Math.max(status, made.status);
      else [passed, failed] = [passed + made.passed, failed + made.failed];
    }
  } finally {
    device?.dispose();
  }
  write(`${passed} passed, ${failed} failed; seed ${seed}, ${device?.name ?? "by the meaning only"}\n`);
  return failed > 0 ? Math.max(1, status) : status;
}

/** The device as what runs graphs: each is compiled, run once and given back. */
async function openForTests(
  driver: string | undefined,
): Promise<
  { readonly onDevice: NonNullable<OnDevice>; readonly name: string; readonly dispose: () => void } | { readonly problem: string }
> {
  const [{ openDevice }, { DeviceGraph }] = await Promise.all([import("../runtime/device/openDevice.ts"), import("./deviceGraph.ts")]);
  const opened = await openDevice(driver === undefined ? {} : { driver });
  if (!opened.ok) return { problem: `error: ${opened.reason}\nhelp: ${opened.help}\n` };
  return {
    name: opened.adapter.description,
    dispose: () => opened.device.destroy(),
    onDevice: async (graph, inputs, uniforms, environment) => {
      const made = await DeviceGraph.create(opened, graph, uniforms);
      try {
        return await made.run(inputs, environment);
      } finally {
        made.dispose();
      }
    },
  };
}
