import { isTextureKind, type TextureKind } from "../../compiler/plan/operandTexture.ts";
import type { Plan, PlanBinding, PlanLeg, PlanOp } from "../../compiler/plan/plan.ts";
import { dimensionOf, encodeTextureFill, formatOf, type PlanTextures } from "./textures.ts";

// A leg as a list of commands in the API's own terms, made once. Running it encodes this list; no object that lives on the device is
// made then. Consecutive dispatches share a compute pass; a long leg is cut into submits of bounded size.

export interface DispatchCommand {
  readonly kind: "dispatch";
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly grid: readonly [number, number, number];
  readonly op: Dispatch;
}
export interface CopyCommand {
  readonly kind: "copy";
  readonly from: GPUBuffer;
  readonly fromOffset: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly bytes: number;
}
/** Runs of one body: before each its items are copied, after each what is kept of it; `step` is by how much one end moves from run to run. */
export interface RepeatCommand {
  readonly kind: "repeat";
  readonly count: number;
  readonly before: readonly { readonly copy: CopyCommand; readonly step: number }[];
  readonly body: readonly LegCommand[];
  readonly after: readonly { readonly copy: CopyCommand; readonly step: number }[];
}
export type LegCommand =
  | DispatchCommand
  | CopyCommand
  | RepeatCommand
  | { readonly kind: "clear"; readonly target: GPUBuffer; readonly offset: number; readonly bytes: number }
  | {
      readonly kind: "texture";
      readonly source: GPUBuffer;
      readonly at: PlanBinding;
      readonly as: TextureKind;
      readonly texture: GPUTexture;
    };

export type FlatCommand = Exclude<LegCommand, RepeatCommand>;

/** What the commands of a plan refer to. */
export interface PlanObjects {
  readonly buffers: readonly GPUBuffer[];
  readonly pipelines: readonly (GPUComputePipeline | undefined)[];
  readonly layouts: readonly (GPUBindGroupLayout | undefined)[];
  readonly operands: PlanTextures;
  readonly textures: readonly GPUTexture[];
  readonly uniforms: GPUBuffer | null;
}

/** Binds the buffers of every dispatch of a leg and lists its commands. */
export function legCommands(device: GPUDevice, plan: Plan, leg: PlanLeg, objects: PlanObjects): LegCommand[] {
  const operands = objects.operands.legs[plan.legs.indexOf(leg)]!;
  let position = 0;
  const copy = (from: PlanBinding, to: PlanBinding): CopyCommand => ({
    kind: "copy",
    from: objects.buffers[from.buffer]!,
    fromOffset: from.offset,
    to: objects.buffers[to.buffer]!,
    toOffset: to.offset,
    bytes: to.bytes,
  });
  const commandsOf = (op: PlanOp): LegCommand[] => {
    const index = position++;
    switch (op.kind) {
      case "copy":
        return [copy(op.from, op.to)];
      case "clear":
        return [{ kind: "clear", target: objects.buffers[op.target.buffer]!, offset: op.target.offset, bytes: op.target.bytes }];
      case "dispatch": {
        const { fills, bound } = operands[index]!;
        const textures = fills.map(({ at, kind: as, texture }): LegCommand => {
          return { kind: "texture", source: objects.buffers[at.buffer]!, at, as, texture: objects.textures[texture]! };
        });
        const group = bindGroup(device, plan, op, bound, objects);
        return [...textures, { kind: "dispatch", pipeline: objects.pipelines[op.kernel]!, group, grid: op.grid, op }];
      }
      case "repeat": {
        const before = op.items.map(({ from, uniform, words }) => {
          const own: CopyCommand = {
            kind: "copy",
            from: objects.buffers[from.buffer]!,
            fromOffset: from.offset,
            to: objects.uniforms!,
            toOffset: 4 * uniform,
            bytes: 4 * words,
          };
          return { copy: own, step: 4 * words };
        });
        const body = op.ops.flatMap(commandsOf);
        const after = op.every.map(({ from, to }) => ({ copy: copy(from, { ...to, bytes: from.bytes }), step: from.bytes }));
        return [{ kind: "repeat", count: op.count, before, body, after }];
      }
      default:
        return op satisfies never;
    }
  };
  return leg.ops.flatMap(commandsOf);
}

/** The commands of a leg without loops around them, and how often each runs. */
export function flatCommands(commands: readonly LegCommand[], times = 1): { readonly command: FlatCommand; readonly times: number }[] {
  return commands.flatMap((command) => {
    if (command.kind !== "repeat") return [{ command, times }];
    const runs = times * command.count;
    const copies = (of: RepeatCommand["before"]) => of.map((one) => ({ command: one.copy, times: runs }));
    return [...copies(command.before), ...flatCommands(command.body, runs), ...copies(command.after)];
  });
}

type Dispatch = Extract<PlanLeg["ops"][number], { kind: "dispatch" }>;

function bindGroup(device: GPUDevice, plan: Plan, op: Dispatch, bound: readonly (number | null)[], objects: PlanObjects): GPUBindGroup {
  const kernel = plan.kernels[op.kernel]!;
  const entries = kernel.bindings.map((kind, binding): GPUBindGroupEntry => {
    if (kind === "uniform") return { binding, resource: { buffer: objects.uniforms! } };
    if (isTextureKind(kind)) return { binding, resource: objects.textures[bound[binding]!]!.createView({ dimension: dimensionOf(kind) }) };
    const at = op.bindings[binding]!;
    return { binding, resource: { buffer: objects.buffers[at.buffer]!, offset: at.offset, size: at.bytes } };
  });
  return device.createBindGroup({ label: op.what, layout: objects.layouts[op.kernel]!, entries });
}

/** The layout that a kernel's list of bindings stands for. */
export function bindGroupLayout(device: GPUDevice, bindings: Plan["kernels"][number]["bindings"]): GPUBindGroupLayout {
  const entries = bindings.map((kind, binding): GPUBindGroupLayoutEntry => {
    const at = { binding, visibility: GPUShaderStage.COMPUTE };
    switch (kind) {
      case "read":
        return { ...at, buffer: { type: "read-only-storage" } };
      case "readWrite":
        return { ...at, buffer: { type: "storage" } };
      case "uniform":
        return { ...at, buffer: { type: "uniform" } };
      case "texture":
      case "halfTexture":
      case "stripes":
      case "halfStripes":
        return { ...at, storageTexture: { access: "read-only", format: formatOf(kind), viewDimension: dimensionOf(kind) } };
      default:
        return kind satisfies never;
    }
  });
  return device.createBindGroupLayout({ entries });
}

/** Encodes one command that is neither a dispatch nor a loop. */
export function encodeTransfer(encoder: GPUCommandEncoder, command: Exclude<FlatCommand, DispatchCommand>, from = 0, to = 0): void {
  switch (command.kind) {
    case "copy":
      encoder.copyBufferToBuffer(command.from, command.fromOffset + from, command.to, command.toOffset + to, command.bytes);
      return;
    case "clear":
      encoder.clearBuffer(command.target, command.offset, command.bytes);
      return;
    case "texture":
      encodeTextureFill(encoder, command.source, command.at, command.as, command.texture);
      return;
    default:
      command satisfies never;
  }
}

/** Encodes and submits a leg, in submits of at most `dispatchesPerSubmit` dispatches. */
export function submitCommands(device: GPUDevice, commands: readonly LegCommand[], dispatchesPerSubmit: number): void {
  let encoder = device.createCommandEncoder();
  let pass: GPUComputePassEncoder | null = null;
  let pipeline: GPUComputePipeline | null = null;
  let count = 0;
  const transfer = (command: Exclude<FlatCommand, DispatchCommand>, from = 0, to = 0): void => {
    pass?.end();
    pass = null;
    encodeTransfer(encoder, command, from, to);
  };
  const dispatch = (command: DispatchCommand): void => {
    if (count === dispatchesPerSubmit) {
      pass?.end();
      pass = null;
      device.queue.submit([encoder.finish()]);
      encoder = device.createCommandEncoder();
      count = 0;
    }
    if (pass === null) {
      pass = encoder.beginComputePass();
      pipeline = null;
    }
    if (pipeline !== command.pipeline) {
      pass.setPipeline(command.pipeline);
      pipeline = command.pipeline;
    }
    pass.setBindGroup(0, command.group);
    pass.dispatchWorkgroups(command.grid[0], command.grid[1], command.grid[2]);
    count++;
  };
  const encode = (all: readonly LegCommand[]): void => {
    for (const command of all) {
      if (command.kind === "dispatch") dispatch(command);
      else if (command.kind !== "repeat") transfer(command);
      else
        for (let run = 0; run < command.count; run++) {
          for (const { copy, step } of command.before) transfer(copy, run * step);
          encode(command.body);
          for (const { copy, step } of command.after) transfer(copy, 0, run * step);
        }
    }
  };
  encode(commands);
  (pass as GPUComputePassEncoder | null)?.end();
  device.queue.submit([encoder.finish()]);
}
