import { elaborateFunction, type FunctionOptions } from "../../compiler/elaborate/function.ts";
import type { FunctionProgram } from "../../compiler/elaborate/program.ts";
import { programOf, render } from "../../compiler/elaborate/testing.ts";

/** A sampler over a small network, which is guided in all but the last. */
const text = (steps: number): string => `
import { ddim, ddim_plan, guided } from "std/diffusion.ada"
import { Res } from "models/unet.ada"
import { Conv, Linear } from "std/nn.ada"

module Small(width: Dim = 32) {
  part time = Linear(width)
  part stem = Conv(width, 3)
  part res  = Res(width)
  part out  = Conv(4, 3)
  forward(x: real[...b, c: 4, h, w], t: real[...b], k: real[...b, e]) -> real[...b, c: 4, h, w] {
    let e = time(k * (t / 1000))
    return x |> stem |> res(e) |> out
  }
}
model net = Small() frozen

fn sample(x: real[b, c: 4, h, w], k: real[b, e]) random -> real[b, c: 4, h, w] {
  return fold(ddim_plan(${steps}, eta: 0.3, guidance: linear(4 -> 1)), x, fn(x, s) {
    let eps = if s.scale == 1 { net(x, s.t, k) } else { guided(net(x, s.t, k), net(x, s.t, 0 * k), s.scale) }
    let x0  = (x - sqrt(1 - s.a) * eps) / sqrt(s.a)
    return sqrt(s.prev) * x0 + sqrt(1 - s.prev - s.sigma ** 2) * eps + s.sigma * draw(normal, like: x)
  })
}
`;

export const ddimShapes: Readonly<Record<string, readonly number[]>> = { x: [1, 4, 8, 8], k: [1, 16] };

/** The sampler with its fold as it is, or unrolled. */
export function ddimProgram(steps: number, loops?: FunctionOptions["loops"]): FunctionProgram {
  const { program, resolution } = programOf(text(steps));
  const args = Object.entries(ddimShapes).map(([name, shape]) => ({ name, shape }));
  const made = elaborateFunction(program, resolution, "sample", args, { seed: 3, ...(loops === undefined ? {} : { loops }) });
  if (!made.ok) throw new Error(render(program, made.diagnostics));
  return made.value;
}
