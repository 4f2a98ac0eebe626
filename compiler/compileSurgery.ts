import type { CompileOptions } from "./compileOptions.ts";
import type { SurgeryProgram } from "./elaborate/program.ts";
import { inlineReadCalls } from "./ir/calls.ts";
import { graphInputs } from "./ir/walk.ts";
import { bytesOf } from "./memory/place.ts";
import type { Plan, PlanBinding, PlanTarget } from "./plan/plan.ts";
import { PlanBuilder } from "./planBuilder.ts";

/**
 * A surgery as a plan with a leg for each parameter, from the input `old` to the output `new`. Legs run one after the other, so those of one
 * size share their buffers.
 */
export function compileSurgery(surgery: SurgeryProgram, target: PlanTarget, options: CompileOptions = {}): Plan {
  const builder = new PlanBuilder(target, [], options);
  const places = new Map<string, PlanBinding>();
  const place = (use: "input" | "output", bytes: number): PlanBinding => {
    const key = `${use} ${bytes}`;
    const known = places.get(key);
    if (known) return known;
    const made = builder.buffer(`${use === "input" ? "old" : "new"}${places.size}`, bytes, use);
    places.set(key, made);
    return made;
  };
  for (const { key, graph: written } of surgery.params) {
    const graph = inlineReadCalls(written, surgery.builder);
    const inputs = new Map(graphInputs(graph).map((v) => [v.attrs.name, place("input", bytesOf(v))]));
    const results = new Map(graph.results.map((r) => [r.name, place("output", bytesOf(r.value))]));
    builder.leg({ name: key, graph, inputs, results, written: new Set(inputs.keys()), read: new Set(results.keys()) });
  }
  return builder.finish({ kind: "surgery", name: surgery.name });
}
