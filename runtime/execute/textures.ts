import { operandTextureCopies, operandTextureRows, operandTextureWidth } from "../../compiler/plan/operandTexture.ts";
import type { Plan, PlanBinding, PlanLeg, PlanOp } from "../../compiler/plan/plan.ts";
import { BufferRanges } from "../../compiler/plan/rangeSet.ts";

// Operands in textures. A kernel that wants an operand as a texture gets a copy of the buffer range, made just before the dispatch.
// In: a plan. Out: which copies must be made before which operation, and the textures for them. A copy is left out while nothing has written
// the range since the last one: forward and backward pass read the same activations. A texture holds one copy after another.

/** A copy of a buffer range into a texture. */
export interface TextureFill {
  readonly at: PlanBinding;
  readonly texture: number;
}
/** What one operation needs: copies made before it, and the texture of each of its bindings (null where that is a buffer). */
export interface OperationTextures {
  readonly fills: readonly TextureFill[];
  readonly bound: readonly (number | null)[];
}
export interface PlanTextures {
  /** Rows of each texture. */
  readonly rows: readonly number[];
  /** For each leg and operation. */
  readonly legs: readonly (readonly OperationTextures[])[];
}

/** A copy and the operations between which it is needed. */
interface Copy {
  readonly at: PlanBinding;
  readonly from: number;
  to: number;
  texture: number;
}

/** The textures of a plan and what is copied into them when. Legs share textures. */
export function planTextures(plan: Plan): PlanTextures {
  const rows: number[] = [];
  return { legs: plan.legs.map((leg) => legTextures(plan, leg, rows)), rows };
}

function legTextures(plan: Plan, leg: PlanLeg, rows: number[]): OperationTextures[] {
  const { copies, bound } = copiesOf(plan, leg);
  const free = new Set(rows.keys());
  let alive: Copy[] = [];
  for (const copy of copies) {
    for (const ended of alive.filter((c) => c.to < copy.from)) free.add(ended.texture);
    alive = alive.filter((c) => c.to >= copy.from);
    const needed = operandTextureRows(copy.at.bytes);
    const best = [...free].filter((t) => rows[t]! >= needed && rows[t]! <= 2 * needed).sort((a, b) => rows[a]! - rows[b]! || a - b)[0];
    copy.texture = best ?? rows.push(needed) - 1;
    free.delete(copy.texture);
    alive.push(copy);
  }
  return bound.map((bindings, i) => ({
    fills: copies.filter((c) => c.from === i).map(({ at, texture }) => ({ at, texture })),
    bound: bindings.map((copy) => copy?.texture ?? null),
  }));
}

/** The copies of a leg in the order of their first use, and which one each binding of each operation reads. */
function copiesOf(plan: Plan, leg: PlanLeg): { readonly copies: readonly Copy[]; readonly bound: readonly (readonly (Copy | null)[])[] } {
  const copies: Copy[] = [];
  const fresh = new Map<string, Copy>();
  const bound = leg.ops.map((op, i) => {
    const bindings = textureBindings(plan, op).map((at) => {
      if (at === null) return null;
      const key = `${at.buffer}:${at.offset}:${at.bytes}`;
      let copy = fresh.get(key);
      if (!copy) {
        copy = { at, from: i, to: i, texture: -1 };
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

/** Ranges bound as textures by one operation, in binding order; null where the binding is a buffer. */
function textureBindings(plan: Plan, op: PlanOp): readonly (PlanBinding | null)[] {
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

/** Makes a texture of some rows. */
export function createOperandTexture(device: GPUDevice, rows: number): GPUTexture {
  return device.createTexture({
    label: `operands of ${rows} rows`,
    size: [operandTextureWidth, rows],
    format: "rgba32float",
    usage: GPUTextureUsage.COPY_DST | GPUTextureUsage.STORAGE_BINDING,
  });
}

export const textureBytes = (rows: number): number => rows * operandTextureWidth * 16;

/** Encodes the copy of a range into its texture. */
export function encodeTextureFill(encoder: GPUCommandEncoder, source: GPUBuffer, at: PlanBinding, texture: GPUTexture): void {
  for (const copy of operandTextureCopies(at.bytes))
    encoder.copyBufferToTexture(
      { buffer: source, offset: at.offset + copy.offset, bytesPerRow: operandTextureWidth * 16 },
      { texture, origin: [0, copy.row] },
      [copy.width, copy.rows],
    );
}
