import { expect, it } from "vitest";
import { gradient } from "../compiler/autodiff.ts";
import { compileGraph } from "../compiler/compile.ts";
import { elaborateFunction } from "../compiler/elaborate/index.ts";
import { programOf } from "../compiler/elaborate/testing.ts";
import { inlineReadCalls } from "../compiler/ir/calls.ts";
import { graphInputs } from "../compiler/ir/walk.ts";
import { parameterOrders, readAsStored } from "../compiler/storageOrder.ts";
import { checkFully } from "../dsl/check/index.ts";
import { fourLanes } from "./targets.ts";

// How many kernels the parts of a network take, forward and with all gradients: fusion shows here, on a device with the eight storage buffers
// that every one offers. A number may fall; it must not rise. Parameters lie as they do in a train plan.

const { program, resolution } = checkFully(
  programOf(`
import { Res, Transformer } from "./models/unet.ada"
import { Linear, Conv, GroupNorm, LayerNorm, attention, silu, gelu } from "std/nn.ada"

model layer_norm = LayerNorm() trained
model group_norm = GroupNorm(32) trained
model convolution = Conv(64, 3) trained
model residual = Res(64) trained
model widening = Res(128) trained
model transformer = Transformer(8, 0) trained
model up = Linear(512) trained
model down = Linear(64) trained

fn norm_rows(x: real[b, t, c]) -> real[b, t, c] { return layer_norm(x) }
fn norm_groups(x: real[b, c: 64, h, w]) -> real[b, c: 64, h, w] { return x |> group_norm |> silu |> convolution }
fn softmax_rows(x: real[b, t, c]) -> real[b, t, c] { return softmax(x, over: c) }
fn attend(q: real[b, query, d], k: real[b, key, d], v: real[b, key, d]) -> real[b, query, d] { return attention(q, k, v) }
fn geglu(x: real[b, t, c: 64]) -> real[b, t, c: 64] {
  let (value, gate) = up(x) |> split(axis: c, parts: 2)
  return x + down(value * gelu(gate))
}
fn res_block(x: real[b, c: 64, h, w], e: real[b, e]) -> real[b, c: 64, h, w] { return residual(x, e) }
fn res_block_wider(x: real[b, c: 64, h, w], e: real[b, e]) -> real[b, c: 128, h, w] { return widening(x, e) }
fn transformer_block(x: real[b, c: 64, h, w], k: real[b, layer: 16, tokens, cw]) -> real[b, c: 64, h, w] {
  return transformer(x, { k: k, v: k })
}
`).program,
);

const rows = { x: [2, 256, 320] };
const picture = { x: [2, 64, 16, 16] };
const cases: readonly (readonly [string, Readonly<Record<string, readonly number[]>>, number, number])[] = [
  ["norm_rows", rows, 1, 3],
  ["norm_groups", picture, 4, 13],
  ["softmax_rows", rows, 1, 1],
  ["attend", { q: [16, 256, 40], k: [16, 77, 40], v: [16, 77, 40] }, 1, 4],
  ["geglu", { x: [2, 256, 64] }, 3, 11],
  ["res_block", { ...picture, e: [2, 256] }, 10, 31],
  ["res_block_wider", { ...picture, e: [2, 256] }, 11, 35],
  ["transformer_block", { ...picture, k: [2, 16, 77, 96] }, 21, 71],
];

it.each(cases)("%s takes no more kernels than it did", (name, inputs, forward, both) => {
  const args = Object.entries(inputs).map(([input, shape]) => ({ name: input, shape }));
  const made = elaborateFunction(program, resolution, name, args, { training: true });
  if (!made.ok) throw new Error(made.diagnostics.map((d) => d.message).join());
  const { builder: b, uniforms } = made.value;
  const graph = readAsStored(inlineReadCalls(made.value.graph, b), b, parameterOrders([made.value.graph]));
  const dispatches = (results: typeof graph.results): number => {
    const { legs } = compileGraph({ name, results }, uniforms, fourLanes);
    return legs[0]!.ops.filter((op) => op.kind === "dispatch").length;
  };
  expect(dispatches(graph.results), "forward").toBeLessThanOrEqual(forward);
  const y = graph.results[0]!.value;
  const wanted = graphInputs(graph).filter((v) => v.attrs.role !== "uniform");
  const product = b.mul(y, b.input("dy", y.shape, { role: "data" }));
  const loss = b.sum(
    product,
    product.shape.map((_, axis) => axis),
  );
  const gradients = gradient(b, loss, wanted).map((value, i) => ({ name: `grad.${wanted[i]!.attrs.name}`, value }));
  expect(dispatches([...graph.results, ...gradients]), "with gradients").toBeLessThanOrEqual(both);
});
