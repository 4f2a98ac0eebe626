import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { extract } from "tar";
import type { NdArray } from "../../../compiler/ir/ops/row.ts";
import { importOnnx } from "../../../compiler/onnx/importGraph.ts";
import type { OnnxArray, OnnxModel, OnnxType } from "../../../compiler/plan/onnxModel.ts";
import { type OnnxFile, openOnnx } from "../../../runtime/checkpoint/onnxFile.ts";
import { MessageProblem, readTensorMessage } from "../../../runtime/checkpoint/onnxMessages.ts";
import { type Case, difference } from "../case.ts";
import type { ListFile, ListTable } from "../lists.ts";
import { arrayOf } from "../readTensors.ts";
import { type CaseResult, judged } from "../result.ts";
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
async function computed(file: OnnxFile, inputs: Readonly<Record<string, OnnxArray>>, prepare: Prepare): Promise<Outcome> {
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
  const imported = importWith(file.model, shapes, inputs);
  if (!imported.ok) return { kind: "not imported", reason: imported.message };
  const { graph, weights, known } = imported.value;
  const given = Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, ndArray(array)]));
  for (const name of weights) given[name] = await arrayOf(file, name);
  const run = graph.results.length === 0 ? {} : await runOnce(prepare, graph, given);
  const fixed = Object.fromEntries([...known].map(([name, array]) => [name, ndArray(array)]));
  return { kind: "found", arrays: { ...run, ...fixed } };
}

/** What `work` says of a model's file, or why the file is not read. */
async function withModel<T>(file: string, work: (opened: OnnxFile) => Promise<T>, unread: (reason: string) => T): Promise<T> {
  const opened = await openOnnx(file);
  if (!opened.ok) return unread(opened.error.message.replace(`${file}: `, ""));
  try {
    return await work(opened.value);
  } finally {
    await opened.value.close();
  }
}

/** A recorded model: its inputs and outputs are the case's. */
export async function runOnnxModel(one: Case, root: string, prepare: Prepare): Promise<string | null> {
  const tensors = await one.tensors();
  const plain = ({ dtype, shape, data }: NdArray): OnnxArray => ({ type: dtype === "f32" ? "float" : "int64", shape, data });
  const under = (prefix: string): [string, NdArray][] =>
    Object.entries(tensors).flatMap(([name, array]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), array]] : []));
  const inputs = Object.fromEntries(under("input.").map(([name, array]) => [name, plain(array)]));
  const compared = async (file: OnnxFile): Promise<string | null> => {
    const outcome = await computed(file, inputs, prepare);
    if (outcome.kind === "not imported") return outcome.reason;
    for (const [name, wanted] of under("output.")) {
      const problem = difference(one, `output.${name}`, outcome.arrays[name], wanted);
      if (problem !== null) return problem;
    }
    return null;
  };
  return withModel(path.join(root, String(one.config.model_file)), compared, (reason) => reason);
}

interface NodeTest {
  readonly name: string;
  readonly op: string;
  readonly rtol: number;
  readonly atol: number;
}

async function runNodeTest(folder: string, test: NodeTest, prepare: Prepare): Promise<CaseResult> {
  const unsupported = (detail: string): CaseResult => ({ case: test.name, status: "unsupported", detail });
  const unread = (reason: string): CaseResult => unsupported(`${test.op}: ${reason}`);
  const tolerance = { rtol: test.rtol, atol: test.atol };
  const one: Case = { name: test.name, group: "onnx", kind: "onnx_node_tests", config: {}, tolerance, tensors: async () => ({}) };
  const sets = readdirSync(folder).filter((name) => name.startsWith("test_data_set_"));
  if (sets.length === 0) return judged(test.name, "it has no inputs and outputs");
  const compared = async (file: OnnxFile): Promise<CaseResult> => {
    const { inputs: given, outputs } = file.model;
    for (const set of sets) {
      const read = (name: string): OnnxArray => readTensorMessage(readFileSync(path.join(folder, set, name)));
      const inputs = Object.fromEntries(given.map(({ name, type }, i) => [name, meant(read(`input_${i}.pb`), type)]));
      const wanted = outputs.map((_, i) => read(`output_${i}.pb`));
      const outcome = await computed(file, inputs, prepare);
      if (outcome.kind === "not imported") return unsupported(outcome.reason);
      for (const [i, name] of outputs.entries()) {
        const { shape } = wanted[i]!;
        const found = outcome.arrays[name];
        if (found && found.shape.join() !== shape.join())
          return judged(test.name, `${name} is [${found.shape.join(", ")}] instead of [${shape.join(", ")}]`);
        const problem = difference(one, name, found, ndArray(wanted[i]!));
        if (problem !== null) return judged(test.name, problem);
      }
    }
    return judged(test.name, null);
  };
  try {
    return await withModel(path.join(folder, "model.onnx"), compared, unread);
  } catch (error) {
    if (error instanceof MessageProblem) return unread(error.message);
    throw error;
  }
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
