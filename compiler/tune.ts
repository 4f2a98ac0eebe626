import { createHash } from "node:crypto";
import { type Region, type Stored, storedReads } from "./fuse/region.ts";
import type { DType, Value } from "./ir/value.ts";
import type { UniformDecl } from "./plan/host.ts";
import type { Plan, PlanBinding, PlanTarget } from "./plan/plan.ts";
import { compilerVersion } from "./planBuilder.ts";
import { PointEvaluator, unflatten, wholeOnly } from "./reference/point.ts";
import { candidatesFor } from "./schedule/candidates.ts";
import { HalfForms } from "./schedule/halves.ts";
import { type LoweredRegion, lowerRegion } from "./schedule/lower.ts";
import { bucketOf, type KernelSchedule, type ScheduleBook, type ScheduleQuestion } from "./schedule/target.ts";
import { printKernel } from "./wgsl/print.ts";

// What a tuner tries: the kernels of a program by bucket of shapes. In: the regions of a compilation. Out: for each bucket its candidates,
// each as a plan of one dispatch, numbers to run it on, and what the slow twin says the result is at some places.

export interface TuneTask {
  readonly bucket: string;
  readonly what: string;
  readonly flops: number;
  readonly bytesMoved: number;
  /** How many kernels of the program are of this bucket. */
  readonly uses: number;
  /** The default first. */
  readonly candidates: readonly { readonly schedule: KernelSchedule; readonly plan: Plan }[];
  /** Numbers for the inputs by name; made when asked for. */
  readonly inputs: () => ReadonlyMap<string, Float32Array | Int32Array | Uint32Array>;
  /** The f64 meaning at some places of each output; computed when asked for. */
  readonly expected: () => readonly Sampled[];
}
export interface Sampled {
  readonly output: string;
  readonly places: readonly number[];
  readonly values: readonly number[];
}

/** Places to compare at: fewer where each costs much, so that the slow twin takes a second or so. */
const samples = { most: 48, least: 8, operations: 1e6 } as const;
const samplesFor = (operationsPerPlace: number): number =>
  Math.round(Math.max(samples.least, Math.min(samples.most, samples.operations / operationsPerPlace)));

/** One task per bucket, those with most work first; regions that the tuner cannot check alone are counted in `skipped`. */
export function tuneTasks(
  regions: readonly Region[],
  uniforms: readonly UniformDecl[],
  target: PlanTarget,
): { readonly tasks: readonly TuneTask[]; readonly skipped: number } {
  const buckets = new Map<string, { region: Region; question: ScheduleQuestion; first: LoweredRegion; uses: number }>();
  let skipped = 0;
  for (const region of regions) {
    const asked = questionOf(region, uniforms, target);
    if (asked === null) {
      skipped++;
      continue;
    }
    const bucket = bucketOf(asked.question);
    const known = buckets.get(bucket);
    if (known) known.uses++;
    // Of several kernels the first that reads and writes most stands for the bucket.
    if (!known || asked.first.bytesMoved > known.first.bytesMoved) buckets.set(bucket, { region, ...asked, uses: known?.uses ?? 1 });
  }
  const tasks = [...buckets].map(([bucket, { region, question, first, uses }]) =>
    taskOf(bucket, region, question, first, uses, uniforms, target),
  );
  return { tasks: tasks.sort((a, b) => workOf(b) - workOf(a)), skipped };
}
// A float moved is about ten operations on the adapters measured.
const workOf = (t: TuneTask): number => t.uses * (t.flops + 2.5 * t.bytesMoved);

function questionOf(
  region: Region,
  uniforms: readonly UniformDecl[],
  target: PlanTarget,
): { readonly question: ScheduleQuestion; readonly first: LoweredRegion } | null {
  const tensors = [...storedReads(region), ...region.outputs];
  if (tensors.some((s) => s.value.dtype === "f16")) return null;
  const values = region.outputs.map((o) => o.value);
  if (wholeOnly(values, (v) => region.reads.has(v)) !== null) return null;
  const questions: ScheduleQuestion[] = [];
  const first = lowerAlone(region, uniforms, target, { onSchedule: (q) => questions.push(q) });
  const question = questions[0];
  return question === undefined ? null : { question, first };
}

function lowerAlone(
  region: Region,
  uniforms: readonly UniformDecl[],
  target: PlanTarget,
  about: { readonly onSchedule?: (q: ScheduleQuestion) => void; readonly schedules?: ScheduleBook },
): LoweredRegion {
  const lowered = lowerRegion(region, {
    uniformIndex: (name) => uniforms.findIndex((u) => u.name === name),
    target: { ...target, ...about },
    halves: new HalfForms(target.shaderF16),
    takeover: new Map(),
  });
  if (lowered === null) throw new Error("internal: tune: a region without takeovers is not lowered");
  return lowered;
}

function taskOf(
  bucket: string,
  region: Region,
  question: ScheduleQuestion,
  first: LoweredRegion,
  uses: number,
  uniforms: readonly UniformDecl[],
  target: PlanTarget,
): TuneTask {
  const constant = uniforms.map((u): UniformDecl => ({ ...u, expr: { kind: "number", value: uniformNumber(u) } }));
  const candidates = candidatesFor(question, target).map((schedule) => ({
    schedule,
    plan: planOf(lowerAlone(region, uniforms, target, { schedules: { [bucket]: schedule } }), region.template, constant, target),
  }));
  const inputs = [...new Map(first.buffers.filter((b) => b.tile.access === "read").map((b) => [b.stored.id, b.stored])).values()];
  return {
    bucket,
    what: first.what,
    flops: first.flops,
    bytesMoved: first.bytesMoved,
    uses,
    candidates,
    inputs: () => new Map(inputs.map((s, stream) => [s.id, numbersOf(s, stream)])),
    expected: () => expectedOf(region, inputs, constant, samplesFor(first.flops / sizeOf(region.outputs[0]!))),
  };
}

/** A plan that is one dispatch. Tensors are named by their ids and lie as they are stored. */
function planOf(
  { kernel, buffers, what, flops, bytesMoved }: LoweredRegion,
  template: Region["template"],
  uniforms: readonly UniformDecl[],
  target: PlanTarget,
): Plan {
  const stored = [...new Map(buffers.map((b) => [b.stored.id, b.stored])).values()];
  const written = new Set(buffers.filter((b) => b.tile.access === "readWrite").map((b) => b.stored.id));
  const bytes = (s: Stored): number => 4 * sizeOf(s);
  const place = (s: Stored): PlanBinding => ({ buffer: stored.findIndex((x) => x.id === s.id), offset: 0, bytes: bytes(s) });
  const printed = printKernel(kernel);
  const features = [...printed.features, ...(kernel.subgroupSize === null ? [] : ["subgroups"])].sort();
  const padded = (n: number): number => Math.max(16, Math.ceil(n / 16) * 16);
  const named = (s: Stored) => ({ name: s.id, at: place(s), dtype: s.value.dtype, shape: [sizeOf(s)] });
  return {
    format: 1,
    compiler: compilerVersion,
    target: { ...target, features },
    kernels: [
      {
        id: createHash("sha256").update(printed.wgsl).digest("hex").slice(0, 16),
        name: what,
        wgsl: printed.wgsl,
        bindings: printed.bindings,
      },
    ],
    buffers: [
      ...stored.map((s, id) => ({
        id,
        name: s.id,
        bytes: padded(bytes(s)),
        use: written.has(s.id) ? ("output" as const) : ("input" as const),
      })),
      ...(uniforms.length === 0
        ? []
        : [{ id: stored.length, name: "uniforms", bytes: padded(4 * uniforms.length), use: "uniform" as const }]),
    ],
    legs: [
      {
        name: "main",
        ops: [
          {
            kind: "dispatch",
            kernel: 0,
            bindings: buffers.map((b) => place(b.stored)),
            grid: kernel.grid,
            what,
            template,
            flops,
            bytesMoved,
            origins: [],
          },
        ],
        inputs: stored.filter((s) => !written.has(s.id)).map(named),
        outputs: stored.filter((s) => written.has(s.id)).map(named),
        figures: { peakBytes: 0, liveBytes: 0, flops, bytesMoved },
      },
    ],
    uniforms,
    program: { kind: "function", name: "tune" },
  };
}
const sizeOf = (s: Stored): number => s.value.shape.reduce((a, b) => a * b, 1);
const uniformNumber = (u: UniformDecl): number => (u.dtype === "f32" ? 0.5 : 1);

/** Numbers for a tensor: floats in [-1, 1), small whole numbers, truth values; a function of the place. */
function numberAt(dtype: DType, stream: number, i: number): number {
  let x = (Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b) >>> 0;
  x >>>= 8;
  return dtype === "f32" ? x / 2 ** 23 - 1 : dtype === "bool" ? x & 1 : x % 5;
}
function numbersOf(s: Stored, stream: number): Float32Array | Int32Array | Uint32Array {
  const { dtype } = s.value;
  const values = dtype === "f32" ? new Float32Array(sizeOf(s)) : dtype === "i32" ? new Int32Array(sizeOf(s)) : new Uint32Array(sizeOf(s));
  for (let i = 0; i < values.length; i++) values[i] = numberAt(dtype, stream, i);
  return values;
}

function expectedOf(region: Region, inputs: readonly Stored[], uniforms: readonly UniformDecl[], count: number): Sampled[] {
  const streams = new Map(inputs.map((s, stream) => [s.id, stream]));
  const physical = (s: Stored, index: readonly number[]): number =>
    s.order.reduce((place, axis) => place * s.value.shape[axis]! + index[axis]!, 0);
  const read = (v: Value, index: readonly number[]): number | null => {
    const s = region.reads.get(v);
    const stream = s === undefined ? undefined : streams.get(s.id);
    return s === undefined || stream === undefined ? null : numberAt(v.dtype, stream, physical(s, index));
  };
  const uniform = (name: string): number => uniformNumber(uniforms.find((u) => u.name === name)!);
  const points = new PointEvaluator(read, uniform);
  return region.outputs.map((o) => {
    const size = sizeOf(o);
    const chosen = new Set([0, size - 1]);
    for (let i = 0; chosen.size < Math.min(count, size); i++)
      chosen.add(Math.min(size - 1, Math.floor(((numberAt("f32", 77, i) + 1) / 2) * size)));
    const places = [...chosen];
    // A copy in another order reads the tensor itself.
    const isCopy = region.anchors.length === 0 && region.reads.get(o.value) !== undefined && region.reads.get(o.value)!.id !== o.id;
    const values = places.map((place) => {
      const outer = unflatten(
        place,
        o.order.map((axis) => o.value.shape[axis]!),
      );
      const index: number[] = [];
      for (const [i, axis] of o.order.entries()) index[axis] = outer[i]!;
      return points.at(o.value, index, !isCopy);
    });
    return { output: o.id, places, values };
  });
}
