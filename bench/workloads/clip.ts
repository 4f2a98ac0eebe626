// A layer of CLIP's text encoder: layer norm, causal attention, layer norm, a feed-forward with quick GELU, both with a residual. Forward, and
// as a step of training: forward, backward, and every parameter moved against its gradient.
import { gradient } from "../../compiler/autodiff.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import { evaluate } from "../../compiler/reference/evaluate.ts";
import { uniform } from "../values.ts";
import { attention } from "./attention.ts";
import { sigmoid } from "./rows.ts";
import { type LayerShape, numbersOf, type Workload, type WorkloadInput } from "./workload.ts";

/** The step length; large, so that an update is as large as a parameter and a wrong gradient shows. */
export const clipRate = 200;
/** The parameter whose new value is compared: all of the backward pass is behind it. */
export const clipCompared = "query";

/** Shapes of the parameters, in the order of the inputs. */
export function clipParameters({ width: d, hidden }: LayerShape): readonly (readonly [name: string, shape: readonly number[]])[] {
  return [
    ["scale1", [d]],
    ["shift1", [d]],
    ["query", [d, d]],
    ["queryBias", [d]],
    ["key", [d, d]],
    ["keyBias", [d]],
    ["value", [d, d]],
    ["valueBias", [d]],
    ["out", [d, d]],
    ["outBias", [d]],
    ["scale2", [d]],
    ["shift2", [d]],
    ["up", [d, hidden]],
    ["upBias", [hidden]],
    ["down", [hidden, d]],
    ["downBias", [d]],
  ];
}

/** x, the mask, for training the target, then the parameters. */
function clipInputs(shape: LayerShape, training: boolean): readonly WorkloadInput[] {
  const { tokens, width } = shape;
  const picture = [tokens, width];
  return [
    { name: "x", shape: picture, at: uniform(1) },
    { name: "mask", shape: [tokens, tokens], at: (i) => (i % tokens > Math.floor(i / tokens) ? -1e9 : 0) },
    ...(training ? [{ name: "target", shape: picture, at: uniform(2) }] : []),
    ...clipParameters(shape).map(([name, of], i) => ({ name, shape: of, at: uniform(10 + i, of.length === 2 ? 2 ** -4 : 1) })),
  ];
}

type Named = ReadonlyMap<string, Value>;

function layer(b: Builder, { tokens, width, heads }: LayerShape, at: Named): Value {
  const p = (name: string): Value => at.get(name)!;
  const norm = (x: Value, n: 1 | 2): Value => {
    const centred = b.sub(x, b.spreadBack(b.mean(x, [1]), x, [1]));
    const rate = b.rsqrt(b.add(b.mean(b.mul(centred, centred), [1]), 1e-5));
    const unit = b.mul(centred, b.spreadBack(rate, x, [1]));
    return b.add(b.mul(unit, b.broadcastTo(p(`scale${n}`), x.shape)), b.broadcastTo(p(`shift${n}`), x.shape));
  };
  const linear = (x: Value, name: string): Value => {
    const y = b.matmul(x, p(name));
    return b.add(y, b.broadcastTo(p(`${name}Bias`), y.shape));
  };
  const split = (y: Value): Value => b.permute(b.reshape(y, [tokens, heads, width / heads]), [1, 0, 2]);
  const h = norm(p("x"), 1);
  const [q, k, v] = ["query", "key", "value"].map((name) => split(linear(h, name))) as [Value, Value, Value];
  const joined = b.reshape(b.permute(attention(b, q, k, v, p("mask")), [1, 0, 2]), [tokens, width]);
  const x = b.add(p("x"), linear(joined, "out"));
  const up = linear(norm(x, 2), "up");
  return b.add(x, linear(b.mul(up, sigmoid(b, b.mul(up, 1.702))), "down"));
}

function clipGraph(shape: LayerShape, inputs: readonly WorkloadInput[], training: boolean): Graph {
  const b = new Builder();
  const at = new Map(inputs.map((input) => [input.name, b.input(input.name, input.shape)]));
  const y = layer(b, shape, at);
  if (!training) return { name: "clip layer", results: [{ name: "result", value: y }] };
  const difference = b.sub(y, at.get("target")!);
  const names = clipParameters(shape).map(([name]) => name);
  const parameters = names.map((name) => at.get(name)!);
  const gradients = gradient(b, b.mean(b.mul(difference, difference)), parameters);
  const results = names.map((name, i) => ({
    name: name === clipCompared ? "result" : `next.${name}`,
    value: b.sub(parameters[i]!, b.mul(gradients[i]!, clipRate)),
  }));
  return { name: "clip training", results };
}

export function clipWorkload(shape: LayerShape, training: boolean): Workload {
  const { tokens, width, hidden } = shape;
  const inputs = clipInputs(shape, training);
  const graph = clipGraph(shape, inputs, training);
  const forward = 2 * tokens * (4 * width * width + 2 * width * hidden) + 4 * tokens * tokens * width;
  let known: NdArray["data"] | undefined;
  const expected = (place: number): number => {
    if (known === undefined) {
      const arrays = Object.fromEntries(
        inputs.map((input): [string, NdArray] => [
          input.name,
          { dtype: "f32", shape: input.shape, data: Float64Array.from(numbersOf(input)) },
        ]),
      );
      const wanted = graph.results.filter((r) => r.name === "result");
      known = evaluate({ ...graph, results: wanted }, arrays).result!.data;
    }
    return known[place]!;
  };
  return {
    name: training ? "CLIP-L layer, forward + backward + update" : "CLIP-L layer, forward",
    task: { kind: training ? "clipTraining" : "clipLayer", shape },
    flops: training ? 3 * forward : forward,
    inputs,
    shape: training ? [width, width] : [tokens, width],
    expected,
    tolerance: 2e-3,
    graph,
  };
}
