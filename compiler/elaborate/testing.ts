import path from "node:path";
import type { Diagnostic } from "../../dsl/diagnostic.ts";
import { type Resolution, resolveNames } from "../../dsl/names.ts";
import { loadProgram, type Program } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { diskHost, packageRoot } from "../../dsl/source.ts";
import type { NdArray } from "../ir/ops/row.ts";
import { evaluateHost } from "../plan/evalHost.ts";
import type { HostEnvironment, UniformDecl } from "../plan/host.ts";
import { evaluate } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { elaborateFunction, type FunctionArgument, type FunctionOptions, type PlainValue } from "./function.ts";

// For tests: programs from texts (with the standard library from disk), and functions run by the reference meaning.

export interface TestProgram {
  readonly program: Program;
  readonly resolution: Resolution;
}

/** A program whose entry is `main.ada`. It must read without complaint unless `broken` says otherwise. */
export function programOf(text: string, files: Readonly<Record<string, string>> = {}): TestProgram {
  const root = packageRoot();
  const disk = diskHost(root);
  const inMemory = new Map(Object.entries({ ...files, "main.ada": text }).map(([name, content]) => [path.join(root, name), content]));
  const program = loadProgram("main.ada", {
    ...disk,
    workingFolder: root,
    exists: (file) => inMemory.has(file) || disk.exists(file),
    readFile: (file) => {
      const content = inMemory.get(file);
      return content === undefined ? disk.readFile(file) : { text: content };
    },
  });
  const { resolution, diagnostics } = resolveNames(program);
  const all = [...program.diagnostics, ...diagnostics];
  if (all.length > 0) throw new Error(`internal: a test's program does not read:\n${render(program, all)}`);
  return { program, resolution };
}

export function render(program: Program, diagnostics: readonly Diagnostic[]): string {
  return renderDiagnostics(diagnostics, (id) => program.files.get(id)?.text);
}

/** A prompt with a slot, and a data set of faces of `side` pixels. */
export const promptsAndFaces = (side: number): string => `
prompt hello(who: Text) = "hello {who} {face:2}"
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order sequential
  field who:   Int = subject
  field name:  Text = folder_name
  field image: f32[c: 3, h: ${side}, w: ${side}] = load(file) |> resize_to(${side}) |> to_range(-1..1)
}`;

export const firstStep: HostEnvironment = { seed: 0, microStep: 0, update: 0, progress: 0 };

/** The uniforms of a graph as arrays, at one micro-step. */
export function uniformArrays(uniforms: readonly UniformDecl[], environment: HostEnvironment = firstStep): Record<string, NdArray> {
  return Object.fromEntries(uniforms.map((u) => [u.name, array([], [Number(evaluateHost(u.expr, environment))], u.dtype)]));
}

/** A tensor argument: sizes, axis names and numbers; or a value known when compiling. */
export type Given =
  | {
      readonly shape: readonly number[];
      readonly axes?: readonly string[];
      readonly data: readonly number[];
      readonly dtype?: "f32" | "i32";
    }
  | { readonly value: PlainValue };

/** Runs a function of a program by the reference meaning; a mistake gives the rendered diagnostics instead. */
export function run(
  text: string,
  fn: string,
  given: Readonly<Record<string, Given>> = {},
  options: FunctionOptions & { readonly environment?: HostEnvironment } = {},
): { readonly results: Readonly<Record<string, NdArray>>; readonly error: string } {
  const { program, resolution } = programOf(text);
  const args = Object.entries(given).map(
    ([name, g]): FunctionArgument =>
      "value" in g
        ? { name, value: g.value }
        : { name, shape: g.shape, ...(g.axes ? { axes: g.axes } : {}), ...(g.dtype ? { dtype: g.dtype } : {}) },
  );
  const made = elaborateFunction(program, resolution, fn, args, options);
  if (!made.ok) return { results: {}, error: render(program, made.diagnostics) };
  const inputs: Record<string, NdArray> = uniformArrays(made.value.uniforms, options.environment);
  for (const [name, g] of Object.entries(given)) if (!("value" in g)) inputs[name] = array(g.shape, g.data, g.dtype ?? "f32");
  const starts = evaluate({ name: "init", results: made.value.leaves.map((leaf) => ({ name: leaf.path, value: leaf.init })) }, inputs);
  return { results: evaluate(made.value.graph, { ...inputs, ...starts }), error: "" };
}
