import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { printTyped } from "../../dsl/check/printTyped.ts";
import { verifyChecked } from "../../dsl/check/verify.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { packageRoot } from "../../dsl/source.ts";
import { checkShipped, checkText } from "./load.ts";

// The programs that ship with the compiler have no mistakes, everything in them has a type, and mistakes put into them are found.

const root = packageRoot();
const files = ["std", "models", "pipelines"].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ada"))
    .map((file) => path.join(folder, file)),
);

describe("shipped programs", () => {
  test.each(files)("%s", (file) => {
    const checked = checkShipped(file);
    expect(renderDiagnostics(checked.diagnostics, (id) => checked.program.files.get(id)?.text)).toBe("");
    expect(verifyChecked(checked)).toEqual([]);
    expect(printTyped(checked.program, checked)).not.toMatch(/unreadable|undefined/);
  });
  test("what they compute is followed: few values are unknown", () => {
    let lines = 0;
    let unknown = 0;
    for (const file of files) {
      const checked = checkShipped(file);
      for (const line of printTyped(checked.program, checked).split("\n")) {
        if (!/^\s+(let|return|minimize)/.test(line)) continue;
        lines++;
        if (/: \?$/.test(line)) unknown++;
      }
    }
    expect(lines).toBeGreaterThan(100);
    expect(unknown / lines).toBeLessThan(0.05);
  });
});

/** One edit of a shipped program, and the code of the mistake it makes. */
const mistakes: readonly [file: string, from: string, to: string, code: string][] = [
  ["models/iresnet.ada", "return y + (if has(downsample)", "return x + (if has(downsample)", "shape/axis-mismatch"],
  ["models/iresnet.ada", "Conv(out, 3, biased: false)", "Conv(out, 3, biassed: false)", "call/unknown-argument"],
  [
    "models/iresnet.ada",
    "Conv(stem, 3, stride: stem_stride, biased: false)",
    'Conv(stem, "3", stride: stem_stride, biased: false)',
    "type/mismatch",
  ],
  ["models/iresnet.ada", "-> real[...b, id: out] {", "-> real[...b, out] {", "shape/result-axes"],
  ["models/iresnet.ada", "view(`...b c h w -> ...b id=(c h w)`)", "view(`...b n c h w -> ...b id=(c h w)`)", "shape/pattern"],
  ["std/nn.ada", "y + rename(bias, out: axis)", "y + bias", "shape/not-a-subset"],
  ["std/nn.ada", "over: axis) |> rename(out: axis)", "over: axes) |> rename(out: axis)", "shape/missing-axis"],
  ["std/nn.ada", "let y = conv(x, weight, stride, pad)", "let y = conv(x, bias, stride, pad)", "shape/rank"],
  ["std/nn.ada", "return x * scale + shift\n", "let z = x * scale + shift\n", "body/no-return"],
  ["std/nn.ada", "forward(x: real[...b, c, h, w]) updates ->", "forward(x: real[...b, c, h, w]) ->", "effect/undeclared"],
  ["std/nn.ada", "g: groups)\n    let v ", "g: 3) |> view(`...b g part h w -> ...b g part`)\n    let v ", "shape/pattern"],
  [
    "std/losses.ada",
    "dot(unit(feature, over: f), unit(centres, over: f), over: f)",
    "dot(unit(feature, over: f), unit(centres, over: classes), over: g)",
    "shape/missing-axis",
  ],
  ["std/optim.ada", "update m  = lerp(m, g, 1 - beta1)", "update beta1 = lerp(m, g, 1 - beta1)", "effect/not-state"],
  [
    "pipelines/quickstart.ada",
    "model recogniser = IResNet(blocks: [1, 1, 1]",
    "model recogniser = IResNet(block: [1, 1, 1]",
    "call/unknown-argument",
  ],
  ["pipelines/quickstart.ada", "minimize loss", "minimize face.image", "shape/not-scalar"],
  ["pipelines/quickstart.ada", "face.subject, margin", "face.subjects, margin", "type/no-field"],
  [
    "pipelines/quickstart.ada",
    "module Centres(people: Dim, size: Dim) {",
    "module Centres(people: Dim, size: Dim, depth: Int) {",
    "call/missing-argument",
  ],
  ["pipelines/quickstart.ada", "= Centres(subjects, id_size)", "= Centres(subjects, 2 * id_size)", "shape/axis-mismatch"],
  ["pipelines/quickstart.ada", "data face = ", "data faces = ", "train/missing-setting"],
  ["pipelines/quickstart.ada", "gradient clip_norm(5)", "gradient clip_norm(max: 5)", "call/unknown-argument"],
  ["pipelines/quickstart.ada", "weight_decay: 0.05)", "weightdecay: 0.05)", "call/unknown-argument"],
  ["pipelines/quickstart.ada", "reverse(face.image, axis: w)", "reverse(face.image, axis: width)", "shape/missing-axis"],
];
describe("mistakes in shipped programs", () => {
  test.each(mistakes)("%s: %s", (file, from, to, code) => {
    const text = readFileSync(path.join(root, file), "utf8").replaceAll("../models/", "./models/");
    expect(text).toContain(from);
    const checked = checkText(text.replace(from, to));
    const own = checked.diagnostics.filter((d) => d.span.file.endsWith("test.ada"));
    expect(own.map((d) => d.code)).toContain(code);
    // One cause, one message.
    expect(own.length).toBeLessThanOrEqual(3);
  });
});
