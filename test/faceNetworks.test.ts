import { describe, expect, test } from "vitest";
import { elaborateFunction } from "../compiler/elaborate/index.ts";
import { programOf, render } from "../compiler/elaborate/testing.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import { evaluate } from "../compiler/reference/evaluate.ts";
import { firstDifference, goldenCases, goldenTitle } from "./golden.ts";

// The face parser and the grey-scale recogniser against recordings of the originals, with the originals' parameters by their own names.

const list = (values: unknown): string => JSON.stringify(values);
/** How a recorded network is written: its text, and which result each recorded output is. */
const kinds: Readonly<
  Record<string, (config: Readonly<Record<string, unknown>>) => readonly [text: string, outputs: Readonly<Record<string, string>>]>
> = {
  arcface_resnet_face: ({ layers, widths, num_features: out }) => [
    `import { ResNetFace } from "models/resnet_face.ada"
model m = ResNetFace(blocks: ${list(layers)}, widths: ${list(widths)}, out: ${list(out)}) frozen
fn case(x: real[n, c, h, w]) -> real[n, id: ${list(out)}] { return m(x) }`,
    { embedding: "result" },
  ],
  bisenet: ({ widths, n_classes: classes }) => [
    `import { BiSeNet } from "models/bisenet.ada"
model m = BiSeNet(widths: ${list(widths)}, classes: ${list(classes)}) frozen
fn case(x: real[n, c, h, w]) -> { ${["out", "out16", "out32"].map((name) => `${name}: real[n, c: ${list(classes)}, h, w]`).join(", ")} } { return m.heads(x) }`,
    { out: "result.out", out16: "result.out16", out32: "result.out32" },
  ],
};

describe(goldenTitle("face networks"), () => {
  const cases = goldenCases("networks", Object.keys(kinds));
  test.runIf(cases.length > 0).each(cases.map((one) => [one.name, one] as const))("%s", (_, one) => {
    const [text, outputs] = kinds[one.kind]!(one.config);
    const tensors = one.tensors();
    const { program, resolution } = programOf(text);
    const image = tensors["input.image"]!;
    const made = elaborateFunction(program, resolution, "case", [{ name: "x", shape: image.shape, axes: ["n", "c", "h", "w"] }]);
    if (!made.ok) throw new Error(render(program, made.diagnostics));
    const inputs: Record<string, NdArray> = { x: image };
    for (const leaf of made.value.leaves) {
      const name = leaf.path
        .replace(/^m\./, "")
        .replace(/layer\[(\d)\]\[(\d)\]/, (_, level, block) => `layer${Number(level) + 1}.${block}`)
        .replace(/\[(\d+)\]/g, ".$1");
      const recorded = tensors[`param.${name}`];
      if (recorded === undefined) throw new Error(`nothing is recorded for ${leaf.path}`);
      inputs[leaf.path] = recorded;
    }
    const found = evaluate(made.value.graph, inputs);
    for (const [name, result] of Object.entries(outputs))
      expect(firstDifference(one, `output.${name}`, found[result]!.data, tensors[`output.${name}`]!.data)).toBeUndefined();
  });
});
