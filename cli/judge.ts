import type { Sample, TestProgram } from "../compiler/elaborate/index.ts";
import { Builder } from "../compiler/ir/builder.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import type { Graph, GraphResult, Value } from "../compiler/ir/value.ts";
import { graphValues, rebuild } from "../compiler/ir/walk.ts";
import { evaluateHost } from "../compiler/plan/evalHost.ts";
import type { HostEnvironment, UniformDecl } from "../compiler/plan/host.ts";
import type { PlanPrompt } from "../compiler/plan/plan.ts";
import { promptArrays, type Tokenizer } from "../compiler/plan/prompt.ts";
import { centralDifferences } from "../compiler/reference/differences.ts";
import { evaluate, evaluateValues } from "../compiler/reference/evaluate.ts";
import type { Span } from "../dsl/span.ts";

// Judges what a test claims for one sample: by the meaning in double precision, and by what the device computes. In: the graph of a test and
// a sample. Out: whether the sample counts, and the first claim that does not hold, with the numbers.

/** Runs a graph on the device; null: only the meaning is asked. */
export type OnDevice =
  | ((
      graph: Graph,
      inputs: Readonly<Record<string, NdArray>>,
      uniforms: readonly UniformDecl[],
      environment: HostEnvironment,
    ) => Promise<Readonly<Record<string, NdArray>>>)
  | null;

export interface Failing {
  readonly span: Span | null;
  /** One line each. */
  readonly lines: readonly string[];
}
export type Verdict = { readonly kind: "holds" } | { readonly kind: "discarded" } | { readonly kind: "fails"; readonly failing: Failing };

/** How far a device may be from the meaning, relative to 1 + the size of the value, where the claim itself does not allow more. */
const deviceTolerance = 1e-4;
/** Of derivatives: differences in double precision, then the device against them. */
const meaningGradTolerance = 1e-5;
const deviceGradTolerance = 2e-3;

export async function judge(program: TestProgram, sample: Sample, onDevice: OnDevice): Promise<Verdict> {
  const inputs = inputsOf(program, sample);
  for (const prompt of program.prompts) {
    const tooLong = addPrompt(prompt, environmentOf(program), inputs);
    if (tooLong !== null) return { kind: "fails", failing: { span: null, lines: [tooLong] } };
  }
  return program.gradients ? judgeGradients(program, program.gradients, inputs, onDevice) : judgeChecks(program, inputs, onDevice);
}

function inputsOf(program: TestProgram, sample: Sample): Record<string, NdArray> {
  const inputs: Record<string, NdArray> = {};
  for (const { name, axes, dtype } of program.inputs)
    inputs[name] = {
      dtype: dtype === "bool" ? "i32" : dtype,
      shape: axes.map((axis) => axis.size!),
      data: Float64Array.from(sample.values[name]!),
    };
  const starts = evaluate({ name: "init", results: program.leaves.map((leaf) => ({ name: leaf.path, value: leaf.init })) }, {});
  Object.assign(inputs, starts);
  for (const { name, dtype, expr } of program.uniforms)
    inputs[name] = { dtype, shape: [], data: Float64Array.of(Number(evaluateHost(expr, environmentOf(program)))) };
  return inputs;
}

/** A test stands at the beginning: what the host draws follows from the seed alone. */
const environmentOf = ({ seed }: TestProgram): HostEnvironment => ({ seed, microStep: 0, update: 0, progress: 0 });

/** Tests know no vocabulary: a word is a token, equal words are equal tokens, and all are less than 64. */
const wordTokens: Tokenizer = {
  begin: 1,
  end: 2,
  pad: 0,
  filler: 3,
  encode: (text) =>
    (text.match(/\S+/g) ?? []).map((word) => 4 + [...word].reduce((hash, letter) => (31 * hash + letter.codePointAt(0)!) % 60, 0)),
};

/** The inputs that a prompt becomes; a prompt without room for its words gives what is wrong. */
function addPrompt(prompt: PlanPrompt, environment: HostEnvironment, inputs: Record<string, NdArray>): string | null {
  const made = promptArrays(prompt, environment, wordTokens);
  if (!made.ok) return `a prompt has ${made.tokens} tokens, of which ${made.most} have room: ${made.text}`;
  const rows = prompt.elements.length;
  for (const [part, array] of Object.entries(made.arrays)) {
    const each = array.length / rows;
    const whole = part === "end" || part.endsWith(".words");
    inputs[`${prompt.name}.${part}`] = {
      dtype: array instanceof Float32Array ? "f32" : "i32",
      shape: whole ? prompt.shape : [...prompt.shape, each],
      data: Float64Array.from(array),
    };
  }
  return null;
}

// ---- claims ----
async function judgeChecks(program: TestProgram, inputs: Readonly<Record<string, NdArray>>, onDevice: OnDevice): Promise<Verdict> {
  const results: GraphResult[] = program.checks.flatMap((check, i) => {
    if (check.truth) return [{ name: `${i}.truth`, value: check.truth.value }];
    return check.near!.sides.flatMap((side, k) => [
      { name: `${i}.${k}.left`, value: side.left },
      { name: `${i}.${k}.right`, value: side.right },
    ]);
  });
  const graph: Graph = { name: "test", results };
  const meant = evaluate(graph, inputs);
  const first = firstFailing(program, meant, null);
  if (first) return first.kind === "require" ? { kind: "discarded" } : { kind: "fails", failing: first.failing };
  if (onDevice === null || results.length === 0) return { kind: "holds" };
  const found = await onDevice(graph, inputs, program.uniforms, environmentOf(program));
  const second = firstFailing(program, found, meant);
  if (!second) return { kind: "holds" };
  return second.kind === "require" ? { kind: "discarded" } : { kind: "fails", failing: second.failing };
}

/** The first claim that numbers break; with `meant` they are the device's, which must also agree with the meaning. */
function firstFailing(
  program: TestProgram,
  found: Readonly<Record<string, NdArray>>,
  meant: Readonly<Record<string, NdArray>> | null,
): { readonly kind: "expect" | "require"; readonly failing: Failing } | null {
  const who = meant ? "on the device, where its meaning holds" : "by its meaning";
  for (const [i, check] of program.checks.entries()) {
    const fails = (lines: readonly string[]) => ({ kind: check.kind, failing: { span: check.span, lines } });
    if (check.truth) {
      const { data, shape } = found[`${i}.truth`]!;
      const at = data.findIndex((one) => !(one > 0));
      if (at >= 0) return fails([`it is false${placeOf(at, check.truth.axes, shape)}, ${who}`]);
      continue;
    }
    const { sides, tolerance, relative } = check.near!;
    for (const [k, side] of sides.entries()) {
      const [left, right] = [found[`${i}.${k}.left`]!, found[`${i}.${k}.right`]!];
      const allowed = (of: number): number => tolerance + relative * Math.abs(of);
      const at = left.data.findIndex((one, e) => !isNear(one, right.data[e]!, allowed(right.data[e]!)));
      const place = (e: number): string =>
        `${side.path === "" ? "" : ` in element ${side.path.slice(1)}`}${placeOf(e, side.axes, left.shape)}`;
      if (at >= 0)
        return fails([
          `${left.data[at]} and ${right.data[at]} differ by ${Math.abs(left.data[at]! - right.data[at]!)}${place(at)}, ${who}; ${allowed(right.data[at]!)} is allowed`,
        ]);
      if (!meant || check.kind === "require") continue;
      for (const name of ["left", "right"] as const) {
        const [is, should] = [found[`${i}.${k}.${name}`]!, meant[`${i}.${k}.${name}`]!];
        const off = is.data.findIndex(
          (one, e) => !isNear(one, should.data[e]!, Math.max(allowed(should.data[e]!), deviceTolerance * (1 + Math.abs(should.data[e]!)))),
        );
        if (off >= 0)
          return fails([`the ${name} side is ${is.data[off]} on the device and ${should.data[off]} by its meaning${place(off)}`]);
      }
    }
  }
  return null;
}
const isNear = (a: number, b: number, allowed: number): boolean => Object.is(a, b) || a === b || Math.abs(a - b) <= allowed;

/** ` at [h: 0, w: 3]`, or nothing for a number without axes. */
function placeOf(element: number, axes: readonly string[], shape: readonly number[]): string {
  if (shape.length === 0) return "";
  let rest = element;
  const at = shape.map(() => 0);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return ` at [${at.map((one, axis) => `${axes[axis]}: ${one}`).join(", ")}]`;
}

// ---- derivatives ----
async function judgeGradients(
  program: TestProgram,
  gradients: NonNullable<TestProgram["gradients"]>,
  inputs: Readonly<Record<string, NdArray>>,
  onDevice: OnDevice,
): Promise<Verdict> {
  const results: GraphResult[] = gradients.of.map(({ input, value }) => ({ name: `grad.${input}`, value }));
  const graph: Graph = { name: "gradcheck", results };
  const frozen = withStopsFrozen(gradients.loss, inputs);
  const expected = new Map(gradients.of.map(({ input }) => [input, centralDifferences(frozen.loss, frozen.inputs, input)]));
  const meant = evaluate(graph, inputs);
  const fails = (lines: readonly string[]): Verdict => ({ kind: "fails", failing: { span: null, lines } });
  const compare = (found: Readonly<Record<string, NdArray>>, tolerance: number, who: string): Verdict | null => {
    for (const { input } of gradients.of) {
      const want = expected.get(input)!;
      const have = found[`grad.${input}`]!;
      const scale = want.reduce((most, one) => Math.max(most, Math.abs(one)), 1e-3);
      const at = have.data.findIndex((one, e) => !isNear(one, want[e]!, tolerance * (scale + Math.abs(want[e]!))));
      const axes = program.inputs.find((one) => one.name === input)!.axes.map((axis) => axis.name);
      if (at >= 0)
        return fails([
          `the derivative by \`${input}\`${placeOf(at, axes, have.shape)} is ${have.data[at]} ${who}, but differences give ${want[at]}`,
        ]);
    }
    return null;
  };
  const wrong = compare(meant, meaningGradTolerance, "by its meaning");
  if (wrong) return wrong;
  if (onDevice === null || results.length === 0) return { kind: "holds" };
  return (
    compare(await onDevice(graph, inputs, program.uniforms, environmentOf(program)), deviceGradTolerance, "on the device") ?? {
      kind: "holds",
    }
  );
}

/** The same loss with everything under a `stop` fixed at the value it has: what differences must not see move. */
function withStopsFrozen(
  loss: Value,
  inputs: Readonly<Record<string, NdArray>>,
): { readonly loss: Value; readonly inputs: Readonly<Record<string, NdArray>> } {
  const graph: Graph = { name: "loss", results: [{ name: "loss", value: loss }] };
  const stops = graphValues(graph).filter((value) => value.op === "stop");
  const values = evaluateValues(stops, inputs);
  const b = new Builder();
  const place = new Map<Value, number>(stops.map((value, i) => [value, i]));
  const frozen = rebuild(graph, b, (value) => {
    const i = place.get(value);
    return i === undefined ? null : b.input(`stop ${i}`, value.shape, { role: "data", labels: value.labels });
  });
  return {
    loss: frozen.results[0]!.value,
    inputs: { ...inputs, ...Object.fromEntries(values.map((value, i) => [`stop ${i}`, value])) },
  };
}
