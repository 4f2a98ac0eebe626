import { describe, expect, test } from "vitest";
import { elaborateFunction, type FunctionArgument } from "../compiler/elaborate/index.ts";
import { programOf, render } from "../compiler/elaborate/testing.ts";

// The networks of `models/` at full size: as many tensors and numbers as the published checkpoints have.

const image: FunctionArgument = { name: "x", shape: [1, 3, 64, 64], axes: ["n", "c", "h", "w"] };
const cases: readonly {
  readonly name: string;
  readonly text: string;
  readonly args: readonly FunctionArgument[];
  readonly tensors: number;
  readonly numbers: number;
  readonly result: readonly number[];
}[] = [
  {
    name: "UNet",
    text: `import { UNet, everywhere } from "models/unet.ada"
model unet = UNet()
fn entry(x: real[...b, c: 4, h, w], t: i32[...b], context: real[...b, tokens, cw]) -> real[...b, c: 4, h, w] { return unet(x, t, everywhere(context)) }`,
    args: [
      { name: "x", shape: [1, 4, 16, 16], axes: ["n", "c", "h", "w"] },
      { name: "t", shape: [1], axes: ["n"], dtype: "i32" },
      { name: "context", shape: [1, 77, 768], axes: ["n", "tokens", "cw"] },
    ],
    tensors: 686,
    numbers: 859_520_964,
    result: [1, 4, 16, 16],
  },
  {
    name: "ClipText",
    text: `import { ClipText } from "models/clip.ada"
model text = ClipText()
fn entry(ids: i32[...b, tokens]) -> real[...b, tokens, width: 768] { return text(text.embeddings.token_embedding(ids)) }`,
    args: [{ name: "ids", shape: [1, 77], axes: ["n", "tokens"], dtype: "i32" }],
    tensors: 196,
    numbers: 123_060_480,
    result: [1, 77, 768],
  },
  {
    name: "ClipVision",
    text: `import { ClipVision } from "models/clip.ada"
model vision = ClipVision()
fn entry(x: real[...b, c: 3, h: 224, w: 224], keep: real[...b, tokens: 257]) -> real[...b, f: 1024] {
  return vision.pooled(vision(x, focus: keep)[1]) |> rename(width: f)
}`,
    args: [
      { name: "x", shape: [1, 3, 224, 224], axes: ["n", "c", "h", "w"] },
      { name: "keep", shape: [1, 257], axes: ["n", "tokens"] },
    ],
    tensors: 391,
    numbers: 303_179_776,
    result: [1, 1024],
  },
  {
    name: "Vae",
    text: `import { Vae } from "models/vae.ada"
model vae = Vae()
fn entry(x: real[...b, c: 3, h, w]) random -> real[...b, c: 3, h, w] { return vae.decode(vae.encode(x)) }`,
    args: [image],
    tensors: 248,
    numbers: 83_653_863,
    result: [1, 3, 64, 64],
  },
  {
    name: "BackgroundEncoder",
    text: `import { BackgroundEncoder } from "models/face_encoder.ada"
model place = BackgroundEncoder()
fn entry(x: real[...b, tokens: 257, width: 1024]) random -> real[...b, layer: 16, slot: 4, width: 768] { return place(x) }`,
    args: [{ name: "x", shape: [1, 257, 1024], axes: ["n", "tokens", "width"] }],
    tensors: 18,
    numbers: 768 * 1024 + 257 * 768 + 64 * 768 + 3 * 768 * 768 + 6 * 2 * 768,
    result: [1, 16, 4, 768],
  },
];

describe("networks at full size", () => {
  test.each(cases)("$name", ({ text, args, tensors, numbers, result }) => {
    const { program, resolution } = programOf(text);
    const made = elaborateFunction(program, resolution, "entry", args, { training: false });
    if (!made.ok) throw new Error(render(program, made.diagnostics));
    const { leaves, graph } = made.value;
    expect(leaves.reduce((sum, leaf) => sum + leaf.shape.reduce((a, b) => a * b, 1), 0)).toBe(numbers);
    expect(leaves.length).toBe(tensors);
    expect(graph.results[0]!.value.shape).toEqual(result);
  });
});
