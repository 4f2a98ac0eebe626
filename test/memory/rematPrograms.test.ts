import { describe, expect, it } from "vitest";
import { compileTrain } from "../../compiler/compile.ts";
import { elaborateTrain } from "../../compiler/elaborate/index.ts";
import { programOf, render } from "../../compiler/elaborate/testing.ts";
import { eightLanes } from "../targets.ts";

// `remat` in a train block: what it says, and what the plan needs.

const program = (remat: string): string => `import { Linear } from "std/nn.ada"
import { adamw } from "std/optim.ada"
dataset pictures(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field image: f32[c: 3, h: 8, w: 8] = load(file) |> resize_to(8) |> to_range(-1..1)
}
module Layer() {
  part fc = Linear(64)
  forward(x: real[n, d: 64]) -> real[n, d: 64] {
    let y = sin(fc(x))
    tap out = y
    return y
  }
}
module Net() {
  part first = Linear(64)
  part layer = [for i in 0..8: Layer()]
  forward(x: real[n, d: 192]) -> real[n, d: 64] {
    return fold(layer, first(x), fn(y, one) => one(y))
  }
}
model net = Net() trained
step fit(face: pictures) {
  minimize mean(net(view(face.image, \`batch c h w -> batch d=(c h w)\`)) ** 2)
}
train t {
  data face = pictures("p")
  batch 32  accumulate 2 by mean  micro_steps 4
  each step: fit
  optimizer adamw(lr: 1e-2)
  ${remat}
}`;
function elaborated(remat: string) {
  const { program: read, resolution } = programOf(program(remat));
  const made = elaborateTrain(read, resolution, "t", {});
  return made.ok ? { train: made.value, error: "" } : { train: null, error: render(read, made.diagnostics) };
}
function peakOf(remat: string): number {
  const { train, error } = elaborated(remat);
  if (!train) throw new Error(error);
  const plan = compileTrain(train, "hash", eightLanes);
  return Math.max(...plan.legs.map((leg) => (leg.name.startsWith("fit") ? leg.figures.peakBytes : 0)));
}

describe("remat in a train block", () => {
  it("keeps all, or what fits, or what is named", () => {
    const all = peakOf("remat none");
    expect(peakOf("")).toBe(all);
    expect(peakOf("remat fit 1 GB")).toBe(all);
    expect(peakOf("remat fit 0.08 MB")).toBeLessThan(0.7 * all);
    expect(peakOf("remat all except {layer.out}")).toBeLessThan(0.9 * all);
    expect(peakOf("remat all except {out}")).toBe(peakOf("remat all except {layer.out}"));
  });
  it("says what is wrong", () => {
    expect(elaborated("remat all except {layer.inn}").error).toContain("no tap that a step passes is called `layer.inn`");
    for (const [text, expected] of [
      ["remat some", "`none`, `all` or `fit`"],
      ["remat fit 3 KB", "a number of `MB` or `GB`"],
      ["remat all but {out}", "`except`"],
    ] as const)
      expect(() => elaborated(text)).toThrow(expected);
  });
});
