import { expect, it } from "vitest";
import { gradient } from "../../compiler/autodiff.ts";
import { compileTrain } from "../../compiler/compile.ts";
import { elaborateTrain } from "../../compiler/elaborate/index.ts";
import { programOf, uniformArrays } from "../../compiler/elaborate/testing.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { graphInputs } from "../../compiler/ir/walk.ts";
import type { HostEnvironment } from "../../compiler/plan/host.ts";
import type { PlanOp, StoredTensor } from "../../compiler/plan/plan.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { array } from "../../compiler/reference/ndarray.ts";
import type { TileKernel } from "../../compiler/tile/tile.ts";
import { checkFully } from "../../dsl/check/index.ts";
import { toWrittenOrder } from "../../runtime/execute/axisOrder.ts";
import { PlanMemory } from "../interpretPlan.ts";
import { targets } from "../targets.ts";

// A whole train plan, leg by leg in the interpreter: what starts, the gradients of two micro-steps that add up, running statistics, and an
// update in place equal the f64 meaning of the same graphs, started from the same memory.
// (No bias before the normalisation: its gradient is 0, and what rounding leaves of that has no digits to compare.)

const text = `import { Conv, BatchNorm, Linear } from "std/nn.ada"
import { cross_entropy } from "std/losses.ada"
import { adamw } from "std/optim.ada"

dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field who: Int = subject
  field image: f32[c: 3, h: 6, w: 6] = load(file) |> resize_to(6) |> to_range(-1..1)
}
module Net() {
  part conv = Conv(8, 3, stride: 2, biased: false)
  part norm = BatchNorm()
  part fc   = Linear(5)
  forward(x: real[batch, c: 3, h: 6, w: 6]) -> real[batch, who: 5] {
    let y = x |> conv |> norm
    return view(max(0, y), \`batch c h w -> batch who=(c h w)\`) |> fc
  }
}
model net = Net() trained
step name_face(face: faces) {
  let x    = face.image + 0.1 * draw(normal, like: face.image)
  let loss = cross_entropy(net(x), face.who)
  minimize loss
  log { loss }
}
train small {
  data face = faces("faces")
  batch 4  accumulate 2 by mean  micro_steps 8
  each step: name_face
  optimizer adamw(lr: 1e-2, weight_decay: 0.1)
  save every 1  log every 1  seed 5
}
`;
const made = (() => {
  const checked = checkFully(programOf(text).program);
  const train = elaborateTrain(checked.program, checked.resolution, "small", {});
  if (!train.ok) throw new Error(train.diagnostics.map((d) => d.message).join());
  return train.value;
})();

/** A tensor's numbers in the order of its shape, as files hold them. */
const written = (tensor: Pick<StoredTensor, "shape" | "order">, lying: NdArray): NdArray => ({
  ...lying,
  data: toWrittenOrder(tensor, lying.data as Float64Array),
});

/** Largest difference relative to the largest expected number. */
function difference(actual: NdArray, expected: NdArray): number {
  const scale = expected.data.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-6);
  return expected.data.reduce((m, x, i) => {
    const d = Math.abs(actual.data[i]! - x) / scale;
    return Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(m, d);
  }, 0);
}

it.each(Object.entries(targets))("a train plan for %s does what the graphs say", (_, target) => {
  const kernels = new Map<PlanOp, TileKernel>();
  const plan = compileTrain(made, "hash", target, { onKernel: (op, kernel) => kernels.set(op, kernel) });
  if (plan.program.kind !== "train") throw new Error("internal: a train plan");
  const memory = new PlanMemory(plan, kernels);
  const alternative = made.steps[0]!.alternatives[0]!;
  const legs = plan.program.steps[0]!.alternatives[0]!;
  const inputs = graphInputs(alternative.graph).filter((v) => v.attrs.role === "data");
  const { stored } = plan.program;
  expect(stored.filter((s) => s.order).map((s) => s.key)).toContain("net.conv.weight");
  const paths = new Map(made.leaves.map((l) => [l.path, stored.find((s) => s.key === l.key)!]));
  const leafArrays = (): Record<string, NdArray> =>
    Object.fromEntries([...paths].map(([path, s]) => [path, written(s, memory.read(s.at, "f32", s.shape))]));
  const bufferOf = (name: string) => plan.buffers.find((b) => b.name === name)!;
  const n = made.arena.size;
  const arena = (name: string) => memory.read({ buffer: bufferOf(name).id, offset: 0, bytes: 4 * n }, "f32", [n]);
  const stateArrays = (): Record<string, NdArray> =>
    Object.fromEntries(
      made.optimizer.start.results.map(({ name, value }) => {
        const buffer = bufferOf(name.replace("state.", "optimizer.")).id;
        return [name, memory.read({ buffer, offset: 0, bytes: 4 * (value.shape[0] ?? 1) }, "f32", value.shape)];
      }),
    );
  const at = (microStep: number): HostEnvironment => ({ seed: 5, microStep, update: microStep >> 1, progress: microStep / 8 });
  const wanted = made.arena.slices.map((s) => graphInputs(alternative.graph).find((v) => v.attrs.name === s.path)!);
  const loss = alternative.graph.results.find((r) => r.name === "loss")!.value;
  const gradients = gradient(made.builder, loss, wanted).map((value, i) => ({ name: `grad.${made.arena.slices[i]!.path}`, value }));

  memory.setUniforms(at(0));
  memory.run("init");
  const starts = evaluate(
    { name: "init", results: made.leaves.map((l) => ({ name: l.path, value: l.init })) },
    uniformArrays(made.uniforms, at(0)),
  );
  for (const [path, value] of Object.entries(leafArrays())) expect(difference(value, starts[path]!), path).toBeLessThan(1e-5);
  for (const [name, value] of Object.entries(stateArrays()))
    expect(difference(value, { ...value, data: value.data.map(() => 0) }), name).toBe(0);

  for (let update = 0; update < 2; update++) {
    const sums: Record<string, NdArray>[] = [];
    for (const half of [0, 1]) {
      const microStep = 2 * update + half;
      const given = Object.fromEntries(
        inputs.map((v) => {
          const size = v.shape.reduce((a, b) => a * b, 1);
          const data = Array.from({ length: size }, (_, i) =>
            v.dtype === "f32" ? Math.fround(Math.sin(i * 1.7 + microStep)) : (i + microStep) % 5,
          );
          return [v.attrs.name, array(v.shape, data, v.dtype)];
        }),
      );
      const leg = plan.legs.find((l) => l.name === (half === 0 ? legs.first : legs.next))!;
      for (const input of leg.inputs) memory.write(input.at, given[input.name]!);
      memory.setUniforms(at(microStep));
      const environment = { ...leafArrays(), ...given, ...uniformArrays(made.uniforms, at(microStep)) };
      const expected = evaluate({ name: "step", results: [...alternative.graph.results, ...gradients] }, environment);
      memory.run(leg.name);
      const before = sums[half - 1];
      const sum = Object.fromEntries(
        gradients.map(({ name }) => [
          name,
          { ...expected[name]!, data: expected[name]!.data.map((x, i) => x + (before ? before[name]!.data[i]! : 0)) },
        ]),
      );
      sums.push(sum);
      const whole = arena("grads");
      for (const slice of made.arena.slices) {
        const actual = written(paths.get(slice.path)!, { ...whole, data: whole.data.slice(slice.offset, slice.offset + slice.size) });
        expect(difference(actual, sum[`grad.${slice.path}`]!), `gradient of ${slice.path} after ${leg.name}`).toBeLessThan(1e-4);
      }
      const after = leafArrays();
      for (const r of alternative.graph.results) {
        const output = leg.outputs.find((o) => o.name === r.name);
        const actual = output ? memory.read(output.at, output.dtype, output.shape) : after[r.name.slice("update.".length)]!;
        expect(difference(actual, expected[r.name]!), `${r.name} after ${leg.name}`).toBeLessThan(1e-4);
      }
    }
    const grads = arena("grads");
    const mean = { ...grads, data: grads.data.map((x) => x / 2) };
    const environment = { params: arena("params"), grads: mean, ...stateArrays(), ...uniformArrays(made.uniforms, at(2 * update + 1)) };
    const expected = evaluate(made.optimizer.graph, environment);
    memory.run("update");
    expect(difference(arena("params"), expected.params!), "params").toBeLessThan(1e-5);
    for (const [name, value] of Object.entries(stateArrays())) expect(difference(value, expected[name]!), name).toBeLessThan(1e-5);
  }
});
