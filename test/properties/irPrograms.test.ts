import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gradient } from "../../compiler/autodiff.ts";
import { opNames } from "../../compiler/ir/ops.ts";
import { parseGraph } from "../../compiler/ir/parseText.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { Graph, OpName, Value } from "../../compiler/ir/value.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { graphValues, topologicalOrder } from "../../compiler/ir/walk.ts";
import { centralDifferences, graphOf, largestError, probeLoss } from "../../compiler/reference/differences.ts";
import { evaluate, evaluateValues } from "../../compiler/reference/evaluate.ts";
import { simplify, stripMarkers } from "../../compiler/simplify/simplify.ts";
import { difference } from "./agreement.ts";
import { programSteps } from "./programSteps.ts";
import { Draft, type Program, programs } from "./programs.ts";

// Laws of the tensor level, held by random programs. A counterexample prints as IR text.

// ADA_SEED=n draws other programs.
const seed = Number(process.env.ADA_SEED ?? 20240601);

/** The program's probe loss and its gradients with respect to all parameters, as a graph. */
function gradientGraph({ b, graph, params }: Program): { loss: Value; graph: Graph; used: Value[] } {
  const loss = probeLoss(
    b,
    graph.results.map((r) => r.value),
  );
  const reached = new Set(graphValues(graphOf([loss])));
  const used = params.filter((p) => reached.has(p));
  return { loss, graph: graphOf(gradient(b, loss, used)), used };
}

/** The largest relative error between the results of two graphs. */
function disagreement(before: Graph, after: Graph, inputs: Program["inputs"]): number {
  const expected = evaluate(before, inputs);
  const actual = evaluate(after, inputs);
  return Math.max(...before.results.map((r) => largestError(actual[r.name]!.data, expected[r.name]!.data)));
}

describe("random tensor programs", () => {
  test("have a step for every primitive that makes it", () => {
    const number = fc.nat({ max: 9999 });
    const choices = fc.sample(fc.tuple(number, number, number, number, number, number), { numRuns: 60, seed });
    for (const op of opNames) {
      const made = choices.some((choice) => {
        const draft = new Draft();
        draft.freshInput([2, 3], "f32");
        draft.freshInput([3], "i32");
        for (const other of choices.slice(0, 6)) programSteps.input(draft, other);
        const value = programSteps[op](draft, choice);
        return value !== null && topologicalOrder([value]).some((v) => v.op === op);
      });
      expect(made, `the step of '${op}' makes none`).toBe(true);
    }
  });

  test("cover every primitive", () => {
    const seen = new Set<OpName>();
    for (const program of fc.sample(programs(), { numRuns: 400, seed })) for (const v of graphValues(program.graph)) seen.add(v.op);
    expect(opNames.filter((op) => !seen.has(op))).toEqual([]);
  });

  test("are well formed", () => {
    fc.assert(
      fc.property(programs(), ({ graph }) => {
        expect(verifyGraph(graph, "generator")).toEqual([]);
      }),
      { seed, numRuns: 200 },
    );
  });

  test("print and parse back to the same text", () => {
    fc.assert(
      fc.property(programs(), (program) => {
        for (const graph of [program.graph, gradientGraph(program).graph]) {
          const text = printGraph(graph);
          const back = parseGraph(text);
          expect("graph" in back ? printGraph(back.graph) : back.error).toEqual(text);
        }
      }),
      { seed, numRuns: 150 },
    );
  });

  test("mean the same when simplified, and simplifying twice changes nothing", () => {
    fc.assert(
      fc.property(programs(), (program) => {
        const simple = simplify(stripMarkers(program.graph));
        expect(verifyGraph(simple, "simplify")).toEqual([]);
        expect(disagreement(program.graph, simple, program.inputs)).toBeLessThan(1e-9);
        expect(printGraph(simplify(simple))).toEqual(printGraph(simple));
      }),
      { seed, numRuns: 400 },
    );
  });

  test("hide no infinity and no NaN when simplified", () => {
    fc.assert(
      fc.property(programs({ special: true }), ({ graph, inputs }) => {
        const simple = simplify(stripMarkers(graph));
        const [expected, actual] = [evaluate(graph, inputs), evaluate(simple, inputs)];
        for (const r of graph.results) expect(difference(actual[r.name]!, expected[r.name]!), printGraph(graph)).toBeLessThan(1e-9);
      }),
      { seed, numRuns: 400 },
    );
  });

  test("have gradients that mean the same when simplified", () => {
    fc.assert(
      fc.property(programs(), (program) => {
        const { graph } = gradientGraph(program);
        const simple = simplify(stripMarkers(graph));
        expect(verifyGraph(simple, "simplify")).toEqual([]);
        expect(disagreement(graph, simple, program.inputs)).toBeLessThan(1e-8);
      }),
      { seed, numRuns: 200 },
    );
  });

  test("have gradients equal to finite differences", () => {
    fc.assert(
      fc.property(programs({ steps: 8, without: ["stop", "gradScale"] }), (program) => {
        const { loss, graph, used } = gradientGraph(program);
        const grads = evaluateValues(
          graph.results.map((r) => r.value),
          program.inputs,
        );
        used.forEach((parameter, i) => {
          if (parameter.op !== "input") return;
          const expected = centralDifferences(loss, program.inputs, parameter.attrs.name);
          // Step 1e-5 in f64: the truncation is of the order of 1e-10 times the third derivative, the rounding 1e-11 times the loss.
          expect(largestError(grads[i]!.data, expected)).toBeLessThan(1e-5);
        });
      }),
      { seed, numRuns: 150 },
    );
  });
});
