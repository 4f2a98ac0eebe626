import { expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile.ts";
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
