import { describe, expect, test } from "vitest";
import { compileGraph } from "../compiler/compile.ts";
import { elaborateFunction, elaborateOptimizerAlone } from "../compiler/elaborate/index.ts";
import { programOf, render } from "../compiler/elaborate/testing.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import { evaluate } from "../compiler/reference/evaluate.ts";
import { array } from "../compiler/reference/ndarray.ts";
import { targets } from "./targets.ts";

// The optimisers of std/optim.ada alone, by the reference meaning; recorded traces of their originals are cases of `test/conformance`.

const { program, resolution } = programOf(`import { prodigy, adamw } from "std/optim.ada"`);

test("prodigy on a bowl finds the step size by itself", () => {
  const made = elaborateOptimizerAlone(program, resolution, "prodigy", { use_bias_correction: true, lr: 1 }, 3);
  if (!made.ok) throw new Error(render(program, made.diagnostics));
  const { optimizer } = made.value;
  const curvature = [1, 0.1, 10];
  let params = array([3], [1, -2, 0.5]);
  let state: Readonly<Record<string, NdArray>> = evaluate(optimizer.start, { params });
  for (let step = 0; step < 200; step++) {
    const grads = array(
      [3],
      [...params.data].map((x, i) => curvature[i]! * x),
    );
    state = { ...state, ...evaluate(optimizer.graph, { ...state, params, grads }) };
    params = state.params!;
    if (step === 19) expect(state["log.d"]!.data[0]).toBeCloseTo(8.988684367e-4, 9);
  }
  const published = [0.000106407, -0.000137379, -0.000055309];
  for (const [i, x] of [...params.data].entries()) expect(Math.abs(x - published[i]!)).toBeLessThan(1e-8);
});

test("a setting that no group may change is named", () => {
  const made = elaborateOptimizerAlone(program, resolution, "adamw", { bete1: 0.9 }, 4);
  expect(made.ok).toBe(false);
  if (!made.ok) expect(made.diagnostics[0]!.help).toBe("did you mean `beta1`?");
});

describe("single parameters of an arena", () => {
  const means = programOf(`optimizer means() {
  step(p: f32[n], g: f32[n]) -> f32[n] {
    return per_tensor([p, g], fn(p: real[row, col], g: real[row, col], rank: Int) => if rank >= 2 { expand(mean(p), like: p) * g } else { max(p, over: row) })
  }
}`);
  test("each is seen as a matrix of its own, and what it gives lies in its place", () => {
    const made = elaborateOptimizerAlone(means.program, means.resolution, "means", {}, [[2, 3], [2], [2, 1, 2]]);
    if (!made.ok) throw new Error(render(means.program, made.diagnostics));
    const p = [1, 2, 3, 4, 5, 9, 7, 8, 0, 2, 4, 6];
    const g = p.map((_, i) => i + 1);
    const { params } = evaluate(made.value.optimizer.graph, { params: array([12], p), grads: array([12], g) });
    expect([...params!.data]).toEqual([...g.slice(0, 6).map((x) => 4 * x), 8, 8, ...g.slice(8).map((x) => 3 * x)]);
    expect(made.value.optimizer.byTensor).toBe(true);
  });
  test.each(Object.entries(targets))("many of them are put together within the bindings of a kernel on %s", (_, target) => {
    const shapes = Array.from({ length: 23 }, (_, i) => (i % 3 === 0 ? [i + 1] : [2 + (i % 4), 3 + (i % 5)]));
    const { program, resolution } = programOf(`import { muon, cautious_adamw } from "std/optim.ada"`);
    for (const name of ["muon", "cautious_adamw"]) {
      const made = elaborateOptimizerAlone(program, resolution, name, { weight_decay: 0.1 }, shapes);
      if (!made.ok) throw new Error(render(program, made.diagnostics));
      const plan = compileGraph(made.value.optimizer.graph, made.value.uniforms, target);
      const counts = plan.legs[0]!.ops.filter((o) => o.kind === "dispatch").map((o) => o.bindings.length);
      expect(Math.max(...counts)).toBeLessThanOrEqual(target.maxStorageBuffers + 1);
    }
  });
  test("orthogonal is nearly so, for wide and for tall matrices", () => {
    const { program, resolution } = programOf(`import { orthogonal } from "std/optim.ada"`);
    for (const [row, col] of [
      [3, 5],
      [5, 3],
    ] as const) {
      const made = elaborateFunction(program, resolution, "orthogonal", [
        { name: "u", shape: [row, col] },
        { name: "steps", value: 12 },
      ]);
      if (!made.ok) throw new Error(render(program, made.diagnostics));
      const u = array(
        [row, col],
        Array.from({ length: 15 }, (_, i) => Math.sin(i * i + 1)),
      );
      const { data } = evaluate(made.value.graph, { u }).result!;
      const short = Math.min(row, col);
      const at = (i: number, k: number): number => (row <= col ? data[i * col + k]! : data[k * col + i]!);
      for (let i = 0; i < short; i++)
        for (let j = 0; j <= i; j++) {
          let inner = 0;
          for (let k = 0; k < Math.max(row, col); k++) inner += at(i, k) * at(j, k);
          expect(Math.abs(inner - (i === j ? 1 : 0))).toBeLessThan(0.6);
        }
    }
  });
});
