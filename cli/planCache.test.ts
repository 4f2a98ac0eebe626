import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { smallProgram } from "../test/programs.testing.ts";
import { whatWasKept } from "./compile.ts";
import { type CompiledFile, compileBlocks } from "./compileFile.ts";
import { PlanCache } from "./planCache.ts";
import { namedTargets } from "./target.ts";

const root = mkdtempSync(path.join(tmpdir(), "ada-kept-"));
afterAll(() => rmSync(root, { recursive: true }));
const file = path.join(root, "small.ada");
const used = `fn doubled(x: real[...s]) -> real[...s] { return 2 * x }\n`;
const program = `${smallProgram.replace("let loss = mean(y * y)", "let loss = mean(doubled(y) * y)")}${used}`;
const target = namedTargets.cpu4;

let folder: string;
let cache: PlanCache;
let warned: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(root, "cache-"));
  warned = "";
  cache = new PlanCache(folder, (text) => {
    warned += text;
  });
  writeFileSync(file, program);
});

function compiled(more: Partial<Parameters<typeof compileBlocks>[0]> = {}): CompiledFile {
  const made = compileBlocks({ file, target, cache, ...more });
  if (!made.ok) throw new Error(made.text);
  return made;
}
const kept = (made: CompiledFile): Record<string, boolean> => Object.fromEntries(made.blocks.map((b) => [b.plan.program.name, b.kept]));
/** What comes out of the cache is what compiling anew gives, to the last place in the sources. */
function expectFresh(made: CompiledFile): void {
  const fresh = compiled({ cache: null });
  expect(made.sourceHash).toBe(fresh.sourceHash);
  expect(made.blocks.map((b) => b.plan)).toEqual(JSON.parse(JSON.stringify(fresh.blocks.map((b) => b.plan))));
}
const change = (from: string, to: string): void => {
  expect(program).toContain(from);
  writeFileSync(file, program.replace(from, to));
};

describe("a second compilation", () => {
  it("of the same file compiles nothing, and gives the same plans", () => {
    expect(kept(compiled())).toEqual({ tiny: false, held_out: false });
    const again = compiled();
    expect(kept(again)).toEqual({ tiny: true, held_out: true });
    expectFresh(again);
  });
  it("of a program that calls TypeScript compiles again: the text does not say what it gives", () => {
    writeFileSync(path.join(root, "width.ts"), "export const four = (): number => 4;\n");
    writeFileSync(file, `import host { four } from "./width.ts"\n${program}`);
    expect(kept(compiled())).toEqual({ tiny: false, held_out: false });
    expect(kept(compiled())).toEqual({ tiny: false, held_out: false });
  });
  it("after a comment, and lines that moved, compiles nothing", () => {
    compiled();
    change("const width = 4", "// as many as there are\n\n\nconst   width = 4 // four");
    const again = compiled();
    expect(kept(again)).toEqual({ tiny: true, held_out: true });
    expectFresh(again);
    const origins = again.blocks[0]!.plan.legs.flatMap((leg) => leg.ops.flatMap((op) => (op.kind === "dispatch" ? op.origins : [])));
    expect(origins.filter((place) => !/^\S+\.ada:\d+:\d+$/.test(place))).toEqual([]);
    expect(origins.some((place) => place.includes("small.ada:"))).toBe(true);
  });
  it("after another step and another function were added compiles nothing", () => {
    compiled();
    writeFileSync(
      file,
      `${program}fn tripled(x: real[...s]) -> real[...s] { return 3 * x }\nstep other(face: faces) { minimize mean(tripled(net(mean(face.image, over: [h, w]) |> rename(c: f)))) }\n`,
    );
    const again = compiled();
    expect(kept(again)).toEqual({ tiny: true, held_out: true });
    expectFresh(again);
  });
  it("after a function that is used was changed compiles the blocks that use it", () => {
    compiled();
    change("return 2 * x", "return 4 * x");
    const again = compiled();
    expect(kept(again).tiny).toBe(false);
    expectFresh(again);
  });
  it("after the evaluation was changed compiles the evaluation only", () => {
    compiled();
    change("let id = unit(", "let id = 2 * unit(");
    const again = compiled();
    expect(kept(again)).toEqual({ tiny: true, held_out: false });
    expectFresh(again);
  });
  it("with another setting, target or option compiles", () => {
    compiled();
    for (const more of [{ overrides: { width: "8" } }, { target: namedTargets.cpu }, { options: { fuse: false } }] as const)
      expect(kept(compiled(more))).toEqual({ tiny: false, held_out: false });
    // Who watches the stages sees all of them.
    let stages = 0;
    expect(kept(compiled({ options: { onStage: () => stages++ } })).tiny).toBe(false);
    expect(stages).toBeGreaterThan(5);
  });
});

describe("a block of which a step has changed", () => {
  const steps = program
    .replace(
      "train tiny {",
      `step other(face: faces) {
  let y = net(mean(face.image, over: [h, w]) |> rename(c: f)) + draw(uniform(0..0.5))
  let z = if draw(coin(0.5)) { y } else { 2 * y }
  minimize mean(abs(z))
}
train tiny {`,
    )
    .replace("each step: learn", "each step: [0.5] learn | [0.5] other");
  const edit = (from: string, to: string): void => {
    expect(steps).toContain(from);
    writeFileSync(file, steps.replace(from, to));
  };
  /** The legs of the training that were made, and those that were kept. */
  const legs = (): { readonly made: readonly string[]; readonly kept: readonly string[] } => {
    const made = compiled({ block: "tiny" });
    expectFreshBlock(made);
    const names = (kept: boolean) => made.blocks[0]!.legs.flatMap((leg) => (leg.kept === kept ? [leg.name] : []));
    return { made: names(false), kept: names(true) };
  };
  /** As compiled anew, but for lines: what steps share may name the lines of fewer of them. */
  function expectFreshBlock(made: CompiledFile): void {
    const fresh = compiled({ cache: null, block: "tiny" });
    const lines: string[] = [];
    const withoutLines = (file: CompiledFile) =>
      JSON.parse(JSON.stringify(file.blocks.map((b) => b.plan)), (key, value) => {
        if (key !== "origins") return value;
        lines.push(...value);
        return value.length > 0;
      });
    expect(withoutLines(made)).toEqual(withoutLines(fresh));
    expect(lines.filter((place) => !/^\S+\.ada:\d+:\d+$/.test(place))).toEqual([]);
  }
  beforeEach(() => {
    writeFileSync(file, steps);
    expect(legs()).toEqual({ made: ["init", "init", "learn.next", "other.0.next", "other.1.next", "update"], kept: [] });
  });

  it("makes that step only", () => {
    edit("let loss = mean(", "let loss = 3 * mean(");
    expect(legs()).toEqual({ made: ["learn.next"], kept: ["init", "init", "other.0.next", "other.1.next", "update"] });
  });
  it("makes one way of a step only", () => {
    edit("else { 2 * y }", "else { 4 * y }");
    expect(legs()).toEqual({ made: ["other.1.next"], kept: ["init", "init", "learn.next", "other.0.next", "update"] });
  });
  it("makes that step only where it needs one number of the host more, and all lines have moved", () => {
    edit("let y = net(mean(", "// drawn\n\n  let y = draw(uniform(1..2)) * net(mean(");
    expect(legs()).toEqual({ made: ["learn.next"], kept: ["init", "init", "other.0.next", "other.1.next", "update"] });
  });
  it("makes the update only when its settings change, and nothing for a weight of the mix", () => {
    edit("lr: 1e-2", "lr: 2e-2");
    expect(legs().made).toEqual(["update"]);
    edit("[0.5] learn | [0.5] other", "[0.25] learn | [0.75] other");
    expect(legs().made).toEqual([]);
  });
  it("makes the steps anew when what they share has changed", () => {
    edit("model net = Linear(width)", "model net = Linear(80)");
    expect(legs().made).toEqual(["init", "init", "learn.next", "other.0.next", "other.1.next", "update"]);
  });
  it("says so in few words", () => {
    edit("let loss = mean(", "let loss = 3 * mean(");
    const [block] = compiled({ block: "tiny" }).blocks;
    expect(whatWasKept(block!)).toBe(" (made: learn.next; unchanged: init, other.0.next, other.1.next, update)");
    expect(whatWasKept(compiled({ block: "tiny" }).blocks[0]!)).toBe(" (unchanged)");
  });
});

describe("the cache", () => {
  it("says what is damaged and makes it again", () => {
    compiled();
    const block = readdirSync(folder).filter((name) => name.startsWith("block-"));
    expect(block).toHaveLength(2);
    for (const name of block)
      writeFileSync(path.join(folder, name), readFileSync(path.join(folder, name), "utf8").replace("dispatch", "dispatsh"));
    const again = compiled();
    expect(kept(again)).toEqual({ tiny: false, held_out: false });
    expect(warned).toMatch(/^warning: a kept plan is damaged .*; it is made again\n/);
    expect(kept(compiled())).toEqual({ tiny: true, held_out: true });
    expectFresh(again);
  });
  it("leaves nothing half written behind, and does without a folder", () => {
    compiled();
    expect(readdirSync(folder).filter((name) => !/^(block|file|leg)-[0-9a-f]{64}\.json$/.test(name))).toEqual([]);
    const nowhere = new PlanCache(path.join(file, "no-folder"), () => {});
    expect(kept(compiled({ cache: nowhere }))).toEqual({ tiny: false, held_out: false });
  });
});
