import fc from "fast-check";
import { expect, it } from "vitest";
import { type CompileOptions, compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import { elementCount, type NdArray } from "../../compiler/ir/ops/row.ts";
import { parseGraph } from "../../compiler/ir/parseText.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import { graphInputs, graphValues, rebuild } from "../../compiler/ir/walk.ts";
import type { PlanTarget } from "../../compiler/plan/plan.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { targets } from "../targets.ts";
import { programs } from "./programs.ts";
import { settings } from "./settings.ts";

// Programs whose activations are stored as f16 equal the f64 meaning with the roundings that the precision pass wrote into the graph, and
// the f32 program loosely (`spec/numerics.md`). Compiled for anything and run by the interpreter, which refuses a store of a part of a word
// and sees races, or by a device.

const policy = { frozen: "f16", compute: "f16", gradients: "f16", products: "f32" } as const;
type Inputs = Readonly<Record<string, NdArray>>;

/** The graph with all inputs as data, so that what is computed from them counts as activation. */
export const ofData = (graph: Graph): Graph => {
  const b = new Builder();
  return rebuild(graph, b, (v) => (v.op === "input" ? b.make("input", [], { ...v.attrs, role: "data" }, { labels: v.labels }) : null));
};

/** The graph that is computed, with its casts. */
function preciseOf(graph: Graph, target: PlanTarget, options: CompileOptions): Graph {
  let text = "";
  compileGraph(graph, [], target, {
    ...options,
    precision: policy,
    onStage: (stage, _, print) => {
      if (stage === "precise") text = print();
    },
  });
  const parsed = parseGraph(text);
  if (!("graph" in parsed)) throw new Error(`cannot be read back: ${JSON.stringify(parsed.error)}\n${text}`);
  return parsed.graph;
}

/** Elements compared so far, those further off than f32 explains, and values rounded. */
export class Tally {
  elements = 0;
  off = 0;
  rounded = 0;

  /** Compares one element's differences, relative to the largest of its result. */
  count(tight: number, loose: number): string | null {
    this.elements++;
    if (!(tight <= 2e-4)) this.off++;
    // f32 and f64 may round to neighbours: a unit of f16, carried through what follows.
    if (!(tight <= 1e-2)) return `${tight} from its f64 meaning`;
    return loose <= 3e-2 ? null : `${loose} from the f32 program`;
  }
}

/** Checks a graph's results with f16 storage, by whatever runs it. */
export async function checkHalves(
  graph: Graph,
  inputs: Inputs,
  target: PlanTarget,
  options: CompileOptions,
  tally: Tally,
  run: (options: CompileOptions) => Promise<Record<string, NdArray>> | Record<string, NdArray>,
): Promise<void> {
  const precise = preciseOf(graph, target, options);
  let actual: Record<string, NdArray>;
  try {
    actual = await run({ ...options, precision: policy });
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${printGraph(precise)}`);
  }
  tally.rounded += graphValues(precise).filter((v) => v.dtype === "f16").length;
  const tight = evaluate(precise, inputs);
  const loose = evaluate(graph, inputs);
  for (const { name } of precise.results) {
    const scale = tight[name]!.data.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-3);
    for (const [i, x] of tight[name]!.data.entries()) {
      const got = actual[name]!.data[i]!;
      const problem = tally.count(Math.abs(got - x) / scale, Math.abs(got - loose[name]!.data[i]!) / scale);
      if (problem) expect.fail(`${name}[${i}] is ${got} for ${x}: ${problem}\n${printGraph(precise)}`);
    }
  }
}

/** Declares the property; `runs` random programs in each form. */
export function precisionProperties(runs: number, seed: number): void {
  it.each(["native", "packed"])("equal the f64 meaning with its roundings, %s", async (form) => {
    const tally = new Tally();
    await fc.assert(
      // (A leg with loops is several graphs: the one with the casts is not there as a whole.
      // Gradients of attention are asked for at sums of other scores, where weights leave the range of f16; attention is measured below.)
      fc.asyncProperty(programs({ steps: 14, without: ["attend", "attendGrad", "loop"] }), settings, async (program, given) => {
        const graph = ofData(program.graph);
        const cramped = { ...given.target, shaderF16: form === "native" };
        // In windows the graph with the casts is one over parts of inputs and results: then only the f32 program is there to compare with.
        const target = { ...cramped, maxBindingBytes: 2 ** 27 };
        await checkHalves(graph, program.inputs, target, given.options, tally, (options) =>
          interpretGraph(graph, program.inputs, target, options),
        );
        const parts = interpretGraph(graph, program.inputs, cramped, { ...given.options, precision: policy });
        const whole = evaluate(graph, program.inputs);
        for (const { name, value } of graph.results) {
          const scale = whole[name]!.data.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-3);
          const off = whole[name]!.data.findIndex((x, i) => !(Math.abs(parts[name]!.data[i]! - x) <= 3e-2 * scale));
          if (off >= 0) expect.fail(`${name}[${off}] of ${value.dtype} in windows is ${parts[name]!.data[off]}\n${printGraph(graph)}`);
        }
      }),
      { seed, numRuns: runs },
    );
    expect(tally.rounded).toBeGreaterThan(runs / 3);
    expect(tally.off / tally.elements).toBeLessThan(0.01);
  });
  it.each(["native", "packed"])("attend as their roundings say, %s", async (form) => {
    const tally = new Tally();
    const b = new Builder();
    const [x, wq, wk, wv] = ["x", "wq", "wk", "wv"].map((name) => b.input(name, name === "x" ? [2, 9, 8] : [8, 12])) as [
      Value,
      Value,
      Value,
      Value,
    ];
    const project = (w: Value): Value => b.dot(x, w, { contractA: [2], contractB: [0] });
    const out = b.make("attend", [project(wq), project(wk), project(wv)], { part: "out", scale: 0.3 });
    const graph: Graph = { name: "attention", results: [{ name: "y", value: b.tanh(b.dot(out, wq, { contractA: [2], contractB: [1] })) }] };
    const inputs = Object.fromEntries(
      graphInputs(graph).map((v) => {
        const data = Float64Array.from({ length: elementCount(v.shape) }, (_, i) => Math.fround(Math.sin((i + 1) * 12.9898 + v.id)));
        return [v.attrs.name, { dtype: v.dtype, shape: v.shape, data }];
      }),
    );
    for (const adapter of Object.values(targets)) {
      const target = { ...adapter, shaderF16: form === "native" };
      await checkHalves(graph, inputs, target, {}, tally, (options) => interpretGraph(graph, inputs, target, options));
    }
    expect(tally.rounded).toBeGreaterThan(0);
    expect(tally.off / tally.elements).toBeLessThan(0.05);
  });
}
