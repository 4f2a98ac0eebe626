import type { PeakPlans, Plan, PlanBinding, PlanKernel, PlanLeg, PlanTarget } from "./plan/plan.ts";
import { printProblem, verifyPlan } from "./plan/verify.ts";
import { compilerVersion } from "./planBuilder.ts";
import { add, Block, cast, f32, group, lane, load, max, min, mul, sumOf, typeOf, uniform, widen } from "./tile/build.ts";
import type { TileBuffer, TileKernel } from "./tile/tile.ts";
import { kernelLimits, verifyKernel } from "./tile/verify.ts";
import { kernelId, printKernel } from "./wgsl/print.ts";

// Plans that find out what a device can do at most: `arithmetic` multiplies and adds out of registers, as often as its uniform says, `copy`
// moves vectors through memory. Kernels are compared with that, so their figures need to be fair, not exact.

const chains = 8; // independent ones, of vectors, in each invocation

/** Floating point operations of one round of one invocation, a multiply-add counted as two. */
const flopsPerRound = chains * 4 * 2;

/** The plans for a target, each with the one leg `main`. Its `flops` are those of one round, and `bytesMoved` what is read and written. */
export function peakPlans(target: PlanTarget): PeakPlans {
  const isGpu = target.adapterClass === "gpu";
  const workgroupSize = isGpu ? 256 : 16;
  const groups = isGpu ? 4096 : 512;
  const perInvocation = isGpu ? 4 : 64;
  const most = Math.min(isGpu ? 2 ** 28 : 2 ** 26, target.maxBindingBytes);
  const copied = Math.min(target.maxWorkgroupsPerDimension, Math.floor(most / (16 * workgroupSize * perInvocation)));
  return {
    arithmetic: planOf(arithmetic(workgroupSize, groups), flopsPerRound * workgroupSize * groups, target),
    copy: planOf(copying(workgroupSize, copied, perInvocation), 0, target),
  };
}

/** A plan that runs one kernel from one buffer to another. */
function planOf(kernel: TileKernel, flops: number, target: PlanTarget): Plan {
  const [from, to] = kernel.buffers.map((b, buffer): PlanBinding => ({ buffer, offset: 0, bytes: 16 * b.length })) as [
    PlanBinding,
    PlanBinding,
  ];
  const bytesMoved = from.bytes + to.bytes;
  const shapeOf = (b: PlanBinding) => ({ at: b, dtype: "f32" as const, shape: [b.bytes / 16, 4] });
  const main: PlanLeg = {
    name: "main",
    ops: [
      {
        kind: "dispatch",
        kernel: 0,
        bindings: [from, to],
        grid: kernel.grid,
        what: kernel.name,
        template: "map",
        flops,
        bytesMoved,
        origins: [],
      },
    ],
    inputs: [{ name: "from", ...shapeOf(from) }],
    outputs: [{ name: "to", ...shapeOf(to) }],
    figures: { peakBytes: 0, liveBytes: 0, flops, bytesMoved },
  };
  const plan: Plan = {
    format: 1,
    compiler: compilerVersion,
    target: { ...target, features: [] },
    kernels: [printed(kernel, target)],
    buffers: [
      { id: 0, name: "from", bytes: from.bytes, use: "input" },
      { id: 1, name: "to", bytes: to.bytes, use: "output" },
      ...(kernel.usesUniforms ? [{ id: 2, name: "uniforms", bytes: 16, use: "uniform" as const }] : []),
    ],
    legs: [main],
    uniforms: kernel.usesUniforms ? [{ name: "rounds", dtype: "i32", expr: { kind: "number", value: 1 } }] : [],
    program: { kind: "function", name: kernel.name },
  };
  const problems = verifyPlan(plan);
  if (problems.length > 0) throw new Error(`internal: peak plan: ${problems.map(printProblem).join("; ")}`);
  return plan;
}

const vectors = (name: string, access: TileBuffer["access"], length: number): TileBuffer => ({
  name,
  type: typeOf("f32", 4),
  access,
  storage: "buffer",
  length,
});

function arithmetic(workgroupSize: number, groups: number): TileKernel {
  const from = vectors("from", "read", 2);
  const to = vectors("to", "readWrite", workgroupSize * groups);
  const block = new Block();
  const factor = block.let("factor", load(from, 0));
  const summand = block.let("summand", load(from, 1));
  // Chains begin differently, so that no compiler makes them one.
  const chain = Array.from({ length: chains }, (_, i) => block.var(`x${i}`, add(factor, widen(cast(add(lane(), i), "f32"), 4))));
  const rounds = block.let("rounds", min(max(uniform(0, "i32"), 0), 2 ** 24));
  block.for("round", 0, rounds, 1, (_, body) => {
    for (const x of chain) body.assign(x, add(mul(x, factor), summand));
  });
  block.store(to, add(mul(group(0), workgroupSize), lane()), mul(sumOf(chain), f32(1 / chains, 4)));
  return kernelOf("arithmetic", workgroupSize, groups, [from, to], block, true);
}

function copying(workgroupSize: number, groups: number, perInvocation: number): TileKernel {
  const length = workgroupSize * groups * perInvocation;
  const from = vectors("from", "read", length);
  const to = vectors("to", "readWrite", length);
  const block = new Block();
  const first = block.let("first", add(mul(group(0), workgroupSize * perInvocation), lane()));
  block.for("i", 0, perInvocation, 1, (i, body) => {
    const at = body.let("at", add(first, mul(i, workgroupSize)));
    body.store(to, at, load(from, at));
  });
  return kernelOf("copy", workgroupSize, groups, [from, to], block, false);
}

function kernelOf(
  name: string,
  workgroupSize: number,
  groups: number,
  buffers: TileBuffer[],
  { statements: body }: Block,
  usesUniforms: boolean,
): TileKernel {
  return { name, workgroupSize, subgroupSize: null, grid: [groups, 1, 1], buffers, usesUniforms, shared: [], body };
}

function printed(kernel: TileKernel, target: PlanTarget): PlanKernel {
  const problems = verifyKernel(kernel, kernelLimits(target));
  if (problems.length > 0) throw new Error(`internal: peak plan (${kernel.name}): ${problems.map((p) => p.message).join("; ")}`);
  const { wgsl, bindings } = printKernel(kernel);
  return { id: kernelId(wgsl), name: kernel.name, wgsl, bindings };
}
