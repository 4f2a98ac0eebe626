import { Builder } from "../ir/builder.ts";
import { describe, type NdArray, type ReferenceContext, sameShape } from "../ir/ops/row.ts";
import { bodyOf, rowOf } from "../ir/ops.ts";
import type { Graph, Value } from "../ir/value.ts";
import { topologicalOrder } from "../ir/walk.ts";
import { philox4x32 } from "../plan/philox.ts";

// The slow twin of everything: a graph's meaning in double precision, op by op from the table. In: a graph and its inputs by name.
// Out: its results by name. Whole numbers and bits are exact; f32 is computed in f64, or rounded after each op on request.

export interface EvaluateOptions {
  /** Round the result of each op to f32, as a device does that computes each op exactly. */
  readonly roundF32?: boolean;
}

export type Arrays = Readonly<Record<string, NdArray>>;

/** All results of the graph. */
export function evaluate(graph: Graph, inputs: Arrays, options: EvaluateOptions = {}): Record<string, NdArray> {
  const arrays = evaluateValues(
    graph.results.map((r) => r.value),
    inputs,
    options,
  );
  return Object.fromEntries(graph.results.map((r, i) => [r.name, arrays[i]!]));
}

/** The meaning of each value. */
export function evaluateValues(values: readonly Value[], inputs: Arrays, options: EvaluateOptions = {}): NdArray[] {
  const context: ReferenceContext = {
    input: (name) => {
      const given = inputs[name];
      if (given === undefined)
        throw new Error(`internal: evaluate: no input '${name}' (given: ${Object.keys(inputs).join(", ") || "none"})`);
      return given;
    },
    philox: philox4x32,
  };
  const order = topologicalOrder(values);
  const waiting = new Map<Value, number>();
  for (const v of order) for (const a of v.args) waiting.set(a, (waiting.get(a) ?? 0) + 1);
  for (const v of values) waiting.set(v, (waiting.get(v) ?? 0) + 1);
  const known = new Map<Value, NdArray>();
  for (const v of order) {
    const result = evaluateOne(
      v,
      v.args.map((a) => known.get(a)!),
      context,
    );
    known.set(v, options.roundF32 ? rounded(result, v) : result);
    for (const a of v.args) release(a, waiting, known);
  }
  return values.map((v) => known.get(v)!);
}

/** The meaning of one value, given its arguments'. */
export function evaluateOne(v: Value, args: readonly NdArray[], context: ReferenceContext): NdArray {
  const { ref } = rowOf(v.op);
  const result = typeof ref === "function" ? ref(args, v.attrs, context, v) : evaluateBody(v, args);
  if (result.dtype !== v.dtype || !sameShape(result.shape, v.shape)) {
    throw new Error(`internal: evaluate: '${v.op}' gave ${describe(result)} for ${describe(v)}`);
  }
  return result;
}

/** A call's meaning is that of its body, whose leaves are the call's arguments. */
function evaluateBody(v: Value, args: readonly NdArray[]): NdArray {
  const b = new Builder();
  const leaves = args.map((a, i) => b.input(`${i}`, a.shape, { dtype: a.dtype }));
  return evaluateValues([bodyOf(b, v, leaves)!], Object.fromEntries(args.map((a, i) => [`${i}`, a])))[0]!;
}

function release(v: Value, waiting: Map<Value, number>, known: Map<Value, NdArray>): void {
  const left = waiting.get(v)! - 1;
  waiting.set(v, left);
  if (left === 0) known.delete(v);
}

function rounded(result: NdArray, v: Value): NdArray {
  if (result.dtype !== "f32" || rowOf(v.op).kernel === "view") return result;
  return { ...result, data: result.data.map(Math.fround) };
}
