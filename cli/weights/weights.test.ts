import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { wholeFloats } from "../../runtime/checkpoint/floats.ts";
import { openTensorFile } from "../../runtime/checkpoint/open.ts";
import { saveSafetensors, type TensorSource } from "../../runtime/checkpoint/safetensors.ts";
import { archive, dict, floats, tensor } from "../../runtime/checkpoint/torch.testing.ts";
import { averageWeights } from "./average.ts";
import { convertedText, convertWeights } from "./convert.ts";
import { diffWeights } from "./diff.ts";
import { conversionOf } from "./parts.ts";
import { replacePart } from "./replace.ts";

const folder = mkdtempSync(join(tmpdir(), "ada-weights-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => {
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
});

const f32 = (name: string, shape: readonly number[], values: readonly number[]): TensorSource => ({
  name,
  shape,
  read: () => [new Uint8Array(Float32Array.from(values).buffer)],
});
const save = (name: string, tensors: readonly TensorSource[]) => saveSafetensors(at(name), tensors, { format: "pt" });
async function numbers(path: string, name: string): Promise<number[]> {
  const file = await openTensorFile(path);
  if (!file.ok) throw new Error(file.error.message);
  const values = await wholeFloats(file.value, name);
  await file.value.close();
  return [...values];
}
function value<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: { readonly message: string } },
): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

describe("convert", () => {
  const six = floats(0, 1, 2, 3, 4, 5);
  const w = tensor({ key: "a", elements: 6, shape: [3, 2], strides: [1, 3] });
  test("a pickle becomes safetensors, in f16 if asked", async () => {
    writeFileSync(at("a.ckpt"), archive(dict({ state_dict: dict({ w }) }), { a: six }));
    value(await convertWeights({ from: at("a.ckpt"), out: at("a.safetensors") }));
    expect(await numbers(at("a.safetensors"), "w")).toEqual([0, 3, 1, 4, 2, 5]);
    value(await convertWeights({ from: at("a.safetensors"), out: at("half.safetensors"), to: "F16" }));
    const { same, differences } = value(await diffWeights(at("a.safetensors"), at("half.safetensors")));
    expect([same, differences.map(({ kind, largest }) => [kind, largest])]).toEqual([0, [["type", 0]]]);
  });
  test("what turns out to be damaged leaves the old file, and nothing else", async () => {
    const broken = archive(dict({ w }), { a: six });
    const place = broken.indexOf(six);
    broken[place] = broken[place]! ^ 1;
    writeFileSync(at("broken.ckpt"), broken);
    writeFileSync(at("old.safetensors"), "as it was");
    // A transposed view reads its storage whole, and so its checksum.
    expect(await convertWeights({ from: at("broken.ckpt"), out: at("old.safetensors") })).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/checksum/) },
    });
    expect(readFileSync(at("old.safetensors"), "utf8")).toBe("as it was");
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });
  test("only safetensors are written", async () => {
    writeFileSync(at("b.ckpt"), archive(dict({ w }), { a: six }));
    expect(await convertWeights({ from: at("b.ckpt"), out: at("b.pt") })).toMatchObject({ ok: false, error: { kind: "unwritable" } });
  });
});

describe("Stable Diffusion", () => {
  /** A checkpoint with every name of the real one, and few numbers. */
  const checkpoint = (
    seed: number,
    names: (place: { readonly ldm: string }) => string = ({ ldm }) => ldm,
    parts: readonly ("unet" | "vae" | "text")[] = ["unet", "vae", "text"],
  ) =>
    parts.flatMap((part, p) =>
      conversionOf(part).places.map((place, i): TensorSource => {
        const shape = [2, 3, 1, 1].slice(0, place.rank.ldm);
        const count = shape.reduce((a, b) => a * b, 1);
        return f32(
          names(place),
          shape,
          Array.from({ length: count }, (_, k) => seed + 1000 * p + i + k / 8),
        );
      }),
    );
  const counter: TensorSource = {
    name: "cond_stage_model.transformer.text_model.embeddings.position_ids",
    dtype: "I64",
    shape: [1, 2],
    read: () => [new Uint8Array(16).fill(7)],
  };

  test("goes to the other layout and back bit for bit, and says what it leaves out", async () => {
    await save("sd.safetensors", [...checkpoint(1), counter, f32("betas", [2], [1, 2])]);
    const there = value(await convertWeights({ from: at("sd.safetensors"), out: at("parts"), layout: "diffusers" }));
    expect(there.written.map(({ path }) => path)).toEqual([
      at("parts/unet/diffusion_pytorch_model.safetensors"),
      at("parts/vae/diffusion_pytorch_model.safetensors"),
      at("parts/text_encoder/model.safetensors"),
    ]);
    expect(convertedText(there)).toMatch(/1 tensors belong to none of .*: betas/);
    value(await convertWeights({ from: at("parts"), out: at("back.safetensors"), layout: "ldm" }));
    const { same, differences } = value(await diffWeights(at("sd.safetensors"), at("back.safetensors")));
    expect(differences.map(({ name, kind }) => [name, kind])).toEqual([["betas", "only first"]]);
    expect(same).toBe(686 + 248 + 196 + 1);
  });
  test("takes another autoencoder, in any layout, and gives the old one back", async () => {
    await save("one.safetensors", checkpoint(1));
    await save(
      "vae.safetensors",
      checkpoint(5000, ({ ldm }) => ldm.replace("first_stage_model.", ""), ["vae"]),
    );
    value(await replacePart({ checkpoint: at("one.safetensors"), part: "vae", donor: at("vae.safetensors"), out: at("new.safetensors") }));
    const { same, differences } = value(await diffWeights(at("one.safetensors"), at("new.safetensors")));
    expect([same, differences.length, differences.every(({ name }) => name.startsWith("first_stage_model."))]).toEqual([
      686 + 196,
      248,
      true,
    ]);
    value(await replacePart({ checkpoint: at("new.safetensors"), part: "vae", donor: at("one.safetensors"), out: at("new.safetensors") }));
    expect(value(await diffWeights(at("one.safetensors"), at("new.safetensors"))).differences).toEqual([]);
    expect(
      await replacePart({ checkpoint: at("one.safetensors"), part: "text", donor: at("vae.safetensors"), out: at("no.safetensors") }),
    ).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/vae.safetensors holds no text encoder/) },
    });
  });
  test("a part that is there in pieces is named, with the nearest name", async () => {
    const [first, ...rest] = checkpoint(1);
    await save("hole.safetensors", [...rest, { ...first!, name: `${first!.name}s` }]);
    expect(await convertWeights({ from: at("hole.safetensors"), out: at("hole"), layout: "diffusers" })).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/1 of 686 tensors of the UNet are not in/), help: `the file has ${first!.name}s` },
    });
  });
});

describe("average and diff", () => {
  test("the mean is weighted, and keeps the type", async () => {
    await save("a1.safetensors", [f32("w", [3], [1, 2, 3]), f32("b", [], [8])]);
    await save("a2.safetensors", [f32("w", [3], [3, 2, 7]), f32("b", [], [0])]);
    value(await averageWeights({ files: [at("a1.safetensors"), at("a2.safetensors")], out: at("mean.safetensors"), shares: [3, 1] }));
    expect([await numbers(at("mean.safetensors"), "w"), await numbers(at("mean.safetensors"), "b")]).toEqual([[1.5, 2, 4], [6]]);
    const { same, differences } = value(await diffWeights(at("a1.safetensors"), at("mean.safetensors")));
    expect([same, differences.map(({ name, kind, largest }) => [name, kind, largest])]).toEqual([
      0,
      [
        ["b", "numbers", 2],
        ["w", "numbers", 1],
      ],
    ]);
  });
  test("files of unlike models are refused", async () => {
    await save("u1.safetensors", [f32("w", [3], [1, 2, 3])]);
    await save("u2.safetensors", [f32("w", [1], [1])]);
    await save("u3.safetensors", [f32("v", [1], [1])]);
    const mean = (...names: readonly string[]) => averageWeights({ files: names.map(at), out: at("no.safetensors") });
    expect(await mean("u1.safetensors", "u2.safetensors")).toMatchObject({ ok: false, error: { kind: "wrong shape" } });
    expect(await mean("u1.safetensors", "u3.safetensors")).toMatchObject({ ok: false, error: { kind: "missing tensor" } });
    const found = value(await diffWeights(at("u2.safetensors"), at("u3.safetensors")));
    expect(found.differences.map(({ name, kind }) => [name, kind])).toEqual([
      ["w", "only first"],
      ["v", "only second"],
    ]);
  });
});
