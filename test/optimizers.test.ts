import { describe, expect, test } from "vitest";
import { compileGraph } from "../compiler/compile.ts";
import { elaborateFunction, elaborateOptimizerAlone, type PlainValue } from "../compiler/elaborate/index.ts";
import { programOf, render } from "../compiler/elaborate/testing.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import { evaluate } from "../compiler/reference/evaluate.ts";
import { array } from "../compiler/reference/ndarray.ts";
import { firstDifference, goldenCases, goldenFolder, goldenTitle } from "./golden.ts";
import { targets } from "./targets.ts";

// The optimisers of std/optim.ada against recorded traces of their originals: the same gradients must lead to the same parameters.
// The recordings are found through ADA_GOLDEN; without it only the bowl below is run.

const source = `import { sgd, adam, adamw, nadam, prodigy, clip_norm } from "std/optim.ada"`;
const { program, resolution } = programOf(source);

/** One optimiser run: its state is kept between updates. */
class Run {
  private readonly name: string;
  private readonly settings: Readonly<Record<string, PlainValue>>;
  params: NdArray;
  state: Record<string, NdArray> = {};
  logs: Record<string, number> = {};

  constructor(name: string, settings: Readonly<Record<string, PlainValue>>, start: readonly number[]) {
    this.name = name;
    this.settings = settings;
    this.params = array([start.length], start);
    const { optimizer } = this.make(1);
    this.state = evaluate(optimizer.start, { params: this.params });
  }

  private make(lr: number) {
    const made = elaborateOptimizerAlone(program, resolution, this.name, { ...this.settings, lr }, this.params.shape[0]!);
    if (!made.ok) throw new Error(render(program, made.diagnostics));
    return made.value;
  }

  update(grads: readonly number[], lr: number): void {
    const { optimizer } = this.make(lr);
    const results = evaluate(optimizer.graph, { params: this.params, grads: array([grads.length], grads), ...this.state });
    for (const [name, value] of Object.entries(results)) {
      if (name === "params") this.params = value;
      else if (name.startsWith("state.")) this.state[name] = value;
      else this.logs[name.slice(4)] = value.data[0]!;
    }
  }
}

function clip(grads: readonly number[], most: number): number[] {
  const made = elaborateFunction(program, resolution, "clip_norm", [
    { name: "g", shape: [grads.length] },
    { name: "max_norm", value: most },
  ]);
  if (!made.ok) throw new Error(render(program, made.diagnostics));
  return [...evaluate(made.value.graph, { g: array([grads.length], grads) }).result!.data];
}

const names = ["sgd", "adam", "adamw", "nadam", "prodigy"];
const cases = goldenCases("optimizers", names);

/** Settings of a recording in the names of std/optim.ada. */
function settingsOf(config: Readonly<Record<string, unknown>>): Record<string, PlainValue> {
  const settings: Record<string, PlainValue> = {};
  for (const [key, value] of Object.entries(config)) {
    if (["lr", "problem", "steps", "max_grad_norm", "lr_schedule"].includes(key)) continue;
    if (key === "betas") [settings.beta1, settings.beta2] = value as [number, number];
    else if (value !== null) settings[key] = value as PlainValue;
  }
  return settings;
}

describe(goldenTitle("recorded optimiser traces"), () => {
  test.runIf(goldenFolder !== undefined)("there are recordings of every optimiser", () => {
    expect([...new Set(cases.map((c) => c.kind))].sort()).toEqual([...names].sort());
  });
  test.each(cases)("$name", (one) => {
    const { kind, config } = one;
    const tensors = one.tensors();
    const params = Object.keys(tensors)
      .filter((name) => name.startsWith("param."))
      .map((name) => name.slice(6));
    const size = (name: string) => tensors[`param.${name}`]!.data.length;
    const row = (name: string, p: string, step: number) => [...tensors[`${name}${p}`]!.data.slice(step * size(p), (step + 1) * size(p))];
    const rows = (name: string, step: number) => params.flatMap((p) => row(name, p, step));
    const run = new Run(kind, settingsOf(config), rows("output.", 0));
    const steps = config.steps as number;
    for (let step = 0; step < steps; step++) {
      const most = config.max_grad_norm as number | null;
      const grads = rows("output.gradient.", step);
      run.update(most === null ? grads : clip(grads, most), tensors["output.lr"]!.data[step]!);
      let at = 0;
      for (const p of params) {
        expect(
          firstDifference(one, `output.${p}`, run.params.data.slice(at, at + size(p)), row("output.", p, step + 1)),
          `step ${step}`,
        ).toBeUndefined();
        at += size(p);
      }
      const d = tensors["output.d"];
      if (d) expect(firstDifference(one, "output.d", [run.logs.d!], [d.data[step]!]), `step ${step}`).toBeUndefined();
    }
  });
});

test("prodigy on a bowl finds the step size by itself", () => {
  const curvature = [1, 0.1, 10];
  const run = new Run("prodigy", { use_bias_correction: true }, [1, -2, 0.5]);
  for (let step = 0; step < 200; step++) {
    run.update(
      [...run.params.data].map((x, i) => curvature[i]! * x),
      1,
    );
    if (step === 19) expect(run.logs.d).toBeCloseTo(8.988684367e-4, 9);
  }
  const published = [0.000106407, -0.000137379, -0.000055309];
  for (const [i, x] of [...run.params.data].entries()) expect(Math.abs(x - published[i]!)).toBeLessThan(1e-8);
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
