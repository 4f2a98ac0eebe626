import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { extract } from "tar";
import type { NdArray } from "../../../compiler/ir/ops/row.ts";
import { importOnnx } from "../../../compiler/onnx/importGraph.ts";
import type { OnnxArray, OnnxModel, OnnxType } from "../../../compiler/plan/onnxModel.ts";
import { openOnnx } from "../../../runtime/checkpoint/onnxFile.ts";
import { readTensorMessage } from "../../../runtime/checkpoint/onnxMessages.ts";
import { type Case, difference } from "../case.ts";
import type { CaseResult } from "../cases.ts";
import type { ListFile, ListTable } from "../lists.ts";
import { arrayOf } from "../readTensors.ts";
import { type Prepare, runOnce } from "../run.ts";

// Recorded models of ONNX, and ONNX's own tests of single operators.

type Arrays = Readonly<Record<string, NdArray>>;
/** Bits of short floats are recorded as whole numbers. */
const meant = (array: OnnxArray, type: OnnxType): OnnxArray =>
  type === "bfloat16" && array.type === "uint16"
    ? { type, shape: array.shape, data: Float64Array.from(new Float32Array(Uint32Array.from(array.data, (bits) => bits << 16).buffer)) }
    : array;
const ndArray = ({ type, shape, data }: OnnxArray): NdArray => ({
  dtype: type === "bool" ? "bool" : /int/.test(type) ? "i32" : "f32",
  shape,
  data,
});

type Outcome = { readonly kind: "found"; readonly arrays: Arrays } | { readonly kind: "not imported"; readonly reason: string };

/** Sizes may be inputs: where a graph cannot be made without their numbers, the inputs behind the first are fixed, and then all. */
function importWith(model: OnnxModel, shapes: Readonly<Record<string, readonly number[]>>, inputs: Readonly<Record<string, OnnxArray>>) {
  const plain = importOnnx(model, shapes);
  if (plain.ok) return plain;
  const [, ...rest] = Object.entries(inputs);
  const some = importOnnx(model, shapes, Object.fromEntries(rest));
  return some.ok ? some : importOnnx(model, shapes, inputs);
}

/** What a model computes. */
async function computed(file: string, inputs: Readonly<Record<string, OnnxArray>>, prepare: Prepare): Promise<Outcome> {
  const opened = await openOnnx(file);
  if (!opened.ok) return { kind: "not imported", reason: opened.error.message.replace(`${file}: `, "") };
  try {
    const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
    const imported = importWith(opened.value.model, shapes, inputs);
    if (!imported.ok) return { kind: "not imported", reason: imported.message };
    const { graph, weights, known } = imported.value;
    const arrays = Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, ndArray(array)]));
    for (const name of weights) arrays[name] = await arrayOf(opened.value, name);
    const run = graph.results.length === 0 ? {} : await runOnce(prepare, graph, arrays);
    const fixed = Object.fromEntries([...known].map(([name, array]) => [name, ndArray(array)]));
    return { kind: "found", arrays: { ...run, ...fixed } };
  } finally {
    await opened.value.close();
  }
}

/** A recorded model: its inputs and outputs are the case's. */
export async function runOnnxModel(one: Case, root: string, prepare: Prepare): Promise<string | null> {
  const tensors = await one.tensors();
  const plain = ({ dtype, shape, data }: NdArray): OnnxArray => ({ type: dtype === "f32" ? "float" : "int64", shape, data });
  const under = (prefix: string): Arrays =>
    Object.fromEntries(
      Object.entries(tensors).flatMap(([name, array]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), array]] : [])),
    );
  const inputs = Object.fromEntries(Object.entries(under("input.")).map(([name, array]) => [name, plain(array)]));
  const outcome = await computed(path.join(root, String(one.config.model_file)), inputs, prepare);
  if (outcome.kind === "not imported") return outcome.reason;
  for (const [name, wanted] of Object.entries(under("output."))) {
    const problem = difference(one, `output.${name}`, outcome.arrays[name], wanted);
    if (problem !== null) return problem;
  }
  return null;
}

interface NodeTest {
  readonly name: string;
  readonly op: string;
  readonly asked_for: boolean;
  readonly rtol: number;
  readonly atol: number;
}

async function runNodeTest(folder: string, test: NodeTest, prepare: Prepare): Promise<CaseResult> {
  const named = { case: test.name };
  const model = path.join(folder, "model.onnx");
  const names = await openOnnx(model);
  const [given, outputNames] = names.ok ? [names.value.model.inputs, names.value.model.outputs] : [[], []];
  if (names.ok) await names.value.close();
  for (const set of readdirSync(folder).filter((name) => name.startsWith("test_data_set_"))) {
    const read = (name: string): OnnxArray => readTensorMessage(readFileSync(path.join(folder, set, name)));
    let inputs: Readonly<Record<string, OnnxArray>>;
    let wanted: readonly OnnxArray[];
    try {
      inputs = Object.fromEntries(given.map(({ name, type }, i) => [name, meant(read(`input_${i}.pb`), type)]));
      wanted = outputNames.map((_, i) => read(`output_${i}.pb`));
    } catch (error) {
      return { ...named, status: "unsupported", detail: `${test.op}: ${error instanceof Error ? error.message : String(error)}` };
    }
    const outcome = await computed(model, inputs, prepare);
    if (outcome.kind === "not imported") return { ...named, status: "unsupported", detail: `${test.op}: ${outcome.reason}` };
    const tolerance = { rtol: test.rtol, atol: test.atol };
    const one: Case = { name: test.name, group: "onnx", kind: "onnx_node_tests", config: {}, tolerance, tensors: async () => ({}) };
    for (const [i, name] of outputNames.entries()) {
      const array = wanted[i]!;
      const found = outcome.arrays[name];
      if (found && found.shape.join() !== array.shape.join())
        return { ...named, status: "failed", detail: `${name} is [${found.shape.join(", ")}] instead of [${array.shape.join(", ")}]` };
      const problem = difference(one, name, found, ndArray(array));
      if (problem !== null) return { ...named, status: "failed", detail: problem };
    }
  }
  return { ...named, status: "passed", detail: "" };
}

async function* nodeTests(list: ListFile, prepare: Prepare): AsyncGenerator<CaseResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "ada-onnx-"));
  try {
    await extract({ file: path.join(list.root, String((list.content.config as { readonly archive: string }).archive)), cwd: folder });
    for (const test of list.content.tests as readonly NodeTest[]) {
      try {
        yield await runNodeTest(path.join(folder, "node", test.name), test, prepare);
      } catch (error) {
        yield { case: test.name, status: "failed", detail: error instanceof Error ? (error.stack ?? error.message) : String(error) };
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const onnxLists: ListTable = { onnx_node_tests: nodeTests };
