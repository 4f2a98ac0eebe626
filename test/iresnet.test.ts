import { describe, expect, test } from "vitest";
import { elaborateFunction } from "../compiler/elaborate/index.ts";
import { programOf, render, uniformArrays } from "../compiler/elaborate/testing.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import { evaluate } from "../compiler/reference/evaluate.ts";
import { firstDifference, goldenCases, goldenFolder, goldenTitle } from "./golden.ts";

// models/iresnet.ada against recorded embeddings of the original network, through the reference meaning.

/** `layer[0][1].conv1.weight` as the original names it. */
const originalName = (path: string) =>
  path
    .replace(/^net\./, "")
    .replace(/^layer\[(\d+)\]\[(\d+)\]/, (_, l: string, b: string) => `layer${Number(l) + 1}.${b}`)
    .replace(/\[(\d+)\]/g, ".$1");

const cases = goldenCases("networks", ["iresnet"]);

describe(goldenTitle("recorded recognisers"), () => {
  test.runIf(goldenFolder !== undefined)("there are some", () => expect(cases.length).toBeGreaterThan(0));
  test.each(cases)("$name", (one) => {
    const { config } = one;
    const tensors = one.tensors();
    const { program, resolution } = programOf(`import { IResNet } from "./models/iresnet.ada"
model net = IResNet(blocks: ${JSON.stringify(config.layers)}, widths: ${JSON.stringify(config.widths)}, out: ${config.num_features}, stem: ${config.stem_width})`);
    const image = tensors["input.image"]!;
    const made = elaborateFunction(program, resolution, "net", [{ name: "x", shape: image.shape, axes: ["n", "c", "h", "w"] }], {
      training: false,
    });
    if (!made.ok) throw new Error(render(program, made.diagnostics));
    const { graph, leaves, uniforms } = made.value;
    const inputs: Record<string, NdArray> = { x: image, ...uniformArrays(uniforms) };
    for (const leaf of leaves) {
      const value = tensors[`param.${originalName(leaf.path)}`];
      expect(value?.shape, leaf.path).toEqual(leaf.shape);
      inputs[leaf.path] = value!;
    }
    const counted = Object.keys(tensors).filter((name) => name.startsWith("param.") && !name.endsWith("num_batches_tracked"));
    expect(leaves.length).toBe(counted.length);
    expect(
      firstDifference(one, "output.embedding", evaluate(graph, inputs).result!.data, tensors["output.embedding"]!.data),
    ).toBeUndefined();
  });
});
