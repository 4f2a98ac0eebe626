import { flatOps } from "../../compiler/plan/ops.ts";
import type { Plan, PlanKernel } from "../../compiler/plan/plan.ts";
import { printProblem, verifyPlan } from "../../compiler/plan/verify.ts";
import { type OpenedDevice, withErrorScopes } from "../device/openDevice.ts";
import { bindGroupLayout, type PlanObjects } from "./commands.ts";
import { outOfMemory, RuntimeFailure } from "./failure.ts";
import { createOperandTexture, planTextures, textureBytes } from "./textures.ts";

// What a plan needs on a device, made before anything is run: buffers, textures, pipelines. In: an open device and a plan that is made for it.
// Out: the objects, or a failure that says what the device lacks or refuses.

/** Called while pipelines are made. */
export type OnPipelines = (done: number, total: number) => void;

/** Makes everything that the legs of a plan refer to; `shared` are buffers, by name, that another session has made. */
export async function createPlanObjects(
  opened: OpenedDevice,
  plan: Plan,
  shared: ReadonlyMap<string, GPUBuffer> = new Map(),
  onPipelines?: OnPipelines,
): Promise<PlanObjects> {
  checkPlan(opened, plan);
  const { device } = opened;
  const made = await withErrorScopes(device, "making the buffers", () => createBuffers(device, plan, shared));
  if (!made.ok) throw creationFailure(opened, plan, made.kind, made.message);
  return { ...made.value, ...(await createPipelines(opened, plan, onPipelines)) };
}

function checkPlan(opened: OpenedDevice, plan: Plan): void {
  const problems = verifyPlan(plan);
  if (problems.length > 0) {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    throw new RuntimeFailure("unfit plan", `the plan cannot be run: ${printProblem(problems[0]!)}${more}`, "compile the program again");
  }
  const { adapter } = opened;
  const { target } = plan;
  const lacks: string[] = target.features
    .filter((feature) => !adapter.features.includes(feature))
    .map((feature) => `the feature ${feature}`);
  const limit = (name: string, needed: number) => {
    const offered = adapter.limits[name] ?? 0;
    if (offered < needed) lacks.push(`${name} ${needed} (it has ${offered})`);
  };
  limit("maxStorageBuffersPerShaderStage", target.maxStorageBuffers);
  limit("maxStorageBufferBindingSize", target.maxBindingBytes);
  limit("maxComputeWorkgroupsPerDimension", target.maxWorkgroupsPerDimension);
  if (target.offsetAlignment % (adapter.limits.minStorageBufferOffsetAlignment ?? 256) !== 0)
    lacks.push(`offsets aligned to ${target.offsetAlignment} bytes`);
  if (target.subgroupSize !== null && target.subgroupSize !== adapter.subgroupSize)
    lacks.push(`subgroups of ${target.subgroupSize} lanes (it has ${adapter.subgroupSize ?? "none of constant size"})`);
  if (lacks.length > 0)
    throw new RuntimeFailure(
      "unfit plan",
      `the plan was made for another adapter; ${adapter.name} does not offer ${lacks.join(", ")}`,
      "compile the program again on this adapter",
    );
  const largest = adapter.limits.maxBufferSize ?? 0;
  const tooLarge = plan.buffers.find((buffer) => buffer.bytes > largest);
  if (tooLarge !== undefined)
    throw outOfMemory(`one buffer may have ${largest} bytes, ${tooLarge.name} has ${tooLarge.bytes}`, plan.buffers);
}

/** What went wrong while something was made on the device. */
export function creationFailure(
  opened: OpenedDevice,
  plan: Plan,
  kind: "validation" | "memory" | "driver",
  message: string,
): RuntimeFailure {
  if (kind === "memory") return outOfMemory(message, memoryUsers(plan));
  return new RuntimeFailure("refused", `${opened.adapter.name} refuses: ${message}`, "run `adac doctor` and report this with its output");
}

/** Everything that takes memory on the device, by name. */
export function memoryUsers(plan: Plan): { name: string; bytes: number }[] {
  const textures = planTextures(plan).sizes.map((size) => ({
    name: `a texture for operands, ${size.size.join(" x ")}`,
    bytes: textureBytes(size),
  }));
  return [...plan.buffers, ...textures];
}

function createBuffers(
  device: GPUDevice,
  plan: Plan,
  shared: ReadonlyMap<string, GPUBuffer>,
): Pick<PlanObjects, "buffers" | "operands" | "textures" | "uniforms"> {
  const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const uniform = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const buffers = plan.buffers.map(
    (buffer) =>
      (buffer.use === "persistent" ? shared.get(buffer.name) : undefined) ??
      device.createBuffer({ label: buffer.name, size: buffer.bytes, usage: buffer.use === "uniform" ? uniform : storage }),
  );
  for (const [i, buffer] of plan.buffers.entries())
    if (buffer.data !== undefined) {
      const bytes = Buffer.from(buffer.data, "base64");
      // The API writes whole words; the rest of the last one is zero.
      const words = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
      words.set(bytes);
      device.queue.writeBuffer(buffers[i]!, 0, words);
    }
  const declared = plan.buffers.findIndex((buffer) => buffer.use === "uniform");
  // Kernels see the uniforms as vectors of four words.
  const size = Math.max(16, Math.ceil(plan.uniforms.length / 4) * 16);
  const own = plan.uniforms.length > 0 ? device.createBuffer({ label: "uniforms", size, usage: uniform }) : null;
  const uniforms = declared >= 0 ? buffers[declared]! : own;
  const operands = planTextures(plan);
  const textures = operands.sizes.map((size) => createOperandTexture(device, size));
  return { buffers, operands, textures, uniforms };
}

async function createPipelines(
  opened: OpenedDevice,
  plan: Plan,
  onPipelines: OnPipelines | undefined,
): Promise<Pick<PlanObjects, "layouts" | "pipelines">> {
  const { device } = opened;
  const used = new Set(plan.legs.flatMap((leg) => flatOps(leg.ops).flatMap(({ op }) => (op.kind === "dispatch" ? [op.kernel] : []))));
  const layoutOf = new Map<string, GPUBindGroupLayout>();
  const layouts = plan.kernels.map((kernel) => {
    const key = kernel.bindings.join();
    const layout = layoutOf.get(key) ?? bindGroupLayout(device, kernel.bindings);
    layoutOf.set(key, layout);
    return layout;
  });
  let done = 0;
  const making = plan.kernels.map(async (kernel, index) => {
    if (!used.has(index)) return undefined;
    const pipeline = await createPipeline(opened, kernel, layouts[index]!);
    onPipelines?.(++done, used.size);
    return pipeline;
  });
  return { layouts, pipelines: await opened.wait(Promise.all(making)) };
}

async function createPipeline(opened: OpenedDevice, kernel: PlanKernel, layout: GPUBindGroupLayout): Promise<GPUComputePipeline> {
  const { device } = opened;
  // The pipeline's own error says all that the module's does; without a scope the driver would print the module's as well.
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label: kernel.name, code: kernel.wgsl });
  const moduleError = device.popErrorScope();
  try {
    await moduleError;
    return await device.createComputePipelineAsync({
      label: kernel.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RuntimeFailure(
      "refused",
      `${opened.adapter.name} refuses the kernel ${kernel.name} (${kernel.id}): ${message}`,
      "report this with the output of `adac doctor`; `adac compile FILE -o DIR` writes the kernel's text",
    );
  }
}
