import { describe, expect, test } from "vitest";
import type { PlanField } from "../plan/plan.ts";
import { evaluate } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { elaborateTrain } from "./index.ts";
import { printField, printOrder } from "./print.ts";
import { programOf, render, uniformArrays } from "./testing.ts";
import { verifyElaborated } from "./verify.ts";

const program = (members: string, body: string, more = "") => `import { sgd } from "std/optim.ada"
import { align_face } from "std/image.ada"
fn less_mean(x: real[c, h, w]) -> real[c, h, w] { return x - mean(x) }
fn brighter(x: real[c, h, w], by: Real) -> real[c, h, w] { return x + by }
module Net() { param a: f32 = 2 forward(x: real[...b]) -> real[...b] { return a * x } }
model net = Net() trained
dataset faces(root: Path, other: Path? = none) {
  source folders(root, files: "*.png", first: 3)
  source folder(other, subject: "mixed", on_broken: "fatal") when has(other)
${members}
}
step fit(face: ${more === "" ? "" : `${more} `}faces) {
${body}
}
train run {
  data face = faces("own", other: "others")
  batch 2  micro_steps 4
  each step: fit
  optimizer sgd(lr: 0.1)
  seed 3
}
`;
function made(text: string) {
  const { program: parsed, resolution } = programOf(text);
  const result = elaborateTrain(parsed, resolution, "run");
  if (!result.ok) throw new Error(render(parsed, result.diagnostics));
  expect(verifyElaborated(result.value)).toEqual([]);
  const { spec } = result.value.datasets[0]!;
  const fields = Object.fromEntries(spec.fields.map((field): [string, PlanField] => [field.name, field]));
  return { ...result.value, spec, fields };
}
/** What a step logs for a batch of loaded fields. */
function logs(text: string, inputs: Readonly<Record<string, readonly [shape: readonly number[], values: readonly number[]]>>) {
  const { steps, uniforms } = made(text);
  const { graph } = steps[0]!.alternatives[0]!;
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, [shape, values]]) => [`face.${name}`, array(shape, values, name.endsWith("!") ? "i32" : "f32")]),
  );
  const weights = { "net.a": array([], [2]) };
  const found = evaluate(graph, { ...given, ...weights, ...uniformArrays(uniforms) });
  return Object.fromEntries(Object.entries(found).flatMap(([name, x]) => (name.startsWith("log.") ? [[name.slice(4), [...x.data]]] : [])));
}

describe("fields", () => {
  test("files, bytes and facts stay with the host; only what is read is asked for", () => {
    const { spec } = made(
      program(
        `  order weighted(source, by: [2, 1])
  let placed = draw(subject_in_frame(8, flip: 0.5, scale: 0.5..1, margin: 1))
  let weight = draw(uniform(0..1)) * images
  field who: Text = subject
  field own: Bool = source == 0 and not exists("{stem}_bad.txt")
  field age: Real = meta("info.json", "age", or: 30) / 100
  field kind: Text = lookup("kinds.json", subject, or: "person")
  field note: Text = text_of("{stem}.txt", or: "none")
  field w: Real = weight
  field image: f32[c: 3, h: 8, w: 8] = load(file) |> placed |> to_range(-1..1)
  field fg: f32[h: 8, w: 8] = load("{stem}_mask.png", or: white) |> placed |> is(255)
  field small: f32[h: 4, w: 4] = load(file) |> grayscale |> resize_to(6) |> crop_to(4) |> flip
  field clear: f32[h: 8, w: 8] = load(file) |> alpha
  field unread: f32[h: 8, w: 8] = load("{stem}_depth.png")`,
        `  minimize mean(net(face.image) * face.age * face.w) + mean(face.fg) + mean(face.small) + mean(face.clear)
  log { own: sum(where(face.own, 1, 0)) }`,
      ),
    );
    expect(printOrder(spec.order)).toBe("one source drawn by 2 : 1");
    expect([spec.source, ...spec.more!].map((source) => [source.root, source.onBroken, source.subject, source.first])).toEqual([
      ["own", "skip", undefined, 3],
      ["others", "fatal", "mixed", null],
    ]);
    expect(spec.fields.map((field) => `${field.name}: ${printField(field)}`)).toMatchInlineSnapshot(`
      [
        "own: bool and(eq(source, 0), not(exists(stem "_bad.txt")))",
        "age: f32 div(meta("info.json", "age", 30), 100)",
        "w: f32 mul(draw<faces.weight> uniform(0..1), images)",
        "image: image |> resize(8 x 8, nearest) |> flip(draw<faces.placed.flip> coin(0.5)) |> place(scale draw<faces.placed.scale> uniform(0.5..1), moved draw<faces.placed.down> uniform(0..1), draw<faces.placed.right> uniform(0..1), margin 1) as 3 x 8 x 8 in -1..1",
        "fg: mask or white |> resize(8 x 8, nearest) |> flip(draw<faces.placed.flip> coin(0.5)) |> place(scale draw<faces.placed.scale> uniform(0.5..1), moved draw<faces.placed.down> uniform(0..1), draw<faces.placed.right> uniform(0..1), margin 1) as 1 x 8 x 8 in 1 at 255",
        "small: image |> resize(6 x 6, smooth) |> crop(4 x 4) |> flip(true) as 1 x 4 x 4 in 0..1",
        "clear: image |> alpha as 1 x 8 x 8 in 0..1",
      ]
    `);
  });

  test("a computed field is the function of each item by itself", () => {
    const found = logs(
      program(
        `  field image: f32[c: 1, h: 2, w: 2] = load(file)
  field plain: f32[c: 1, h: 2, w: 2] = less_mean(image)
  field twice: f32[h: 2, w: 2] = sum(plain * plain, over: c)`,
        `  minimize mean(net(face.twice))
  log { plain: sum(face.plain ** 2, over: [c, h, w])[batch: 1], twice: sum(face.twice), first: sum(face.twice[batch: 0]) }`,
      ),
      {
        image: [
          [2, 1, 2, 2],
          [1, 2, 3, 6, 10, 20, 30, 100],
        ],
      },
    );
    // Less their means: -2 -1 0 3 and -30 -20 -10 60.
    expect(found).toEqual({ plain: [900 + 400 + 100 + 3600], twice: [14 + 5000], first: [14] });
  });

  test("numbers of the item become hidden fields, the same number in all that use it", () => {
    const text = program(
      `  let by = draw(uniform(0.5..1))
  field image: f32[c: 3, h: 2, w: 2] = load(file)
  field by_itself: Real = by
  field bright: f32[c: 3, h: 2, w: 2] = brighter(image, by) * by`,
      `  minimize mean(net(face.bright))
  log { a: face.by_itself[batch: 1], b: sum(face.bright, over: [c, h, w])[batch: 1] }`,
    );
    const { spec } = made(text);
    expect(spec.fields.map((field) => field.name)).toEqual(["image", "by_itself", "bright~1"]);
    const drawn = "f32 draw<faces.by> uniform(0.5..1)";
    expect(spec.fields.slice(1).map(printField)).toEqual([drawn, drawn]);
    const image = [...Array(12).fill(0), ...Array(12).fill(0.25)];
    const found = logs(text, { image: [[2, 3, 2, 2], image], by_itself: [[2], [0.5, 0.75]], "bright~1": [[2], [0.5, 0.75]] });
    expect(found).toEqual({ a: [0.75], b: [12 * (0.25 + 0.75) * 0.75] });
  });

  test("a picture in the middle of a chain is a tensor as soon as its size is said", () => {
    const { spec } = made(
      program(
        `  field image: f32[c: 3, h: 4, w: 4] = load(file) |> resize_to(4) |> to_range(-1..1) |> less_mean
  field turned: f32[c: 3, h: 4, w: 4] = image |> less_mean`,
        "  minimize mean(net(face.image)) + mean(net(face.turned))",
      ),
    );
    expect(spec.fields.map((field) => `${field.name}: ${printField(field)}`)).toEqual([
      "image~2: image |> resize(4 x 4, smooth) as 3 x 4 x 4 in -1..1",
    ]);
  });

  test("one of the batch is its first item", () => {
    const text = program(
      `  field image: f32[c: 1, h: 2, w: 2] = load(file)
  field plain: f32[c: 1, h: 2, w: 2] = less_mean(image)`,
      `  minimize mean(net(face.plain))
  log { all: sum(face.plain ** 2) }`,
      "one of",
    );
    expect(
      logs(text, {
        image: [
          [2, 1, 2, 2],
          [1, 2, 3, 6, 10, 20, 30, 100],
        ],
      }),
    ).toEqual({ all: [14] });
  });

  test("tensors are drawn for each item", () => {
    const found = logs(
      program(
        `  field image: f32[c: 1, h: 2, w: 2] = load(file)
  field noise: f32[c: 1, h: 2, w: 2] = image + draw(normal, [c: 1, h: 2, w: 2])`,
        `  minimize mean(net(face.noise))
  log { a: sum(face.noise[batch: 0]), b: sum(face.noise[batch: 1]), again: sum(face.noise[batch: 1]) }`,
      ),
      { image: [[2, 1, 2, 2], Array(8).fill(0)] },
    );
    expect(found.a).not.toEqual(found.b);
    expect(found.again).toEqual(found.b);
  });

  test("faces are aligned by landmarks in the graph", () => {
    const text = program(
      `  field image: f32[c: 1, h: 4, w: 4] = load(file)
  field crop: f32[c: 1, h: 4, w: 4] = align_face(image, stack([for i in 0..5: stack([i * i + mean(image), 2 - i], axis: xy)], axis: point), to: 4)`,
      "  minimize mean(net(face.crop))\n  log { size: sum(face.crop) }",
    );
    expect(made(text).spec.fields.map((field) => field.name)).toEqual(["image"]);
    expect(Number.isFinite(logs(text, { image: [[2, 1, 4, 4], Array.from({ length: 32 }, (_, i) => i)] }).size![0])).toBe(true);
  });
});

test.each([
  ["shuffled", "shuffled"],
  ["weighted(subject, by: images)", "weighted by pictures"],
  ["weighted(subject)", "one subject drawn evenly"],
  ["weighted(source)", "one source drawn evenly"],
  ["alternate(source)", "alternating, 1 of each"],
  ["alternate(source, each: 4)", "alternating, 4 of each"],
])("order %s", (written, meant) => {
  const { spec } = made(
    program(`  order ${written}\n  field image: f32[c: 3, h: 2, w: 2] = load(file)`, "  minimize mean(net(face.image))"),
  );
  expect(printOrder(spec.order)).toBe(meant);
});
