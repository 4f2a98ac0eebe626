import { Builder } from "../ir/builder.ts";
import type { Graph, GraphResult, Value } from "../ir/value.ts";
import type { OnnxArray, OnnxModel, OnnxNode } from "../plan/onnxModel.ts";
import { evaluateValues } from "../reference/evaluate.ts";
import { type Computed, Context, count, dtypeOf, NotImported, type OperatorTable, type Result } from "./context.ts";
import { products } from "./contract.ts";
import { elementwise } from "./elementwise.ts";
import { indexing } from "./indexing.ts";
import { movement } from "./movement.ts";
import { reductions } from "./reduce.ts";
import { windows } from "./windows.ts";

// A model of ONNX as a graph of tensor IR. In: the model, and the shapes of its inputs. Out: a graph whose inputs are the model's inputs and its
// large weights, by name. What does not depend on the inputs' numbers is computed here: shapes and all arithmetic with them.

const operators: OperatorTable = { ...elementwise, ...movement, ...reductions, ...windows, ...products, ...indexing };
/** The operators that are imported, for messages and lists. */
export const operatorNames: readonly string[] = Object.keys(operators).sort();

export interface ImportedGraph {
  readonly graph: Graph;
  readonly builder: Builder;
  /** Weights that are inputs of the graph. */
  readonly weights: readonly string[];
  /** Outputs that do not depend on the inputs' numbers. */
  readonly known: ReadonlyMap<string, OnnxArray>;
}
export type Imported =
  | { readonly ok: true; readonly value: ImportedGraph }
  | { readonly ok: false; readonly message: string; readonly help: string };

/** What is computed here has at most so many elements. */
const mostKnown = 1 << 16;

/** Imports a model for inputs of these shapes. Inputs that say how large something is are given as numbers, and are no inputs of the graph. */
export function importOnnx(
  model: OnnxModel,
  shapes: Readonly<Record<string, readonly number[]>>,
  numbers: Readonly<Record<string, OnnxArray>> = {},
): Imported {
  const b = new Builder();
  const values = new Map<string, Computed>();
  for (const { name, type } of model.inputs) {
    const fixed = numbers[name];
    if (fixed !== undefined) {
      values.set(name, { kind: "known", ...fixed });
      continue;
    }
    const shape = shapes[name];
    if (shape === undefined) return { ok: false, message: `the input ${name} has no shape`, help: "give the shape of every input" };
    values.set(
      name,
      count(shape) === 0
        ? { kind: "known", type, shape, data: new Float64Array() }
        : { kind: "value", type, value: b.input(name, shape, { dtype: dtypeOf(type) }) },
    );
  }
  for (const [name, { type, shape, data }] of model.constants)
    values.set(
      name,
      data === null
        ? { kind: "value", type, value: b.input(name, shape, { role: "param", dtype: dtypeOf(type) }) }
        : { kind: "known", type, shape, data },
    );
  for (const node of model.nodes) {
    try {
      const made = computeNode(b, node, model.opset, values);
      for (const [i, name] of node.outputs.entries()) if (name !== "" && made[i] !== undefined) values.set(name, made[i]);
    } catch (error) {
      if (!(error instanceof NotImported)) throw error;
      const who = node.name === "" ? node.op : `${node.op} (${node.name})`;
      return { ok: false, message: `${who}: ${error.message}`, help: `operators that are imported: ${operatorNames.join(", ")}` };
    }
  }
  const results: GraphResult[] = [];
  const known = new Map<string, OnnxArray>();
  for (const name of model.outputs) {
    const found = values.get(name);
    if (found === undefined) return { ok: false, message: `the output ${name} is not computed`, help: "the file is damaged" };
    if (found.kind === "known") known.set(name, found);
    else results.push({ name, value: found.value });
  }
  const weights = [...model.constants].flatMap(([name, { data }]) => (data === null ? [name] : []));
  return { ok: true, value: { graph: { name: "onnx", results }, builder: b, weights, known } };
}

function computeNode(b: Builder, node: OnnxNode, opset: number, values: ReadonlyMap<string, Computed>): readonly Computed[] {
  const operator = node.domain === "" && Object.hasOwn(operators, node.op) ? operators[node.op] : undefined;
  if (operator === undefined)
    throw new NotImported(`the operator ${node.domain === "" ? "" : `${node.domain}.`}${node.op} is not imported`);
  const args = node.inputs.map((name): Computed | null => {
    if (name === "") return null;
    const found = values.get(name);
    if (found === undefined) throw new NotImported(`its argument ${name} is nowhere computed`);
    return found;
  });
  const made = operator(new Context(b, node, opset, args)).map((result) => typedResult(result, args[0] ?? null));
  const isKnown = args.every((arg) => arg === null || arg.kind === "known");
  return isKnown ? made.map(folded) : made;
}

/** The type that a value has where its row does not say: its first argument's where that is of the same kind. */
function typedResult(result: Result, first: Computed | null): Computed {
  if ("kind" in result) return result;
  const same = first !== null && dtypeOf(first.type) === result.dtype;
  return { kind: "value", value: result, type: same ? first.type : plainType(result) };
}
function plainType(value: Value): Computed["type"] {
  return value.dtype === "bool" ? "bool" : value.dtype === "i32" ? "int64" : "float";
}

function folded(computed: Computed): Computed {
  if (computed.kind === "known" || count(computed.value.shape) > mostKnown) return computed;
  const [array] = evaluateValues([computed.value], {});
  return { kind: "known", type: computed.type, shape: computed.value.shape, data: Float64Array.from(array!.data) };
}
