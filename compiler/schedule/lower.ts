import type { Region, Stored } from "../fuse/region.ts";
import { ixVar } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import { halfBytes } from "../plan/half.ts";
import { maxOperandTextureRows, operandTextureSize, textureKind } from "../plan/operandTexture.ts";
import type { TileKernel } from "../tile/tile.ts";
import { mainAccess } from "./access.ts";
import { type AttendValue, attendFlops, attendOperands, attendShape } from "./attend.ts";
import { lowerAttend } from "./attendKernels.ts";
import { lowerContract } from "./contract.ts";
import { Emitter, type KernelBuffer } from "./emit.ts";
import { type ContractValue, gemmOf, sizeOf } from "./gemm.ts";
import type { HalfForms } from "./halves.ts";
import { type LoweredBody, lowerMap } from "./map.ts";
import { lowerReduce, type ReduceValue } from "./reduce.ts";
import { lowerScatter } from "./scatter.ts";
import type { ScheduleTarget } from "./target.ts";

// A region becomes one kernel. In: the region, the form in which it reads each value. Out: a tile program with its buffers, and what it costs.

export interface LoweredRegion {
  readonly kernel: TileKernel;
  readonly buffers: readonly KernelBuffer[]; // in binding order
  readonly what: string;
  readonly flops: number;
  readonly bytesMoved: number;
  /** Outputs (stored ids) that this kernel cannot write packed: they are in 32 bits. */
  readonly widened: readonly string[];
}

export interface LowerOptions {
  readonly uniformIndex: (name: string) => number;
  readonly target: ScheduleTarget;
  /** How f16 tensors lie; what this kernel cannot pack is noted here. */
  readonly halves: HalfForms;
  /** Inputs whose memory an output of this region takes over: the kernel then has one binding for both. */
  readonly takeover: ReadonlyMap<Stored, Stored>;
}

/** The region's kernel, or null if a takeover that was asked for would read an element after it was written. */
export function lowerRegion(region: Region, options: LowerOptions): LoweredRegion | null {
  const lowered = lowerWhole(region, options, new Set());
  if (!lowered || lowered.kernel.buffers.filter((b) => b.storage === "buffer").length <= options.target.maxStorageBuffers) return lowered;
  // Fusion counts tensors; one that is read as scalars and as vectors takes two bindings, which is one too many here.
  const twice = lowered.buffers.filter((b) => lowered.buffers.some((other) => other !== b && other.stored.id === b.stored.id));
  return lowerWhole(region, options, new Set(twice.map((b) => b.stored.id)));
}

/** With outputs that cannot be written in whole words kept in 32 bits. */
function lowerWhole(region: Region, options: LowerOptions, scalars: ReadonlySet<string>): LoweredRegion | null {
  for (;;) {
    const lowered = lower(region, options, scalars);
    if (lowered === null || lowered.partWords.size === 0) return lowered;
    for (const id of lowered.partWords) options.halves.widen(id);
  }
}

function lower(
  region: Region,
  options: LowerOptions,
  scalars: ReadonlySet<string>,
): (LoweredRegion & { readonly partWords: ReadonlySet<string> }) | null {
  const storedFor = (v: Value): Stored | undefined => region.reads.get(v);
  const taken = new Map([...options.takeover].map(([input, output]) => [input.id, output]));
  const textures =
    options.target.textureOperands && (region.template === "contract" || region.template === "attend")
      ? operandTextures(region, storedFor, options.halves)
      : new Set<string>();
  const { uniformIndex, halves } = options;
  // Memory that is read through the binding of another tensor must hold the same kind of numbers.
  for (const [input, output] of options.takeover) {
    if (input.value.dtype !== output.value.dtype || halves.of(input) !== halves.of(output)) return null;
  }
  const emitter = new Emitter({ storedFor, uniformIndex, halves, textures, scalars }, taken);
  const body = lowerBody(region, emitter, storedFor, options.target);
  for (const output of taken.values()) {
    const views = emitter.buffers.filter((b) => b.stored.id === output.id);
    // Each element is read, if at all, by the invocation that writes it, and before: every index read is one that is written later.
    if (views.length > 1 || views[0]!.readsBack || views[0]!.loads.some((l) => !views[0]!.stores.includes(l))) return null;
  }
  const kernel: TileKernel = {
    name: region.template,
    workgroupSize: body.workgroupSize,
    subgroupSize: body.subgroupSize,
    grid: body.grid,
    buffers: emitter.buffers.map((b) => b.tile),
    usesUniforms: emitter.usesUniforms,
    shared: body.shared ?? [],
    body: body.body,
  };
  return {
    kernel,
    buffers: emitter.buffers,
    what: describe(region),
    flops: flopsOf(region),
    bytesMoved: bytesMoved(emitter.buffers),
    widened: region.outputs.filter((o) => halves.of(o) === "wide").map((o) => o.id),
    partWords: emitter.partWords,
  };
}

function lowerBody(region: Region, emitter: Emitter, storedFor: (v: Value) => Stored | undefined, target: ScheduleTarget): LoweredBody {
  switch (region.template) {
    case "map":
      return lowerMap(region, emitter, target);
    case "reduce":
      return lowerReduce(region, emitter, reduceOrder(region, storedFor), target);
    case "contract":
      return lowerContract(region, emitter, storedFor, target);
    case "attend":
      return lowerAttend(region, emitter, target);
    case "index":
      return lowerScatter(region, emitter, target);
    default:
      return region.template satisfies never;
  }
}

/** The axes of a reduction's space, outermost first, as its largest operand lies in memory. */
function reduceOrder(region: Region, storedFor: (v: Value) => Stored | undefined): readonly number[] {
  const argument = (region.anchors[0] as ReduceValue).args[0]!;
  const index = argument.shape.map((size, axis) => ixVar(`s${axis}`, 0, size - 1));
  const axes = argument.shape.map((_, axis) => axis);
  const access = mainAccess(argument, index, storedFor);
  if (!access) return axes;
  const stride = (axis: number): number => {
    if (argument.shape[axis] === 1) return Number.MAX_SAFE_INTEGER;
    const term = access.flat.terms.find((x) => x.atom.kind === "var" && x.atom.name === `s${axis}`);
    // An axis that moves through a quotient or not at all counts as far apart.
    return term ? Math.abs(term.coeff) : Number.MAX_SAFE_INTEGER - 1;
  };
  return axes.sort((a, b) => stride(b) - stride(a) || a - b);
}

/** The operands that are worth a copy into a texture: of floats, and read often enough for it. */
function operandTextures(region: Region, storedFor: (v: Value) => Stored | undefined, halves: HalfForms): Set<string> {
  const textures = new Set<string>();
  for (const operand of readOften(region)) {
    const access = mainAccess(
      operand,
      operand.shape.map((size, axis) => ixVar(`s${axis}`, 0, size - 1)),
      storedFor,
    );
    const size = access ? count(access.stored.value.shape) : 0;
    // A texture's texels are whole: what is no multiple of a vector stays a buffer, and so does what has more rows than textures have.
    const dtype = access?.stored.value.dtype;
    if (!access || (dtype !== "f32" && dtype !== "f16") || size % 4 !== 0) continue;
    const narrow = dtype === "f16" && halves.of(access.stored) !== "wide";
    if (operandTextureSize({ bytes: (narrow ? 2 : 4) * size }, textureKind(narrow))[1] > maxOperandTextureRows) continue;
    if (flopsOf(region) >= 64 * size) textures.add(access.stored.id);
  }
  return textures;
}

function readOften(region: Region): readonly Value[] {
  if (region.template === "attend") {
    // Those that lanes own are read once; but a driver compiles a texture's load several times faster, and an owned row takes many.
    const { q, k, v, g } = attendOperands(region.anchors[0] as AttendValue);
    return g ? [q, k, v, g] : [q, k, v];
  }
  const gemm = gemmOf(region.anchors[0] as ContractValue, false);
  return [gemm.left, gemm.right];
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function flopsOf(region: Region): number {
  let flops = 0;
  for (const anchor of region.anchors) {
    if (anchor.op === "dot" || anchor.op === "conv") {
      const gemm = gemmOf(anchor as ContractValue, false);
      flops += 2 * sizeOf(gemm.batch) * sizeOf(gemm.m) * sizeOf(gemm.n) * sizeOf(gemm.k);
    } else if (anchor.op === "attend" || anchor.op === "attendGrad") flops += attendFlops(anchor);
    else flops += count(anchor.args[0]!.shape);
  }
  if (region.anchors.length === 0) for (const o of region.outputs) flops += count(o.value.shape);
  return flops;
}
function bytesMoved(buffers: readonly KernelBuffer[]): number {
  const seen = new Map<string, number>();
  for (const b of buffers) {
    const elements = count(b.stored.value.shape);
    seen.set(`${b.stored.id} ${b.tile.access}`, b.tile.half === undefined ? 4 * elements : halfBytes(elements));
  }
  return [...seen.values()].reduce((a, b) => a + b, 0);
}

/** A few words about a kernel, for profiles. */
function describe(region: Region): string {
  const output = region.outputs[0]!.value;
  const anchor = region.anchors[0];
  const shape = `[${output.shape.join(", ")}]`;
  if (!anchor) return `${output.op} -> ${shape}`;
  const after = output === anchor ? "" : ` + ${output.op}`;
  if (anchor.op === "conv") {
    const [o, c, kh, kw] = anchor.args[1]!.shape;
    return `conv ${kh}x${kw} ${c}->${o}${after} -> ${shape}`;
  }
  if (anchor.op === "dot") {
    const gemm = gemmOf(anchor as ContractValue, false);
    return `dot ${sizeOf(gemm.m)}x${sizeOf(gemm.k)}x${sizeOf(gemm.n)}${after} -> ${shape}`;
  }
  if (anchor.op === "attend" || anchor.op === "attendGrad") {
    const { lead, queries, keys, d, e } = attendShape(attendOperands(anchor));
    const parts = region.anchors.map((a) => (a as AttendValue).attrs.part).join("+");
    const sizes = `${count(lead)} x ${queries}x${keys}x${d === e ? d : `${d}/${e}`}`;
    return `attention ${anchor.op === "attend" ? "" : "gradient "}${parts} of ${sizes}${after} -> ${shape}`;
  }
  return `${region.anchors.map((a) => a.op).join("+")} of [${anchor.args[0]?.shape.join(", ")}]${after} -> ${shape}`;
}
