import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DeviceGraph } from "../../cli/deviceGraph.ts";
import { targetOf } from "../../cli/target.ts";
import { type CompileOptions, compileGraph, compileTrain } from "../../compiler/compile.ts";
import { uniformArrays } from "../../compiler/elaborate/testing.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { graphInputs } from "../../compiler/ir/walk.ts";
import { halfValue, roundToHalf } from "../../compiler/plan/half.ts";
import type { PlanTarget } from "../../compiler/plan/plan.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { fullPrecision } from "../../dsl/precision.ts";
import { type OpenedDevice, openDevice } from "../../runtime/device/openDevice.ts";
import { createSession } from "../../runtime/execute/session.ts";
import { uniformWords } from "../../runtime/train/schedule.ts";
import { checkHalves, ofData, Tally } from "./precision.ts";
import { full, made } from "./precisionProgram.ts";
import { programs } from "./programs.ts";

// 16-bit storage on the device: by its own type where it has one, and packed on every device. The same graphs in both forms.

let opened: OpenedDevice;
let forms: readonly (readonly [string, PlanTarget])[] = [];
beforeAll(async () => {
  const result = await openDevice();
  if (!result.ok) throw new Error(`${result.reason} ${result.help}`);
  opened = result;
  const target = targetOf(opened.adapter);
  forms = [["packed", { ...target, shaderF16: false }], ...(target.shaderF16 ? [["native", target] as const] : [])];
});
afterAll(() => opened?.close());

type Inputs = Readonly<Record<string, NdArray>>;
async function run(graph: Graph, inputs: Inputs, target: PlanTarget, options: CompileOptions = {}) {
  const device = await DeviceGraph.create(opened, graph, [], options, target);
  try {
    return await device.run(inputs);
  } finally {
    device.dispose();
  }
}
const array = (data: readonly number[], shape: readonly number[] = [data.length], dtype: NdArray["dtype"] = "f32"): NdArray => ({
  dtype,
  shape,
  data: Float64Array.from(data),
});

describe("16-bit floats on the device", () => {
  const finite = Array.from({ length: 0x7c00 }, (_, bits) => halfValue(bits));

  it("round to the nearest, ties to even, subnormal numbers and overflow included", async () => {
    // Every finite value, the middle to the next, and numbers just beside the middle; odd in number.
    const numbers = finite.flatMap((x, bits) => {
      const middle = (x + halfValue(bits + 1)) / 2;
      const next = Number.isFinite(middle) ? middle : 65520;
      return [x, -next, Math.fround(next * (1 - 2 ** -22)), -Math.fround(next * (1 + 2 ** -22))];
    });
    const values = [...numbers, 1e6, -1e30, 0].map(Math.fround);
    const b = new Builder();
    const x = b.input("x", [values.length]);
    const graph: Graph = {
      name: "round",
      results: [
        { name: "stored", value: b.cast(x, "f16") },
        { name: "computed", value: b.neg(b.cast(b.cast(x, "f16"), "f32")) },
      ],
    };
    for (const [form, target] of forms) {
      const actual = await run(graph, { x: array(values) }, target);
      for (const [i, v] of values.entries()) {
        const want = roundToHalf(v);
        if (actual.stored!.data[i] !== want || actual.computed!.data[i] !== -want)
          expect.fail(`${form}: ${v} is stored as ${actual.stored!.data[i]}, computed as ${actual.computed!.data[i]}, for ${want}`);
      }
    }
  });

  it("are multiplied as such where that is asked for and the device can, and added in 32 bits", async () => {
    const halves = (count: number, seed: number) =>
      Array.from({ length: count }, (_, i) => roundToHalf(Math.sin(seed + 12.9898 * i) * 2 ** ((i % 7) - 3)));
    for (const [m, k, n] of [
      [5, 37, 8],
      [33, 64, 12],
      [1, 3, 1],
    ] as const) {
      const b = new Builder();
      const stored = (name: string, shape: readonly number[]) => b.cast(b.cast(b.input(name, shape), "f16"), "f32");
      const graph: Graph = { name: "product", results: [{ name: "out", value: b.matmul(stored("x", [m, k]), stored("w", [k, n])) }] };
      const [x, w] = [halves(m * k, 1), halves(k * n, 2)];
      const inputs = { x: array(x, [m, k]), w: array(w, [k, n]) };
      for (const [form, target] of forms) {
        for (const products of ["f32", "f16"] as const) {
          const actual = await run(graph, inputs, target, { precision: { ...fullPrecision, products } });
          const rounds = products === "f16" && target.shaderF16;
          let apart = 0;
          for (let row = 0; row < m; row++) {
            for (let column = 0; column < n; column++) {
              const terms = Array.from({ length: k }, (_, i) => x[row * k + i]! * w[i * n + column]!);
              const sum = (of: (term: number) => number) => terms.reduce((total, term) => total + of(term), 0);
              const got = actual.out!.data[row * n + column]!;
              const want = sum(rounds ? roundToHalf : (term) => term);
              apart = Math.max(apart, Math.abs(want - sum((term) => term)) / sum(Math.abs));
              if (!(Math.abs(got - want) <= 4e-6 * sum(Math.abs))) expect.fail(`${form}, products ${products}: ${got} for ${want}`);
            }
          }
          // The two meanings are further apart than the tolerance, or nothing would be shown.
          if (rounds && k > 3) expect(apart).toBeGreaterThan(1e-5);
        }
      }
    }
  });

  it("are read exactly, in vectors and one by one", async () => {
    const b = new Builder();
    const x = b.input("x", [finite.length], { dtype: "f16" });
    const wide = b.cast(x, "f32");
    const graph: Graph = {
      name: "read",
      results: [
        { name: "plain", value: b.mul(wide, 2) },
        { name: "reversed", value: b.mul(b.reverse(wide, [0]), 2) },
      ],
    };
    for (const [form, target] of forms) {
      const actual = await run(graph, { x: array(finite, [finite.length], "f16") }, target);
      for (const [i, v] of finite.entries()) {
        const back = actual.reversed!.data[finite.length - 1 - i];
        if (actual.plain!.data[i] !== 2 * v || back !== 2 * v)
          expect.fail(`${form}: ${v} is read as ${actual.plain!.data[i]! / 2} and ${back}`);
      }
    }
  });
});

describe("contractions of 16-bit operands on the device", () => {
  const number = (i: number): number => roundToHalf(Math.sin(i * 12.9898 + 0.7) * 1.5);
  const filled = (shape: readonly number[]): NdArray =>
    array(
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => number(i)),
      shape,
      "f16",
    );
  const b = new Builder();
  const half = (name: string, shape: readonly number[]) => b.cast(b.input(name, shape, { dtype: "f16" }), "f32");
  const [x, w] = [half("x", [64, 96]), half("w", [96, 160])];
  const [image, kernel] = [half("image", [2, 32, 12, 12]), half("kernel", [32, 32, 3, 3])];
  const cases: readonly (readonly [string, Graph])[] = [
    ["matrix products", { name: "matmul", results: [{ name: "y", value: b.matmul(x, w) }] }],
    [
      "products with a transposed operand",
      { name: "t", results: [{ name: "y", value: b.dot(x, half("wt", [160, 96]), { contractA: [1], contractB: [1] }) }] },
    ],
    ["convolutions", { name: "conv", results: [{ name: "y", value: b.conv(image, kernel, { padLow: [1, 1], padHigh: [1, 1] }) }] }],
    ["products with odd axes", { name: "odd", results: [{ name: "y", value: b.matmul(half("p", [7, 33]), half("q", [33, 5])) }] }],
  ];
  it.each(cases)("%s are exact products, summed in f32", async (_, graph) => {
    const inputs = Object.fromEntries(graphInputs(graph).map((v) => [v.attrs.name, filled(v.shape)]));
    const expected = evaluate(graph, inputs).y!;
    const scale = expected.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    for (const [form, target] of forms) {
      const actual = (await run(graph, inputs, target)).y!;
      for (const [i, want] of expected.data.entries())
        if (!(Math.abs(actual.data[i]! - want) <= 2e-6 * scale)) expect.fail(`${form}: y[${i}] is ${actual.data[i]} for ${want}`);
    }
  });
  it("are read through textures where these are the cheaper load", () => {
    const target = targetOf(opened.adapter);
    const plan = compileGraph(cases[0]![1], [], target);
    expect(plan.kernels.some((k) => k.bindings.includes("halfTexture"))).toBe(target.textureOperands);
  });
});

describe("a train plan with f16 storage on the device", () => {
  it("starts from rounded frozen parameters and gives the loss of the f32 program, loosely", async () => {
    const train = made(full);
    const at = { seed: 5, microStep: 0, update: 0, progress: 0 };
    const uniforms = uniformArrays(train.uniforms, at);
    const starts = evaluate({ name: "init", results: train.leaves.map((l) => ({ name: l.path, value: l.init })) }, uniforms);
    for (const [form, target] of forms) {
      const plan = compileTrain(train, "hash", target);
      if (plan.program.kind !== "train") throw new Error("internal: a train plan");
      const session = await createSession(opened, plan, { poison: true });
      if (!session.ok) throw session.failure;
      const device = session.session;
      const words = new Uint32Array(train.uniforms.length);
      uniformWords(train.uniforms, at, words);
      device.writeUniforms(words);
      device.run("init");
      const leaves: Record<string, NdArray> = {};
      for (const leaf of train.leaves) {
        const stored = plan.program.stored.find((s) => s.key === leaf.key)!;
        const pieces: Uint8Array[] = [];
        for await (const piece of device.readFloats(stored)) pieces.push(piece);
        const values = new Float32Array(Uint8Array.from(Buffer.concat(pieces)).buffer);
        leaves[leaf.path] = array([...values], leaf.shape);
        for (const [i, x] of starts[leaf.path]!.data.entries()) {
          const isRounded = leaf.trained || roundToHalf(values[i]!) === values[i];
          if (!isRounded || !(Math.abs(values[i]! - x) <= (leaf.trained ? 1e-5 : 1e-3) * Math.max(1, Math.abs(x))))
            expect.fail(`${form}: ${leaf.path}[${i}] starts as ${values[i]} for ${x}`);
        }
      }
      const { first } = plan.program.steps[0]!.alternatives[0]!;
      const leg = plan.legs.find((l) => l.name === first)!;
      const given: Record<string, NdArray> = {};
      for (const input of leg.inputs) {
        const size = input.shape.reduce((a, b) => a * b, 1);
        given[input.name] = array(
          Array.from({ length: size }, (_, i) => Math.fround(Math.sin(i * 1.7))),
          input.shape,
        );
        device.writeInput(first, input.name, Float32Array.from(given[input.name]!.data));
      }
      device.run(first);
      const loss = (await device.readOutput(first, "loss"))[0]!;
      device.dispose();
      const want = evaluate(train.steps[0]!.alternatives[0]!.graph, { ...leaves, ...given, ...uniforms }).loss!.data[0]!;
      expect(Math.abs(loss - want) / want, form).toBeLessThan(5e-3);
    }
  });
});

const seed = Number(process.env.ADA_SEED ?? 5);
const numRuns = Number(process.env.ADA_RUNS ?? 25);

describe("random programs with f16 storage on the device", () => {
  it("equal the f64 meaning with its roundings, and the f32 program loosely", async () => {
    const tally = new Tally();
    await fc.assert(
      fc.asyncProperty(programs({ steps: 14, without: ["attend", "attendGrad", "loop"] }), async (program) => {
        const graph = ofData(program.graph);
        for (const [, target] of forms) {
          await checkHalves(graph, program.inputs, target, {}, tally, (options) => run(graph, program.inputs, target, options));
        }
      }),
      { seed, numRuns, endOnFailure: false },
    );
    expect(tally.off / tally.elements).toBeLessThan(0.01);
  });
});
