import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { wholeFloats } from "./floats.ts";
import { floats, message, model, node, shapeWeight, value, weight, weightBeside } from "./onnx.testing.ts";
import { openOnnx } from "./onnxFile.ts";
import { Refused } from "./tensorFile.ts";

const outer = mkdtempSync(join(tmpdir(), "ada-onnx-"));
const folder = join(outer, "model");
mkdirSync(folder);
writeFileSync(join(outer, "secret.bin"), floats([1, 2, 3, 4]));
writeFileSync(join(folder, "weights.bin"), floats([9, 1, 2, 3, 4]));
symlinkSync(join(outer, "secret.bin"), join(folder, "link.bin"));
afterAll(() => rmSync(outer, { recursive: true, force: true }));

const written = (content: Uint8Array, name = "model.onnx") => {
  writeFileSync(join(folder, name), content);
  return openOnnx(join(folder, name));
};
const whole = model({
  nodes: [node("Reshape", ["x", "shape"], ["y"]), node("Add", ["y", "w"], ["z"])],
  weights: [weight("w", [2, 2], [1, 2, 3, 4]), shapeWeight("shape", [2, 2])],
  inputs: [value("x", ["batch", 4]), value("w", [2, 2])],
  outputs: [value("z", [2, 2])],
});

describe("an ONNX file", () => {
  test("gives its graph and its weights; a weight that is also an input is none", async () => {
    const file = await written(whole);
    if (!file.ok) throw new Error(file.error.message);
    const { tensors, model: graph } = file.value;
    expect([...tensors.values()].map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ["w", "F32", [2, 2]],
      ["shape", "I64", [2]],
    ]);
    expect([...(await wholeFloats(file.value, "w"))]).toEqual([1, 2, 3, 4]);
    expect(graph.opset).toBe(13);
    expect(graph.inputs).toEqual([{ name: "x", type: "float", dims: ["batch", 4] }]);
    expect(graph.nodes.map(({ op, inputs, outputs }) => [op, inputs, outputs])).toEqual([
      ["Reshape", ["x", "shape"], ["y"]],
      ["Add", ["y", "w"], ["z"]],
    ]);
    expect([...graph.constants.get("shape")!.data!]).toEqual([2, 2]);
    await file.value.close();
  });
  test("reads weights that lie beside it", async () => {
    const file = await written(model({ weights: [weightBeside("w", [4], "weights.bin", { offset: "4", length: "16" })] }));
    if (!file.ok) throw new Error(file.error.message);
    expect([...(await wholeFloats(file.value, "w"))]).toEqual([1, 2, 3, 4]);
    await file.value.close();
  });
  test("reads weights that are listed number by number, of any type; a wrong count is refused, also where it is seen late", async () => {
    const listed = (type: number, list: number, size: number, bytes: Uint8Array) => message([1, size], [2, type], [8, "w"], [list, bytes]);
    const bits = Uint8Array.of(0x80, 0x78, 0x80, 0x80, 0x01); // 0x3c00 and 0x4000 as varints
    for (const one of [listed(1, 4, 2, floats([1, 2])), listed(10, 5, 2, bits)]) {
      const file = await written(model({ weights: [one] }));
      if (!file.ok) throw new Error(file.error.message);
      expect([...(await wholeFloats(file.value, "w"))]).toEqual([1, 2]);
      expect([...file.value.model.constants.get("w")!.data!]).toEqual([1, 2]);
      await file.value.close();
    }
    expect(await written(model({ weights: [listed(1, 4, 3, floats([1, 2]))] }))).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/w has 8 bytes for F32 \[3\]/) },
    });
    const late = await written(model({ weights: [listed(1, 4, 5000, floats([1, 2]))] }));
    if (!late.ok) throw new Error(late.error.message);
    await expect(wholeFloats(late.value, "w")).rejects.toThrow(Refused);
    await late.value.close();
  });
  test.each([["../secret.bin"], [join(outer, "secret.bin")], ["sub/../../secret.bin"], ["link.bin"], [""]])(
    "refuses weights outside of its folder: %s",
    async (location) => {
      expect(await written(model({ weights: [weightBeside("w", [4], location)] }))).toMatchObject({
        ok: false,
        error: { message: expect.stringMatching(/outside of its folder/) },
      });
    },
  );
  test.each([
    [
      "weights behind the end of their file",
      model({ weights: [weightBeside("w", [4], "weights.bin", { offset: "8" })] }),
      /ends behind the end/,
    ],
    ["weights that are missing", model({ weights: [weightBeside("w", [4], "nowhere.bin")] }), /there is no file/],
    ["too few bytes", model({ weights: [weight("w", [3], [1, 2])] }), /byte \d+\): w has 8 bytes for F32 \[3\]/],
    ["a negative size", model({ weights: [weight("w", [-1], [])] }), /the shape \[-1\]/],
    ["a shape beyond counting", model({ weights: [weight("w", [2 ** 31, 2 ** 31], [])] }), /the shape \[2147483648, 2147483648\]/],
    [
      "two weights of one name",
      model({ weights: [weight("w", [1], [1]), weight("w", [1], [1])] }),
      /byte \d+\): the weight w is there twice/,
    ],
    ["no graph", Uint8Array.from([8, 8]), /no graph/],
    ["text", new TextEncoder().encode("<html>not here</html>"), /ONNX file|ends behind/],
  ])("refuses %s", async (_, content, message) => {
    expect(await written(content)).toMatchObject({ ok: false, error: { message: expect.stringMatching(message) } });
  });
  test("is read or refused when it is mutated, in bounded memory", async () => {
    const before = process.memoryUsage();
    const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(whole.length), async (changes, length) => {
        const mutated = Uint8Array.from(length % 4 === 0 ? whole.subarray(0, length) : whole);
        for (const { at, byte } of changes) mutated[at % mutated.length] = byte;
        const file = await written(mutated, "mutated.onnx");
        if (!file.ok) return;
        try {
          for (const name of file.value.tensors.keys())
            for await (const part of file.value.read(name)) expect(part.length).toBeLessThan(1 << 20);
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
        } finally {
          await file.value.close();
        }
      }),
      { numRuns: 300, seed: 5 },
    );
    expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(64e6);
  });
});
