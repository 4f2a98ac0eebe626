import { expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile.ts";
import { targets } from "../targets.ts";
import { narrow, unetGraph } from "./unet.testing.ts";

it("the UNet's forward pass needs at most 1.05 of what is alive at once", () => {
  const { graph, uniforms } = unetGraph(narrow, "forward");
  const { figures } = compileGraph(graph, uniforms, targets.eightLanes!, { verify: false }).legs[0]!;
  expect(figures.peakBytes / figures.liveBytes).toBeLessThanOrEqual(1.05);
});
