import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { explainGradientCommand, matches, nameAndFile } from "./explainGradient.ts";
import { keptStreams } from "./streams.testing.ts";

const source = `import { Linear } from "std/nn.ada"
import { adamw } from "std/optim.ada"
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field image: f32[c: 3, h: 2, w: 2] = load(file) |> resize_to(2) |> to_range(-1..1)
}
model first   = Linear(4) trained
model stopped = Linear(4) trained
model picked  = Linear(4) trained
model logged  = Linear(4) trained
model unused  = Linear(4) trained
model cold    = Linear(4) frozen
step learn(face: faces) {
  let x = mean(face.image, over: [h, w]) |> rename(c: f)
  let kept = stop(stopped(x))
  let best = argmax(picked(x), over: f)
  let y = first(x) * kept + cold(x) + best
  minimize mean(y * y)
  log { other: mean(logged(x)) }
}
train tiny {
  data face = faces("faces")
  batch 3  micro_steps 8
  each step: learn
  optimizer adamw(lr: 1e-2)
  save every 2  log every 1  seed 7
}
`;
let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "ada-explain-"));
  file = path.join(folder, "small.ada");
  writeFileSync(file, source);
});
afterAll(() => rmSync(folder, { recursive: true }));

function explained(name: string): { readonly status: number; readonly out: string; readonly err: string } {
  const streams = keptStreams();
  return { status: explainGradientCommand({ name, file, streams }), ...streams.written };
}

describe("adac explain grad", () => {
  it("prints the lines by which a loss reaches a parameter", () => {
    const { status, out } = explained("first.weight");
    expect(status).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines[0]).toBe("first.weight: the loss of step learn of tiny reaches it");
    expect(lines[1]).toMatch(/small\.ada:19 +minimize mean\(y \* y\) +\[/);
    expect(lines.some((l) => /small\.ada:18 +let y = first\(x\)/.test(l))).toBe(true);
    expect(lines[lines.length - 1]).toMatch(/std\/nn\.ada:\d+ +param weight.*\[first\.weight\]$/);
  });
  it("says where a derivative ends, and why", () => {
    const stopped = explained("stopped.bias").out;
    expect(stopped).toMatch(/^stopped\.bias: no derivative of the loss of step learn of tiny reaches it\n/);
    expect(stopped).toMatch(/cut {2}\S*small\.ada:16:14: stop lets no derivative through\n/);
    expect(stopped).toMatch(/beyond it the loss depends on it through\n[\s\S]*\[stopped\.bias\]\n$/);
    expect(explained("picked.weight").out).toMatch(/cut {2}\S*small\.ada:\d+:\d+: cast reads whole numbers, which have no derivative/);
  });
  it("tells what is frozen, what is read for a log only, and what is never read", () => {
    expect(explained("cold.weight").out).toMatch(/^cold\.weight: the loss of .* reaches it; frozen: its model is declared so\n/);
    expect(explained("logged.weight").out).toBe("logged.weight: step learn of tiny reads it, but not for its loss\n");
    const verdicts = explained("**.bias")
      .out.split("\n")
      .filter((l) => /^\w/.test(l))
      .map((l) => l.split(":")[0]);
    expect(verdicts).toEqual(["first", "stopped", "picked", "logged", "cold"].map((m) => `${m}.bias`));
  });
  it("knows no other names", () => {
    expect(explained("first.wait")).toMatchObject({ status: 2, err: expect.stringContaining("did you mean `first.weight`") });
    expect(nameAndFile("first.weight", file)).toEqual({ name: "first.weight", file });
    expect(nameAndFile(file, "first.weight")).toEqual({ name: "first.weight", file });
  });
  it.each([
    ["a.b", "a.b", true],
    ["a.*", "a.b", true],
    ["a.*", "a.b.c", false],
    ["**.c", "a.b.c", true],
    ["layer[0].w", "layer[0].w", true],
    ["layer[0].w", "layer0.w", false],
  ])("takes %s for %s: %s", (pattern, name, is) => expect(matches(pattern, name)).toBe(is));
});
