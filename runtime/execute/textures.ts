import { operandTextureCopies, operandTextureRows, operandTextureWidth } from "../../compiler/plan/operandTexture.ts";
import type { Plan, PlanBinding, PlanLeg, PlanOp } from "../../compiler/plan/plan.ts";
import { BufferRanges } from "../../compiler/plan/rangeSet.ts";

// Operands in textures. A kernel that wants an operand as a texture gets a copy of the buffer range, made just before the dispatch.
// In: a leg. Out: which copies must be made before which operation. A copy is left out while nothing has written the range since the last
// one: forward and backward pass read the same activations.

/** One texture for each buffer range that some kernel reads through a texture. */
export interface OperandTexture {
  readonly key: string;
  readonly at: PlanBinding;
}

export const textureKey = (at: PlanBinding): string => `${at.buffer}:${at.offset}:${at.bytes}`;

/** Ranges bound as textures by one operation, in binding order; null where the binding is a buffer. */
export function textureBindings(plan: Plan, op: PlanOp): readonly (PlanBinding | null)[] {
  if (op.kind !== "dispatch") return [];
  const kinds = plan.kernels[op.kernel]!.bindings;
  return op.bindings.map((at, i) => (kinds[i] === "texture" ? at : null));
}

function writtenBy(plan: Plan, op: PlanOp): readonly PlanBinding[] {
  switch (op.kind) {
    case "copy":
      return [op.to];
    case "clear":
      return [op.target];
    case "dispatch": {
      const kinds = plan.kernels[op.kernel]!.bindings;
      return op.bindings.filter((_, i) => kinds[i] === "readWrite");
    }
    default:
      return op satisfies never;
  }
}

/** For every operation of a leg: the textures to fill before it. */
export function texturesToFill(plan: Plan, leg: PlanLeg): readonly (readonly OperandTexture[])[] {
  const fresh = new Map<string, PlanBinding>();
  return leg.ops.map((op) => {
    const fill: OperandTexture[] = [];
    for (const at of textureBindings(plan, op)) {
      if (at === null || fresh.has(textureKey(at))) continue;
      fresh.set(textureKey(at), at);
      fill.push({ key: textureKey(at), at });
    }
    const written = new BufferRanges();
    for (const at of writtenBy(plan, op)) written.add(at);
    for (const [key, at] of fresh) if (written.of(at.buffer).meets(at.offset, at.offset + at.bytes)) fresh.delete(key);
    return fill;
  });
}

/** Makes the texture of a range. */
export function createOperandTexture(device: GPUDevice, at: PlanBinding): GPUTexture {
  return device.createTexture({
    label: `operand ${textureKey(at)}`,
    size: [operandTextureWidth, operandTextureRows(at.bytes)],
    format: "rgba32float",
    usage: GPUTextureUsage.COPY_DST | GPUTextureUsage.STORAGE_BINDING,
  });
}

export const textureBytes = (at: PlanBinding): number => operandTextureRows(at.bytes) * operandTextureWidth * 16;

/** Encodes the copy of a range into its texture. */
export function encodeTextureFill(encoder: GPUCommandEncoder, source: GPUBuffer, at: PlanBinding, texture: GPUTexture): void {
  for (const copy of operandTextureCopies(at.bytes))
    encoder.copyBufferToTexture(
      { buffer: source, offset: at.offset + copy.offset, bytesPerRow: operandTextureWidth * 16 },
      { texture, origin: [0, copy.row] },
      [copy.width, copy.rows],
    );
}
