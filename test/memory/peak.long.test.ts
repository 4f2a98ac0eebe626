import { expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { Graph } from "../../compiler/ir/value.ts";
import { rebuild } from "../../compiler/ir/walk.ts";
import { rematerialise } from "../../compiler/remat.ts";
import { targets } from "../targets.ts";
import { fullSize, narrow, unetGraph } from "./unet.testing.ts";

// What plans of the UNet need against the largest sum of tensors alive at once, which no plan can do without.

it.each([
  ["narrow forward", narrow, "forward"],
  ["narrow gradient", narrow, "gradient"],
  ["full forward", fullSize, "forward"],
  ["full gradient", fullSize, "gradient"],
] as const)("the UNet needs at most 1.05 of what is alive at once: %s", (_, size, pass) => {
  const { graph, uniforms } = unetGraph(size, pass);
  const roomy = { ...targets.eightLanes!, maxBindingBytes: 2 ** 30 };
  const { figures } = compileGraph(graph, uniforms, roomy).legs[0]!;
  expect(figures.peakBytes / figures.liveBytes).toBeLessThanOrEqual(1.05);
});

it.each([
  ["a quarter of what is kept", 0.25, 0.3],
  ["half of it", 0.5, 0.55],
] as const)("the narrow UNet's gradient in less memory: %s", (_, share, most) => {
  const { graph, uniforms } = unetGraph(narrow, "gradient");
  const figuresOf = (one: Graph) => compileGraph(one, uniforms, targets.eightLanes!).legs[0]!.figures;
  const plain = figuresOf(graph);
  const b = new Builder();
  const again = figuresOf(
    rematerialise(rebuild(graph, b), b, (name) => !name.startsWith("grad."), { kind: "fit", bytes: share * plain.liveBytes }),
  );
  expect(again.peakBytes / plain.peakBytes).toBeLessThan(most);
  expect(again.flops / plain.flops).toBeLessThan(1.2);
});
