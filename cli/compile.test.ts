import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ModuleKind, ModuleResolutionKind, Project, ScriptTarget, type SourceFile, ts } from "ts-morph";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPlanFolder } from "../compiler/emit/folder.ts";
import { packageRoot } from "../dsl/source.ts";
import { smallProgram } from "../test/programs.testing.ts";
import { compileCommand, type EmitStage, stageText, writePlanFolder } from "./compile.ts";
import { type CompiledBlock, compileBlocks } from "./compileFile.ts";
import { rowsOf } from "./plan.ts";
import { keptStreams } from "./streams.testing.ts";
import { namedTargets } from "./target.ts";

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ada-compile-"));
  file = path.join(folder, "tiny.ada");
  await writeFile(file, smallProgram);
});
afterAll(() => rm(folder, { recursive: true }));

async function compileTo(out: string, more: Partial<Parameters<typeof compileCommand>[0]> = {}) {
  const s = keptStreams();
  const status = await compileCommand({ file, out, target: "cpu4", streams: s, ...more });
  return { status, ...s.written };
}
function compiled(overrides: Readonly<Record<string, string>> = {}): { blocks: readonly CompiledBlock[]; sourceHash: string } {
  const made = compileBlocks({ file, overrides, target: namedTargets.cpu4 });
  if (!made.ok) throw new Error(made.text);
  return made;
}

describe("adac compile -o", () => {
  it("writes a folder that reads back to the same plans", async () => {
    const out = path.join(folder, "plan");
    expect(await compileTo(out)).toMatchObject({ status: 0 });
    const texts = new Map<string, string>();
    for (const name of (await readdir(out, { recursive: true })) as string[])
      if (/\.\w+$/.test(name)) texts.set(name.split(path.sep).join("/"), await readFile(path.join(out, name), "utf8"));
    const read = readPlanFolder((name) => texts.get(name) ?? null);
    expect(read).toEqual({ ok: true, plans: JSON.parse(JSON.stringify(compiled().blocks.map(({ plan }) => plan))) });
    const kernels = [...texts.keys()].filter((name) => name.startsWith("kernels/"));
    expect(kernels.length).toBeGreaterThan(5);
    expect(texts.get("plan.json")).not.toContain("@compute");
    // What is damaged is refused by name.
    expect(readPlanFolder((name) => (name === kernels[0] ? null : (texts.get(name) ?? null)))).toMatchObject({
      ok: false,
      message: `${kernels[0]} is missing`,
    });
    expect(readPlanFolder(() => null)).toMatchObject({ ok: false });
  });

  it("makes bindings that type-check, and that know names and shapes", async () => {
    const out = path.join(folder, "bindings");
    await compileTo(out);
    const bindings = await readFile(path.join(out, "plan.ts"), "utf8");
    expect(bindings).toContain("/** f32[3, 3, 2, 2] */");
    const use = (body: string) => `
      import { loadPlan, type TinyTrain, type TinyTrainParameter, type TinyTrainLearnFirstInputs } from "./plan.ts";
      export async function main(): Promise<number> {
        const plans = await loadPlan("folder");
        ${body}
      }`;
    const good = use(`
        const key: TinyTrainParameter = "net.weight";
        const inputs: TinyTrainLearnFirstInputs = { "face.image": new Float32Array(36) };
        const legs = plans.tiny.legs.filter((leg) => leg.name === "learn.first");
        const stored = plans.tiny.stored.filter((tensor) => tensor.key === key);
        const names: readonly ("face.image" | "face.subject")[] = plans.held_out.legs.flatMap((leg) => leg.inputs.map((input) => input.name));
        const loss: TinyTrain["legs"]["learn.first"]["outputs"]["loss"] = new Float32Array(1);
        return plans.tiny.kernels[0]!.wgsl.length + legs.length + stored.length + names.length + inputs["face.image"].length + loss.length;`);
    const bad = [
      `const key: TinyTrainParameter = "net.wait"; return key.length;`,
      `return plans.tinny.kernels.length;`,
      `const inputs: TinyTrainLearnFirstInputs = { "face.image": new Int32Array(36) }; return inputs["face.image"].length;`,
      `return plans.tiny.legs.filter((leg) => leg.name === "learn.frist").length;`,
    ];
    const errors = typeErrors(bindings, [good, ...bad.map(use)]);
    expect(errors[0]).toEqual([]);
    expect(
      errors.slice(1).map((found) => found.length),
      JSON.stringify(errors),
    ).toEqual(bad.map(() => 1));
  });

  it("replaces its own folder and refuses any other", async () => {
    const out = path.join(folder, "again");
    expect((await compileTo(out)).status).toBe(0);
    await writeFile(path.join(out, "kernels", "old.wgsl"), "");
    expect((await compileTo(out)).status).toBe(0);
    expect(await readdir(path.join(out, "kernels"))).not.toContain("old.wgsl");
    const other = path.join(folder, "photos");
    await mkdir(other);
    await writeFile(path.join(other, "plan.json"), "{}");
    expect(await compileTo(other)).toMatchObject({ status: 1, err: expect.stringContaining("is no plan folder") });
    expect(await readdir(other)).toEqual(["plan.json"]);
    expect((await readdir(folder)).filter((name) => /\.(new|old)-/.test(name))).toEqual([]);
  });

  it("says when the folder cannot be written, and leaves nothing behind", async () => {
    await writeFile(path.join(folder, "file"), "");
    expect(await writePlanFolder(path.join(folder, "file", "plan"), new Map([["plan.json", "{}"]]))).toMatchObject({
      help: expect.any(String),
    });
    expect(await writePlanFolder(path.join(folder, "file"), new Map())).toMatchObject({ help: expect.any(String) });
  });
});

/** What TypeScript says about each user's file beside the bindings, by ts-morph's own program. */
function typeErrors(bindings: string, users: readonly string[]): string[][] {
  const project = new Project({
    compilerOptions: {
      strict: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      noUncheckedIndexedAccess: true,
      target: ScriptTarget.ES2022,
      module: ModuleKind.ESNext,
      moduleResolution: ModuleResolutionKind.Bundler,
      types: ["node"],
      typeRoots: [path.join(packageRoot(), "node_modules", "@types")],
      skipLibCheck: true,
    },
  });
  const made = project.createSourceFile(path.join(folder, "checked", "plan.ts"), bindings);
  // All files first: each new one would begin a new program.
  const files = users.map((user, i) => project.createSourceFile(path.join(folder, "checked", `user${i}.ts`), user));
  const messages = (file: SourceFile) =>
    file.getPreEmitDiagnostics().map((one) => ts.flattenDiagnosticMessageText(one.compilerObject.messageText, "\n"));
  expect(messages(made)).toEqual([]);
  return files.map(messages);
}

describe("adac compile --emit", () => {
  it.each<[EmitStage, string]>([
    ["ast", "evaluate 649..887 name=held_out"],
    ["typed", "step learn(face: faces)"],
    ["modules", "param net.weight [out: 4, cin: 3] trained"],
    ["tensor", "graph learn"],
    ["grad", "grad.net.weight = "],
    ["simple", "# leg learn.next"],
    ["fused", "region 0 "],
    ["tiles", "kernel "],
    ["plan", "leg update"],
    ["wgsl", "@compute @workgroup_size("],
  ])("prints %s, the same every time", (emit, part) => {
    const text = stageText({ file, emit, target: "cpu4" });
    expect(text).toContain(part);
    expect(stageText({ file, emit, target: "cpu4" })).toBe(text);
  });

  it("prints what is wrong instead, and nothing else", async () => {
    const broken = path.join(folder, "broken.ada");
    await writeFile(broken, smallProgram.replace("net(mean", "nett(mean"));
    const s = keptStreams();
    expect(await compileCommand({ file: broken, emit: "plan", target: "cpu4", streams: s })).toBe(1);
    expect(s.written).toMatchObject({ out: "", err: expect.stringContaining("did you mean `net`?") });
  });

  it("calls for -o or --emit, for a file that is there, for a block that is there", async () => {
    const s = keptStreams();
    expect(await compileCommand({ file, target: "cpu4", streams: s })).toBe(2);
    expect(await compileCommand({ file: "no.ada", emit: "ast", target: "cpu4", streams: s })).toBe(2);
    expect(await compileCommand({ file, block: "tinny", emit: "plan", target: "cpu4", streams: s })).toBe(2);
    expect(s.written.err).toContain("did you mean `tiny`?");
  });
});

describe("from a file to plans", () => {
  it("takes overrides into the settings and into the hash of the source", () => {
    const plain = compiled();
    const other = compiled({ batch: "5", width: "8" });
    const train = other.blocks.find(({ plan }) => plan.program.kind === "train")!.plan.program;
    expect(train).toMatchObject({ settings: { batch: 5, accumulate: 2 }, sourceHash: other.sourceHash });
    expect(train.kind === "train" && train.stored.find((tensor) => tensor.key === "net.weight")!.shape).toEqual([8, 3]);
    expect(other.sourceHash).not.toBe(plain.sourceHash);
    expect(compiled({ width: "8", batch: "5" }).sourceHash).toBe(other.sourceHash);
  });

  it("says what each step costs", () => {
    const rows = compiled().blocks.flatMap(rowsOf);
    expect(rows.map(({ block, step, leg }) => [block, step, leg])).toEqual([
      ["tiny", "learn", "learn.next"],
      ["tiny", "update", "update"],
      ["held_out", "held_out", "main"],
    ]);
    for (const row of rows) {
      expect(row.parameters).toBe(16);
      expect(row.dispatches).toBe(Object.values(row.templates).reduce((a, b) => a + b, 0));
      expect(row.uniqueKernels).toBeLessThanOrEqual(row.dispatches);
      expect(row.peakBytes).toBeGreaterThanOrEqual(row.liveBytes);
    }
    expect(rows[0]!.flops).toBeGreaterThan(2 * 3 * 4 * 3 * 2);
  });
});
