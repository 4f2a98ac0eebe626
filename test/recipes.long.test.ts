import path from "node:path";
import { describe, expect, test } from "vitest";
import { outlineOf } from "../cli/outline.ts";
import { elaborateTrain, elaborateWalk, type TrainProgram } from "../compiler/elaborate/index.ts";
import { render } from "../compiler/elaborate/testing.ts";
import { resolveNames } from "../dsl/names.ts";
import { loadProgram } from "../dsl/program.ts";
import { diskHost, packageRoot } from "../dsl/source.ts";

// The whole recipe at full size: every step in all its ways. Neither data nor weights are there.

function read(file: string) {
  const root = packageRoot();
  const program = loadProgram(path.join("pipelines", file), { ...diskHost(root), workingFolder: root });
  const { resolution, diagnostics } = resolveNames(program);
  expect(render(program, [...program.diagnostics, ...diagnostics])).toBe("");
  return { program, resolution };
}
function elaborated(file: string, block: string): TrainProgram {
  const { program, resolution } = read(file);
  const made = elaborateTrain(program, resolution, block);
  if (!made.ok) throw new Error(render(program, made.diagnostics));
  return made.value;
}
const graphsOf = (program: TrainProgram, name: string) => {
  const step = program.steps.find((one) => one.name === name)!;
  return new Set(step.alternatives.map((way) => way.graph)).size;
};
const waitsOf = (program: TrainProgram, name: string) => {
  const step = program.steps.find((one) => one.name === name)!;
  return new Set(step.alternatives.flatMap((way) => way.reads.map((read) => read.name))).size;
};

describe("the recipe", () => {
  test("stage 1, both rounds: thirteen graphs, no wait", { timeout: 300_000 }, () => {
    const first = elaborated("stage1.ada", "round1");
    expect(graphsOf(first, "distill")).toBe(13);
    expect(waitsOf(first, "distill")).toBe(0);
    const data = outlineOf({ kind: "train", program: first }, "/nowhere").filter((line) =>
      /^ {2,4}(data|folder|folders|field) /.test(line),
    );
    expect(data.map((line) => line.trim().split(/[:*]/)[0]!.trim())).toEqual([
      "data face = faces, weighted by pictures",
      'folders "VGGface2_HQ_masks" (missing)',
      'folder "FFHQ_masks" (missing)',
      ...["image", "fg", "valid", "has_face", "crop"].map((name) => `field ${name}`),
    ]);
    const second = elaborated("stage1.ada", "round2");
    expect(second.models.find((m) => m.name === "encoder")).toMatchObject({ from: "round1", surgery: { name: "widen_kv" } });
    const rows = (program: TrainProgram) =>
      program.leaves.find((l) => l.path.startsWith("encoder.") && l.path.endsWith("layers[11].self_attn.k_proj.weight"))!.shape[0];
    expect([rows(first), rows(second)]).toEqual([768, 4 * 768]);
  });
  test("stage 2: every step, what it waits for and what it remembers", { timeout: 300_000 }, () => {
    const program = elaborated("stage2.ada", "stage2");
    expect(["compose", "distill", "reconstruct"].map((name) => graphsOf(program, name))).toEqual([14, 7, 2]);
    expect(["compose", "distill", "reconstruct"].map((name) => waitsOf(program, name))).toEqual([2, 0, 0]);
    const compose = program.steps.find((step) => step.name === "compose")!;
    expect(new Set(compose.alternatives.map((way) => way.ended))).toEqual(new Set([null, "lesson forgotten", "no teachable candidate"]));
    expect(program.tables.map((table) => [table.name, table.atMost])).toEqual([["lessons", 100]]);
    expect(program.copies.length).toBeGreaterThan(100);
    expect(program.prompts.length).toBeGreaterThan(5);
    expect(program.mix.kind).toBe("every");
    const { spec } = program.datasets[0]!;
    expect([spec.source, ...spec.more!].map((source) => source.root)).toEqual(["VGGface2_HQ_masks", "FFHQ_masks"]);
    const fields = ["subject", "mixed", "class", "has_mask", "image", "fg", "valid", "has_face", "crop"];
    expect(spec.fields.map((field) => field.name)).toEqual(fields);
  });
  test("the evaluation: its legs, conditions and files", { timeout: 300_000 }, () => {
    const { program } = read("evaluate.ada");
    const made = elaborateWalk(program, "celebrities");
    if (!made.ok) throw new Error(render(program, made.diagnostics));
    const { legs, notes, models } = made.value;
    expect(legs.map((leg) => leg.name)).toEqual(["id", "made", "clip_text", "clip_image", "clip_image"]);
    expect(notes.flatMap(({ file }) => (file === undefined ? [] : [file]))).toEqual([
      "subjects-celebrity",
      "{a picture of subject}",
      "samples/{subject.name}-prompts-all-16.txt",
      "samples/{line.folder}/{i:05}.jpg",
    ]);
    const conditions = notes.filter(({ text }) => /^require| when /.test(text)).map(({ text }) => text);
    expect(conditions).toEqual([
      'require length(shown) > 0, or the turn ends: "no face in {subject.name}"',
      "measure face_sim when length(found) > 0",
    ]);
    expect(models.find((m) => m.name === "encoder")?.from).toBe("runs/stage2/last");
  });
});
