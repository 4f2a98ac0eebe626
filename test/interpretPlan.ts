import { type CompileOptions, compileGraph } from "../compiler/compile.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import type { Graph } from "../compiler/ir/value.ts";
import { bytesOf } from "../compiler/memory/place.ts";
import { evaluateHost } from "../compiler/plan/evalHost.ts";
import { fromHalves, toHalves } from "../compiler/plan/half.ts";
import type { HostEnvironment, UniformDecl } from "../compiler/plan/host.ts";
import type { Plan, PlanBinding, PlanOp, PlanTarget } from "../compiler/plan/plan.ts";
import { memoryLeaves, PlanBuilder } from "../compiler/planBuilder.ts";
import { type Contents, interpretKernel } from "../compiler/tile/interpret.ts";
import type { TileKernel } from "../compiler/tile/tile.ts";

// Runs plans on the CPU, for tests without a device: buffers are memory, kernels go through the interpreter, which finds what a device would
// not tell (indices outside, races, divergent barriers). Slots and outputs begin each leg full of not-a-numbers, so that a wrong lifetime
// shows.

const poisonWord = 0x7fdd7fdd;
const start: HostEnvironment = { seed: 0, microStep: 0, update: 0, progress: 0 };

/** The kernel of each dispatch of a plan. */
export type Kernels = ReadonlyMap<PlanOp, TileKernel>;

export class PlanMemory {
  readonly #plan: Plan;
  readonly #kernels: Kernels;
  readonly #buffers: readonly ArrayBuffer[];
  #uniforms = new Uint32Array(0);

  constructor(plan: Plan, kernels: Kernels) {
    this.#plan = plan;
    this.#kernels = kernels;
    this.#buffers = plan.buffers.map((b) => {
      const memory = new ArrayBuffer(b.bytes);
      if (b.data === undefined) new Uint32Array(memory).fill(poisonWord);
      else new Uint8Array(memory).set(Buffer.from(b.data, "base64"));
      return memory;
    });
  }

  write(at: PlanBinding, array: NdArray): void {
    this.#view(at, array.dtype).set(array.dtype === "f16" ? toHalves(array.data) : array.data);
  }
  read(at: PlanBinding, dtype: NdArray["dtype"], shape: readonly number[]): NdArray {
    const memory = this.#view(at, dtype);
    const count = shape.reduce((a, b) => a * b, 1);
    return { dtype, shape, data: Float64Array.from(memory instanceof Uint16Array ? fromHalves(memory, count) : memory) };
  }
  setUniforms(environment: HostEnvironment): void {
    this.#uniforms = new Uint32Array(this.#plan.uniforms.length);
    const floats = new Float32Array(this.#uniforms.buffer);
    for (const [i, u] of this.#plan.uniforms.entries()) {
      const value = Number(evaluateHost(u.expr, environment));
      if (u.dtype === "f32") floats[i] = value;
      else this.#uniforms[i] = value;
    }
  }

  run(legName: string): void {
    const leg = this.#plan.legs.find((l) => l.name === legName)!;
    for (const b of this.#plan.buffers) {
      if (b.use === "slot" || b.use === "output") new Uint32Array(this.#buffers[b.id]!).fill(poisonWord);
    }
    this.#runOps(leg.ops);
  }

  #runOps(ops: readonly PlanOp[]): void {
    for (const op of ops) {
      switch (op.kind) {
        case "clear":
          this.#view(op.target, "u32").fill(0);
          break;
        case "copy":
          this.#view(op.to, "u32").set(this.#view(op.from, "u32"));
          break;
        case "dispatch":
          this.#dispatch(op);
          break;
        case "repeat":
          for (let run = 0; run < op.count; run++) {
            for (const { from, uniform, words } of op.items)
              this.#uniforms.set(this.#view(from, "u32").subarray(run * words, (run + 1) * words), uniform);
            this.#runOps(op.ops);
            for (const { from, to } of op.every)
              this.#view({ ...to, offset: to.offset + run * from.bytes, bytes: from.bytes }, "u32").set(this.#view(from, "u32"));
          }
          break;
        default:
          op satisfies never;
      }
    }
  }

  #dispatch(op: Extract<PlanOp, { readonly kind: "dispatch" }>): void {
    const kernel = this.#kernels.get(op)!;
    const buffers = new Map(
      kernel.buffers.map((b, i) => [b.name, this.#view(op.bindings[i]!, b.half === undefined ? b.type.scalar : "f16")]),
    );
    interpretKernel({ ...kernel, grid: op.grid }, buffers, this.#uniforms);
  }
  #view(at: PlanBinding, scalar: NdArray["dtype"]): Contents {
    const memory = this.#buffers[at.buffer]!;
    const length = at.bytes / 4;
    if (scalar === "f16") return new Uint16Array(memory, at.offset, at.bytes / 2);
    if (scalar === "f32") return new Float32Array(memory, at.offset, length);
    return scalar === "i32" ? new Int32Array(memory, at.offset, length) : new Uint32Array(memory, at.offset, length);
  }
}

/** The results of a graph by name, compiled for a target and interpreted. */
export function interpretGraph(
  graph: Graph,
  inputs: Readonly<Record<string, NdArray>>,
  target: PlanTarget,
  options: CompileOptions & { readonly uniforms?: readonly UniformDecl[]; readonly environment?: HostEnvironment } = {},
): Record<string, NdArray> {
  const kernels = new Map<PlanOp, TileKernel>();
  const plan = compileGraph(graph, options.uniforms ?? [], target, { ...options, onKernel: (op, kernel) => kernels.set(op, kernel) });
  const memory = new PlanMemory(plan, kernels);
  const leg = plan.legs[0]!;
  for (const input of leg.inputs) memory.write(input.at, inputs[input.name]!);
  memory.setUniforms(options.environment ?? start);
  memory.run(leg.name);
  return Object.fromEntries(leg.outputs.map((o) => [o.name, memory.read(o.at, o.dtype, o.shape)]));
}

/**
 * The results of a graph whose memory is that of inputs: result `next.<input>` replaces the input, as an update does. These inputs are
 * slices of one buffer, or each a buffer of its own.
 */
export function interpretInPlace(
  graph: Graph,
  inputs: Readonly<Record<string, NdArray>>,
  target: PlanTarget,
  memoryOf: "one buffer" | "own buffers",
): Record<string, NdArray> {
  const kernels = new Map<PlanOp, TileKernel>();
  const builder = new PlanBuilder(target, [], { onKernel: (op, kernel) => kernels.set(op, kernel) });
  const leaves = memoryLeaves(graph);
  const changed = new Set(graph.results.flatMap((r) => (r.name.startsWith("next.") ? [r.name.slice("next.".length)] : [])));
  const largest = Math.max(0, ...[...changed].map((name) => bytesOf(inputs[name]!)));
  const slice = Math.ceil((largest + 1) / target.offsetAlignment) * target.offsetAlignment;
  const arena = builder.buffer("arena", slice * Math.max(1, changed.size), "persistent").buffer;
  const places = new Map<string, PlanBinding>();
  for (const [i, name] of [...changed].entries()) {
    const bytes = bytesOf(inputs[name]!);
    const own = memoryOf === "own buffers" ? builder.buffer(name, bytes, "persistent") : null;
    places.set(name, own ?? { buffer: arena, offset: slice * i, bytes });
  }
  for (const v of leaves) if (!places.has(v.attrs.name)) places.set(v.attrs.name, builder.buffer(v.attrs.name, bytesOf(v), "input"));
  const results = new Map(
    graph.results.map((r) => [r.name, places.get(r.name.slice("next.".length)) ?? builder.buffer(r.name, bytesOf(r.value), "output")]),
  );
  const outside = <T>(names: Iterable<T>, inArena: (name: T) => boolean): Set<T> => new Set([...names].filter((n) => !inArena(n)));
  builder.leg({
    name: "main",
    graph,
    inputs: places,
    results,
    written: outside(places.keys(), (n) => changed.has(n)),
    read: outside(results.keys(), (n) => n.startsWith("next.")),
  });
  const plan = builder.finish({ kind: "function", name: graph.name });
  const memory = new PlanMemory(plan, kernels);
  for (const [name, place] of places) memory.write(place, inputs[name]!);
  memory.setUniforms(start);
  memory.run("main");
  return Object.fromEntries(graph.results.map((r) => [r.name, memory.read(results.get(r.name)!, r.value.dtype, r.value.shape)]));
}
