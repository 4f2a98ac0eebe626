import path from "node:path";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import { vjp } from "../../compiler/autodiff.ts";
import { elaborateFunction, type FunctionArgument } from "../../compiler/elaborate/index.ts";
import { uniformArrays } from "../../compiler/elaborate/testing.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Graph, GraphResult } from "../../compiler/ir/value.ts";
import type { HostEnvironment, UniformDecl } from "../../compiler/plan/host.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { checkFully } from "../../dsl/check/index.ts";
import { hasErrors } from "../../dsl/diagnostics.ts";
import { loadProgram } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { diskHost, packageRoot, type SourceHost } from "../../dsl/source.ts";
import type { OpenedDevice } from "../../runtime/device/openDevice.ts";
import { type Case, difference } from "./case.ts";
import { bookkeeping } from "./readTensors.ts";
import type { Written } from "./written.ts";

// Runs one case: writes its program, checks, elaborates and differentiates it, runs the graph, by its meaning or on a device, and compares every recorded output and
// gradient.

type Arrays = Readonly<Record<string, NdArray>>;
/** A graph made ready, to be run as often as wanted. */
export interface Prepared {
  run(inputs: Arrays, environment?: HostEnvironment): Promise<Arrays>;
  dispose(): void;
}
export type Prepare = (graph: Graph, uniforms: readonly UniformDecl[]) => Promise<Prepared>;

/** By the f64 meaning. */
export const byReference: Prepare = async (graph, uniforms) => ({
  run: async (inputs, environment) => evaluate(graph, { ...inputs, ...uniformArrays(uniforms, environment) }),
  dispose: () => {},
});
export const onDevice =
  (opened: OpenedDevice): Prepare =>
  (graph, uniforms) =>
    DeviceGraph.create(opened, graph, uniforms);

/** What a graph gives that is run once. */
export async function runOnce(prepare: Prepare, graph: Graph, inputs: Arrays, uniforms: readonly UniformDecl[] = []): Promise<Arrays> {
  const prepared = await prepare(graph, uniforms);
  try {
    return await prepared.run(inputs);
  } finally {
    prepared.dispose();
  }
}

const file = "conformance-case.ada";

/** Reads the text as if it lay in the package's root, so that it can import the standard library. */
function hostOf(text: string): SourceHost {
  const disk = diskHost(packageRoot());
  const own = path.join(packageRoot(), file);
  return {
    ...disk,
    workingFolder: packageRoot(),
    exists: (f) => f === own || disk.exists(f),
    readFile: (f) => (f === own ? { text } : disk.readFile(f)),
  };
}

/** A program given as text, checked; a mistake in it is ours. */
export function loadText(text: string) {
  const checked = checkFully(loadProgram(file, hostOf(text)));
  if (hasErrors(checked.diagnostics))
    throw new Error(renderDiagnostics(checked.diagnostics, (f) => checked.program.files.get(f)?.text ?? text));
  return checked;
}

export const argumentName = (tensor: string): string => tensor.replace(/^(input|param)\./, "").replaceAll(".", "_");

/** null if the case passes, else what is wrong. */
export async function runWritten(one: Case, written: Written, prepare: Prepare): Promise<string | null> {
  const tensors = await one.tensors();
  const program = loadProgram(file, hostOf(written.text));
  const checked = checkFully(program);
  const textOf = (f: string): string => program.files.get(f)?.text ?? written.text;
  if (hasErrors(checked.diagnostics)) return `does not check:\n${renderDiagnostics(checked.diagnostics, textOf)}\n${written.text}`;
  const inputs: Record<string, NdArray> = {};
  const sources = new Map<string, string>(); // input leaf -> tensor
  const args = Object.entries(written.args).map(([tensor, axes]): FunctionArgument => {
    const value = tensors[tensor];
    if (!value) throw new Error(`internal: ${one.name} has no tensor ${tensor}`);
    const name = argumentName(tensor);
    inputs[name] = value;
    sources.set(name, tensor);
    return { name, shape: value.shape, axes: axes.split(" ").filter((a) => a !== ""), dtype: value.dtype as "f32" | "i32" };
  });
  const made = elaborateFunction(
    checked.program,
    checked.resolution,
    "case",
    args,
    written.training === undefined ? {} : { training: written.training },
  );
  if (!made.ok) return `does not elaborate:\n${renderDiagnostics(made.diagnostics, textOf)}\n${written.text}`;
  const { graph, leaves, models, builder, uniforms } = made.value;
  const lastName = (p: string): string => p.slice(p.lastIndexOf(".") + 1);
  const places = new Map(models.flatMap((m) => (m.keys ?? []).map((k) => [k.key, k.file] as const)));
  for (const leaf of leaves) {
    const place = places.get(leaf.key);
    const names = place ? [`param.${place}`] : [`param.${lastName(leaf.path)}`, `input.${lastName(leaf.path)}`];
    const tensor = names.find((t) => tensors[t]);
    if (!tensor) return `the case has nothing for the parameter ${leaf.path} (${names.join(", ")})`;
    const given = tensors[tensor]!;
    if (given.data.length !== leaf.shape.reduce((n, size) => n * size, 1))
      return `${tensor} is [${given.shape.join(", ")}], the parameter ${leaf.path} is [${leaf.shape.join(", ")}]`;
    inputs[leaf.path] = { ...given, shape: leaf.shape };
    sources.set(leaf.path, tensor);
  }
  const used = new Set(sources.values());
  const nobodys = Object.keys(tensors).filter((t) => t.startsWith("param.") && !used.has(t) && !bookkeeping.test(t));
  if (nobodys.length > 0) return `the program has no parameter for ${nobodys.join(", ")}`;
  const resultOf = (field: string) => graph.results.find((r) => r.name === (field === "" ? "result" : `result.${field}`));
  const outputs = new Map<string, GraphResult>();
  for (const [name, field] of Object.entries(written.outputs ?? { y: "" })) {
    const found = resultOf(field);
    if (!found) return `the program has no result ${field}`;
    outputs.set(`output.${name}`, { name: `output.${name}`, value: found.value });
  }
  for (const [name, state] of Object.entries(written.states ?? {})) {
    const leaf = leaves.find((l) => lastName(l.path) === state);
    const found = graph.results.find((r) => r.name === `update.${leaf?.path}`);
    if (!found) return `the program does not update ${state}`;
    outputs.set(`output.${name}`, { name: `output.${name}`, value: found.value });
  }
  const missing = Object.keys(tensors).filter((t) => t.startsWith("output.") && !t.startsWith("output.intermediate.") && !outputs.has(t));
  if (missing.length > 0) return `the program does not compute ${missing.join(", ")}`;
  // The scalar differentiated is the sum of output * cotangent.
  const results: GraphResult[] = [...outputs.values()];
  const driven = [...outputs.entries()].filter(([name]) => tensors[`input.cotangent.${name.slice("output.".length)}`]);
  const wanted = [...sources.entries()].filter(([, tensor]) => tensors[`grad.${tensor}`]);
  const roleOf = (leaf: string) => leaves.find((l) => l.path === leaf)?.role ?? "data";
  if (driven.length > 0 && wanted.length > 0) {
    const cotangents = driven.map(([name, r]) => {
      const c = `cotangent.${name}`;
      const recorded = tensors[`input.cotangent.${name.slice("output.".length)}`]!;
      inputs[c] = { ...recorded, shape: r.value.shape };
      return builder.input(c, r.value.shape, { role: "grad" });
    });
    const wrt = wanted.map(([leaf]) => builder.input(leaf, inputs[leaf]!.shape, { role: roleOf(leaf) }));
    const gradients = vjp(
      builder,
      driven.map(([, r]) => r.value),
      cotangents,
      wrt,
    );
    for (const [i, [, tensor]] of wanted.entries()) results.push({ name: `grad.${tensor}`, value: gradients[i]! });
  }
  const ungraded = Object.keys(tensors).filter((t) => t.startsWith("grad.") && !results.some((r) => r.name === t));
  if (ungraded.length > 0) return `the program does not compute ${ungraded.join(", ")}`;
  const found = await runOnce(prepare, { name: "case", results }, inputs, uniforms);
  for (const r of results) {
    const problem = difference(one, r.name, found[r.name], tensors[r.name]!);
    if (problem) return problem;
  }
  return null;
}
