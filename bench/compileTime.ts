// npm run bench:compile [-- --json]: how long the compiler takes for the training graph of Stable Diffusion 1.5's UNet at full size, from source
// to verified plan, on one core and without a device: each pass, the whole, kernels and dispatches. Fresh modules are loaded before the clock
// starts; the first compilation is the one a user waits for, the second shows what the just-in-time compiler was still doing.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { namedTargets } from "../cli/target.ts";
import { gradient } from "../compiler/autodiff.ts";
import { compileGraph } from "../compiler/compile.ts";
import { elaborateFunction } from "../compiler/elaborate/index.ts";
import { graphInputs } from "../compiler/ir/walk.ts";
import { parameterOrders, readAsStored } from "../compiler/storageOrder.ts";
import { checkFully } from "../dsl/check/index.ts";
import { loadProgram } from "../dsl/program.ts";
import { diskHost, packageRoot } from "../dsl/source.ts";

const source = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "bench", "unet.ada");
const target = { ...namedTargets.cpu8, textureOperands: true };

interface Compilation {
  readonly ms: Readonly<Record<string, number>>;
  readonly total: number;
  readonly dispatches: number;
  readonly kernels: number;
  readonly peakMiB: number;
  readonly liveMiB: number;
}

function compileOnce(): Compilation {
  const ms: Record<string, number> = {};
  const time = <T>(pass: string, work: () => T): T => {
    const start = performance.now();
    const result = work();
    ms[pass] = (ms[pass] ?? 0) + performance.now() - start;
    return result;
  };
  const start = performance.now();
  const program = time("parse", () => loadProgram(source, diskHost(packageRoot())));
  const checked = time("check", () => checkFully(program));
  if (checked.diagnostics.length > 0) throw new Error(checked.diagnostics.map((d) => d.message).join("\n"));
  const image = [1, 4, 64, 64];
  const inputs = [
    { name: "x", shape: image },
    { name: "t", shape: [1] },
    { name: "k", shape: [1, 16, 77, 768] },
    { name: "noise", shape: image },
  ];
  const made = time("elaborate", () => elaborateFunction(checked.program, checked.resolution, "loss", inputs, { training: true }));
  if (!made.ok) throw new Error(made.diagnostics.map((d) => d.message).join("\n"));
  const { builder, uniforms } = made.value;
  const results = time("autodiff", () => {
    const forward = readAsStored(made.value.graph, builder, parameterOrders([made.value.graph]));
    const wanted = graphInputs(forward).filter((v) => v.attrs.role === "param");
    const gradients = gradient(builder, forward.results[0]!.value, wanted);
    return [...forward.results, ...gradients.map((value, i) => ({ name: `grad.${wanted[i]!.attrs.name}`, value }))];
  });
  const plan = compileGraph({ name: "unet", results }, uniforms, target, {
    onTime: (pass, took) => {
      ms[pass] = (ms[pass] ?? 0) + took;
    },
  });
  const { ops, figures } = plan.legs[0]!;
  return {
    ms,
    total: performance.now() - start,
    dispatches: ops.filter((op) => op.kind === "dispatch").length,
    kernels: plan.kernels.length,
    peakMiB: figures.peakBytes / 2 ** 20,
    liveMiB: figures.liveBytes / 2 ** 20,
  };
}

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const runs = [compileOnce(), compileOnce()];
if (values.json) console.log(JSON.stringify(runs, null, 2));
else {
  for (const [i, run] of runs.entries()) {
    const passes = Object.entries(run.ms).map(([pass, took]) => `${pass} ${Math.round(took)}`);
    console.log(`${i === 0 ? "first " : "second"} ${Math.round(run.total)} ms: ${passes.join(", ")}`);
  }
  const { dispatches, kernels, peakMiB, liveMiB } = runs[0]!;
  console.log(`${dispatches} dispatches of ${kernels} kernels (${(kernels / dispatches).toFixed(3)} of them unique)`);
  console.log(`activations ${Math.round(peakMiB)} MiB, ${(peakMiB / liveMiB).toFixed(3)} of what is alive at once`);
}
