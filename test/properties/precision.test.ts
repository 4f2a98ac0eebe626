import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { parseGraph } from "../../compiler/ir/parseText.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { graphValues, rebuild } from "../../compiler/ir/walk.ts";
import type { PlanTarget } from "../../compiler/plan/plan.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { eightLanes, fewBuffers, fourLanes, noSubgroups } from "../targets.ts";
import { programs } from "./programs.ts";

// Random programs whose activations are stored as f16, natively and packed, equal the f64 meaning with the roundings that the precision pass
// wrote into the graph, and the f32 program loosely. The interpreter refuses a store of a part of a word, and sees races.

const policy = { frozen: "f16", compute: "f16", gradients: "f16" } as const;

/** The graph with all inputs as data, so that what is computed from them counts as activation. */
const ofData = (graph: Graph): Graph => {
  const b = new Builder();
  return rebuild(graph, b, (v) => (v.op === "input" ? b.make("input", [], { ...v.attrs, role: "data" }, { labels: v.labels }) : null));
};

function run(graph: Graph, inputs: Readonly<Record<string, NdArray>>, target: PlanTarget, fuse: boolean) {
  let text = "";
  try {
    const actual = interpretGraph(graph, inputs, target, {
      fuse,
      precision: policy,
      onStage: (stage, _, print) => {
        if (stage === "precise") text = print();
      },
    });
    const parsed = parseGraph(text);
    if (!("graph" in parsed)) throw new Error(`cannot be read back: ${JSON.stringify(parsed.error)}`);
    return { actual, precise: parsed.graph };
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${text || printGraph(graph)}`);
  }
}

interface Errors {
  largest: number;
  /** Share of elements that are further off than f32 explains. */
  offShare: number;
}
function errorsOf(actual: NdArray, expected: NdArray): Errors {
  const scale = expected.data.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-3);
  const differences = [...expected.data].map((x, i) => Math.abs(actual.data[i]! - x) / scale);
  const off = differences.filter((d) => !(d <= 2e-4)).length;
  return {
    largest: differences.reduce((m, d) => Math.max(m, Number.isNaN(d) ? Number.POSITIVE_INFINITY : d), 0),
    offShare: off / differences.length,
  };
}

const seed = Number(process.env.ADA_SEED ?? 33);
const numRuns = Number(process.env.ADA_RUNS ?? 40);
const native = { ...eightLanes, shaderF16: true };
const forms: Readonly<Record<string, PlanTarget>> = {
  native,
  "native, few buffers": { ...fewBuffers, shaderF16: true },
  packed: fourLanes,
  "packed, no subgroups": noSubgroups,
};

describe.each(Object.entries(forms))("random programs with f16 storage, %s", (_, target) => {
  it("equal the f64 meaning with its roundings", () => {
    let rounded = 0;
    let elements = 0;
    let flipped = 0;
    fc.assert(
      fc.property(programs({ steps: 14 }), fc.boolean(), (program, fuse) => {
        const graph = ofData(program.graph);
        const { actual, precise } = run(graph, program.inputs, target, fuse);
        rounded += graphValues(precise).filter((v) => v.dtype === "f16").length;
        const expected = evaluate(precise, program.inputs);
        const plain = evaluate(graph, program.inputs);
        for (const { name } of graph.results) {
          const want = expected[name];
          if (!want) continue; // a copy of an input or of another result
          const tight = errorsOf(actual[name]!, want);
          elements += want.data.length;
          flipped += tight.offShare * want.data.length;
          // f32 and f64 may round to neighbours: a unit of f16, carried through what follows.
          if (tight.largest > 1e-2) expect.fail(`${name} differs by ${tight.largest}\n${printGraph(precise)}`);
          const loose = errorsOf(actual[name]!, plain[name]!);
          if (loose.largest > 3e-2) expect.fail(`${name} differs from the f32 program by ${loose.largest}\n${printGraph(precise)}`);
        }
      }),
      { seed, numRuns },
    );
    expect(rounded).toBeGreaterThan(numRuns);
    expect(flipped / elements).toBeLessThan(0.01);
  });
});
