import { expect, test } from "vitest";
import { targets } from "../../test/targets.ts";
import { vjp } from "../autodiff.ts";
import { compileGraph } from "../compile.ts";
import { elaborateFunction } from "../elaborate/index.ts";
import { programOf } from "../elaborate/testing.ts";
import type { GraphResult } from "../ir/value.ts";

// Joined kernels have early and late members: which kernel must run before which is not told by places in the program. Here a join that looked
// only at places made a circle.

const text = `import { ref_cosine } from "std/directions.ada"
fn f(x: real[n, layer, t, f], r: real[n, layer, t, f], weight: real[n, one, t, two]) -> real {
  return ref_cosine(x, r, weight: weight[one: 0, two: 0], demean_x: true, demean_ref: true, ref_grad: 0.05)
}`;

const limits = [10, 32].map((n) => [`${n} buffers`, { ...targets.fourLanes!, maxStorageBuffers: n }] as const);

test.each([...Object.entries(targets), ...limits])("kernels of a masked loss with gradients have an order on %s", (_, target) => {
  const { program, resolution } = programOf(text);
  const sizes = { x: [2, 4, 9, 20], r: [2, 4, 9, 20], weight: [2, 1, 9, 1] };
  const args = Object.entries(sizes).map(([name, shape]) => ({ name, shape }));
  const made = elaborateFunction(program, resolution, "f", args);
  if (!made.ok) throw new Error(made.diagnostics.map((d) => d.code).join());
  const { builder, graph, uniforms } = made.value;
  const result = graph.results[0]!;
  const wrt = Object.entries(sizes).map(([name, shape]) => builder.input(name, shape, { role: "data" }));
  const gradients = vjp(builder, [result.value], [builder.input("cotangent", [], { role: "grad" })], wrt);
  const results: GraphResult[] = [result, ...gradients.map((value, i) => ({ name: `grad${i}`, value }))];
  const plan = compileGraph({ name: "f", results }, uniforms, target);
  expect(plan.legs[0]!.ops.length).toBeLessThanOrEqual(24);
});
