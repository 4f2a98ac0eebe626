import {
  isStriped,
  isTextureKind,
  operandTextureCopies,
  operandTextureSize,
  type TextureKind,
  texelBytesOf,
} from "../../compiler/plan/operandTexture.ts";
import type { Plan, PlanBinding, PlanLeg, PlanOp } from "../../compiler/plan/plan.ts";
import { BufferRanges } from "../../compiler/plan/rangeSet.ts";

// Operands in textures. A kernel that wants an operand as a texture gets a copy of the buffer range, made just before the dispatch.
// In: a plan. Out: which copies must be made before which operation, and the textures for them. A copy is left out while nothing has written
// the range since the last one: forward and backward pass read the same activations. A texture holds one copy after another.

/** A copy of a buffer range into a texture. */
export interface TextureFill {
  readonly at: PlanBinding;
  readonly kind: TextureKind;
  readonly texture: number;
}
/** What one operation needs: copies made before it, and the texture of each of its bindings (null where that is a buffer). */
export interface OperationTextures {
  readonly fills: readonly TextureFill[];
  readonly bound: readonly (number | null)[];
}
export interface TextureSize {
  readonly kind: TextureKind;
  readonly size: readonly [width: number, rows: number, layers: number];
}
export interface PlanTextures {
  readonly sizes: readonly TextureSize[];
  /** For each leg and operation; a loop's body follows the loop. */
  readonly legs: readonly (readonly OperationTextures[])[];
}

/** A copy and the operations between which it is needed. */
interface Copy {
  readonly at: PlanBinding;
  readonly kind: TextureKind;
  readonly from: number;
  to: number;
  texture: number;
}

/** The textures of a plan and what is copied into them when. Legs share textures. */
export function planTextures(plan: Plan): PlanTextures {
  const sizes: TextureSize[] = [];
  return { legs: plan.legs.map((leg) => legTextures(plan, leg, sizes)), sizes };
}

function legTextures(plan: Plan, leg: PlanLeg, sizes: TextureSize[]): OperationTextures[] {
  const { copies, bound } = copiesOf(plan, leg);
  const free = new Set(sizes.keys());
  let alive: Copy[] = [];
  for (const copy of copies) {
    for (const ended of alive.filter((c) => c.to < copy.from)) free.add(ended.texture);
    alive = alive.filter((c) => c.to >= copy.from);
    const needed: TextureSize = { kind: copy.kind, size: operandTextureSize(copy.at, copy.kind) };
    const fits = (one: TextureSize): boolean =>
      one.kind === needed.kind && one.size.every((n, i) => n >= needed.size[i]!) && textureBytes(one) <= 2 * textureBytes(needed);
    const best = [...free].filter((t) => fits(sizes[t]!)).sort((a, b) => textureBytes(sizes[a]!) - textureBytes(sizes[b]!) || a - b)[0];
    copy.texture = best ?? sizes.push(needed) - 1;
    free.delete(copy.texture);
    alive.push(copy);
  }
  return bound.map((bindings, i) => ({
    fills: copies.filter((c) => c.from === i).map(({ at, kind, texture }) => ({ at, kind, texture })),
    bound: bindings.map((copy) => copy?.texture ?? null),
  }));
}

/** The copies of a leg in the order of their first use, and which one each binding of each operation reads. */
function copiesOf(plan: Plan, leg: PlanLeg): { readonly copies: readonly Copy[]; readonly bound: readonly (readonly (Copy | null)[])[] } {
  const copies: Copy[] = [];
  const fresh = new Map<string, Copy>();
  const bound = inOrder(leg.ops).map((op, i) => {
    // Each run of a body makes its copies anew: kept for all runs they would need as much memory as the weights.
    if (op.kind === "repeat") fresh.clear();
    const bindings = textureBindings(plan, op).map((binding) => {
      if (binding === null) return null;
      const { at, kind } = binding;
      const key = `${kind} ${at.buffer}:${at.offset}:${at.bytes}:${at.rowBytes ?? ""}`;
      let copy = fresh.get(key);
      if (!copy) {
        copy = { at, kind, from: i, to: i, texture: -1 };
        fresh.set(key, copy);
        copies.push(copy);
      }
      copy.to = i;
      return copy;
    });
    const written = new BufferRanges();
    for (const at of writtenBy(plan, op)) written.add(at);
    for (const [key, { at }] of fresh) if (written.of(at.buffer).meets(at.offset, at.offset + at.bytes)) fresh.delete(key);
    return bindings;
  });
  return { copies, bound };
}

/** All operations, those of a loop after it. */
function inOrder(ops: readonly PlanOp[]): PlanOp[] {
  return ops.flatMap((op) => (op.kind === "repeat" ? [op, ...inOrder(op.ops)] : [op]));
}

/** Ranges bound as textures by one operation, in binding order; null where the binding is a buffer. */
function textureBindings(plan: Plan, op: PlanOp): readonly ({ readonly at: PlanBinding; readonly kind: TextureKind } | null)[] {
  if (op.kind !== "dispatch") return [];
  const kinds = plan.kernels[op.kernel]!.bindings;
  return op.bindings.map((at, i) => {
    const kind = kinds[i]!;
    return isTextureKind(kind) ? { at, kind } : null;
  });
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
    case "repeat":
      return op.every.map((e) => e.to);
    default:
      return op satisfies never;
  }
}

const formats = { texture: "rgba32float", halfTexture: "rgba16float", stripes: "rgba32float", halfStripes: "rgba16float" } as const;
export const formatOf = (kind: TextureKind): GPUTextureFormat => formats[kind];
export const dimensionOf = (kind: TextureKind): GPUTextureViewDimension => (isStriped(kind) ? "2d-array" : "2d");

/** Makes a texture for operands. */
export function createOperandTexture(device: GPUDevice, { kind, size }: TextureSize): GPUTexture {
  return device.createTexture({
    label: `operands, ${size.join(" x ")}`,
    size,
    format: formatOf(kind),
    usage: GPUTextureUsage.COPY_DST | GPUTextureUsage.STORAGE_BINDING,
  });
}

export const textureBytes = ({ kind, size: [width, rows, layers] }: TextureSize): number => width * rows * layers * texelBytesOf[kind];

/** Encodes the copy of a range into its texture. */
export function encodeTextureFill(
  encoder: GPUCommandEncoder,
  source: GPUBuffer,
  at: PlanBinding,
  kind: TextureKind,
  texture: GPUTexture,
): void {
  for (const { offset, bytesPerRow, row, layer, width, rows } of operandTextureCopies(at, kind))
    encoder.copyBufferToTexture({ buffer: source, offset: at.offset + offset, bytesPerRow }, { texture, origin: [0, row, layer] }, [
      width,
      rows,
    ]);
}
