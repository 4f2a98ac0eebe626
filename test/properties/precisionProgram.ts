import { elaborateTrain } from "../../compiler/elaborate/index.ts";
import type { TrainProgram } from "../../compiler/elaborate/program.ts";
import { programOf } from "../../compiler/elaborate/testing.ts";
import { checkFully } from "../../dsl/check/index.ts";

// A small program with a trained and a frozen model of one kind, for tests of how numbers are stored.

const text = (precision: string) => `import { Conv, Linear } from "std/nn.ada"
import { mse } from "std/losses.ada"
import { adamw } from "std/optim.ada"

dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field image: f32[c: 3, h: 6, w: 6] = load(file) |> resize_to(6) |> to_range(-1..1)
}
module Net() {
  part conv = Conv(8, 3, stride: 2)
  part fc   = Linear(5)
  forward(x: real[batch, c: 3, h: 6, w: 6]) -> real[batch, who: 5] {
    return view(max(0, x |> conv), \`batch c h w -> batch who=(c h w)\`) |> fc
  }
}
model net = Net() trained
model judge = Net() frozen
${precision}
step copy(face: faces) {
  let loss = mse(net(face.image), judge(face.image))
  minimize loss
  log { loss }
}
train small {
  data face = faces("faces")
  batch 4  accumulate 2 by mean  micro_steps 8
  each step: copy
  optimizer adamw(lr: 1e-2)
  save every 1  log every 1  seed 5
}
train other like small { precision { compute: f16, gradients: f16 } }
`;
/** The elaborated block `name`, with `precision` as an item of the file. */
export function made(precision: string, name = "small", overrides: Readonly<Record<string, string>> = {}): TrainProgram {
  const checked = checkFully(programOf(text(precision)).program);
  const train = elaborateTrain(checked.program, checked.resolution, name, overrides);
  if (!train.ok) throw new Error(train.diagnostics.map((d) => `${d.code}: ${d.message}`).join());
  return train.value;
}
/** As people write it who want it all. */
export const full = "precision { frozen: f16, trained: f32, compute: f16, accumulate: f32, keep: { f32: [norm, softmax, loss] } }";
