import { gradient } from "../../compiler/autodiff.ts";
import { elaborateFunction } from "../../compiler/elaborate/index.ts";
import { programOf, render } from "../../compiler/elaborate/testing.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { graphInputs } from "../../compiler/ir/walk.ts";
import type { UniformDecl } from "../../compiler/plan/host.ts";

import { parameterOrders, readAsStored } from "../../compiler/storageOrder.ts";

// The UNet of models/ as a graph: its loss alone, or with the gradients of all parameters.

export interface UNetSize {
  readonly width: number;
  readonly pixels: number;
  readonly tokens: number;
  readonly context: number;
}
/** One image of Stable Diffusion 1.5. */
export const fullSize: UNetSize = { width: 320, pixels: 64, tokens: 77, context: 768 };
/** The same blocks, narrow, on a small image. */
export const narrow: UNetSize = { width: 32, pixels: 16, tokens: 7, context: 32 };

export function unetGraph(
  size: UNetSize,
  pass: "forward" | "gradient",
): { readonly graph: Graph; readonly uniforms: readonly UniformDecl[] } {
  const { program, resolution } = programOf(`import { UNet } from "./models/unet.ada"
model unet = UNet(width: ${size.width}) trained
fn loss(x: real[batch, c: 4, h, w], t: real[batch], k: real[batch, layer: 16, tokens, cw], noise: real[batch, c: 4, h, w]) -> real {
  let y = unet(x, t, { k: k, v: k })
  return mean((y - noise) ** 2)
}`);
  const image = [1, 4, size.pixels, size.pixels];
  const made = elaborateFunction(
    program,
    resolution,
    "loss",
    [
      { name: "x", shape: image },
      { name: "t", shape: [1] },
      { name: "k", shape: [1, 16, size.tokens, size.context] },
      { name: "noise", shape: image },
    ],
    { training: true },
  );
  if (!made.ok) throw new Error(render(program, made.diagnostics));
  const { builder, leaves, uniforms } = made.value;
  // Weights lie as train plans store them.
  const graph = readAsStored(made.value.graph, builder, parameterOrders([made.value.graph]));
  if (pass === "forward") return { graph, uniforms };
  const inputs = new Map(graphInputs(graph).map((v) => [v.attrs.name, v]));
  const wanted = leaves.flatMap((l) => inputs.get(l.path) ?? []);
  const gradients = gradient(builder, graph.results[0]!.value, wanted).map((value, i) => ({
    name: `grad.${wanted[i]!.attrs.name}`,
    value,
  }));
  return { graph: { name: graph.name, results: [...graph.results, ...gradients] }, uniforms };
}
