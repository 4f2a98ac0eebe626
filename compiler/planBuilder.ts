import { createHash } from "node:crypto";
import type { CompileOptions } from "./compileOptions.ts";
import { cluster } from "./fuse/cluster.ts";
import { isMemoryLeaf } from "./fuse/kinds.ts";
import { prepare, shortConcats } from "./fuse/prepare.ts";
import { makeStored, type Region, type Stored } from "./fuse/region.ts";
import { verifyLaid } from "./fuse/verify.ts";
import { printGraph } from "./ir/print.ts";
import type { DType, Graph, Value } from "./ir/value.ts";
import { requireVerified } from "./ir/verify.ts";
import { graphInputs, graphValues } from "./ir/walk.ts";
import { layout, printLaid } from "./layout.ts";
import { lifetimes } from "./memory/lifetimes.ts";
import { Mover } from "./memory/moves.ts";
import { changingInputs, computedAgain, orderRegions } from "./memory/order.ts";
import { bytesOf, samePlace } from "./memory/place.ts";
import { SlotPool } from "./memory/pool.ts";
import { computedResults, type Lower, placeResults } from "./memory/results.ts";
import { takeOver } from "./memory/takeover.ts";
import { attendsInWindows, hasLarge, TooLarge, type Windowed, type WindowLimits, windowed } from "./memory/windows.ts";
import { toHalves } from "./plan/half.ts";
import type { UniformDecl } from "./plan/host.ts";
import type { BufferUse, Plan, PlanBinding, PlanBuffer, PlanKernel, PlanLeg, PlanOp, PlanTarget } from "./plan/plan.ts";
import { printPlan } from "./plan/print.ts";
import { printProblem, verifyPlan } from "./plan/verify.ts";
import { applyPrecision, type PrecisionRequest } from "./precision.ts";
import { type AttendValue, attendFits } from "./schedule/attend.ts";
import { HalfForms } from "./schedule/halves.ts";
import type { LoweredRegion } from "./schedule/lower.ts";
import { Lowering } from "./schedule/lowering.ts";
import { Simplifier, simplify, stripMarkers } from "./simplify/simplify.ts";
import { printTileKernel } from "./tile/print.ts";
import { verifyKernel } from "./tile/verify.ts";
import { printKernel } from "./wgsl/print.ts";

// Makes a plan leg by leg. In: graphs, and the places of what outlives a leg (inputs, parameters, states, outputs). Each leg goes through
// simplify, fuse, layout, schedule, memory and printing; legs share kernels by content and slots by size. Every level is verified.

export const compilerVersion = "0.1.0";

export interface LegRequest {
  readonly name: string;
  readonly graph: Graph;
  /** Places of the memory leaves, by input name. */
  readonly inputs: ReadonlyMap<string, PlanBinding>;
  /** Places of the results, by result name. A place may be that of an input: then the leg changes it. */
  readonly results: ReadonlyMap<string, PlanBinding>;
  /** Inputs that the host writes before the leg, and results that it may read, by name in the graph. */
  readonly written: ReadonlySet<string>;
  readonly read: ReadonlySet<string>;
  /** How values are stored; without it, all in f32. */
  readonly precision?: PrecisionRequest;
  /** Bytes to clear first. */
  readonly clear?: readonly PlanBinding[];
}

interface DraftBuffer {
  readonly name: string;
  readonly use: BufferUse;
  bytes: number;
  readonly data?: string;
}

export class PlanBuilder {
  readonly #target: PlanTarget;
  readonly #options: CompileOptions;
  readonly #uniforms: readonly UniformDecl[];
  readonly #buffers: DraftBuffer[] = [];
  readonly #kernels: PlanKernel[] = [];
  readonly #lowering: Lowering;
  readonly #kernelOf = new Map<string, number>(); // by text
  readonly #numbers = new Map<LoweredRegion["kernel"], number>(); // of what was verified and printed
  readonly #legs: PlanLeg[] = [];
  readonly #pool: SlotPool;
  readonly #slotBuffers = new Map<number, number>();
  readonly #constants = new Map<string, PlanBinding>();
  readonly #features = new Set<string>();
  readonly #mover = new Mover((name) => {
    const { buffer } = this.buffer(name, 16, "slot");
    const draft = this.#buffers[buffer]!;
    return { buffer, needs: (bytes) => (draft.bytes = Math.max(draft.bytes, Math.ceil(bytes / 16) * 16)) };
  });

  constructor(target: PlanTarget, uniforms: readonly UniformDecl[], options: CompileOptions) {
    this.#target = target;
    this.#pool = new SlotPool({ alignment: target.offsetAlignment, slotBytes: target.maxBindingBytes });
    this.#uniforms = uniforms;
    this.#options = options;
    const { schedules } = options;
    this.#lowering = new Lowering({
      uniformIndex: (name) => this.#uniformIndex(name),
      target: schedules === undefined ? target : { ...target, schedules },
    });
  }

  /** A buffer of `bytes` (rounded up to what buffers may have). */
  buffer(name: string, bytes: number, use: BufferUse): PlanBinding {
    this.#buffers.push({ name, use, bytes: Math.max(16, Math.ceil(bytes / 16) * 16) });
    return { buffer: this.#buffers.length - 1, offset: 0, bytes };
  }

  get #windowLimits(): WindowLimits {
    return { bindingBytes: this.#target.maxBindingBytes, offsetAlignment: this.#target.offsetAlignment };
  }
  #time<T>(pass: string, work: () => T): T {
    const start = performance.now();
    const result = work();
    this.#options.onTime?.(pass, performance.now() - start);
    return result;
  }

  leg(request: LegRequest): void {
    const { onStage, verify = true } = this.#options;
    const simple = this.#time("simplify", () => {
      const isWhole = (call: Value): boolean =>
        attendFits(call as AttendValue, this.#target.maxStorageBuffers) && attendsInWindows(call, this.#windowLimits);
      const plain = stripMarkers(request.graph, (call) => !isWhole(call));
      return this.#options.simplify === false ? plain : simplify(plain, new Simplifier());
    });
    if (verify) requireVerified(simple, "simplify");
    onStage?.("simple", request.name, () => printGraph(simple), simple);
    const windows = this.#time("windows", () => this.#windows(simple, request));
    const inputPlaceOf = new Map([...request.inputs, ...windows.inputs]);
    const resultPlaceOf = new Map([...request.results, ...windows.results]);
    const precision = request.precision && {
      ...request.precision,
      frozen: new Set([...request.precision.frozen, ...windows.halves]),
    };
    const { computed, moved } = computedResults(windows.graph, (v) => v.op === "input" && precision?.frozen.has(v.attrs.name) === true);
    const { maxStorageBuffers: maxBuffers, maxBindingBytes: maxBytes, adapterClass } = this.#target;
    const limits = { fuse: this.#options.fuse !== false, maxBuffers, maxBytes, adapterClass };
    const prepared = this.#time("prepare", () => {
      const wanted: Graph = { name: simple.name, results: [...computed].map(([value, name]) => ({ name, value })) };
      return shortConcats(this.#options.fuse === false ? wanted : prepare(wanted, adapterClass), maxBuffers);
    });
    const graph = precision
      ? this.#time("precision", () => applyPrecision(prepared, precision, cluster(prepared, limits).stored))
      : prepared;
    if (precision) {
      if (verify) requireVerified(graph, "precision");
      onStage?.("precise", request.name, () => printGraph(graph), graph);
    }
    const nameOf = new Map(graph.results.map((r) => [r.value, r.name]));
    // Preparing may have made two results one value.
    const doubled = graph.results.filter((r) => nameOf.get(r.value) !== r.name);
    const clusters = this.#time("fuse", () => cluster(graph, limits));
    const laid = this.#time("layout", () => layout(clusters, new Set(graph.results.map((r) => r.value)), limits));
    if (verify) {
      const problems = verifyLaid(laid, graph, this.#target.maxStorageBuffers);
      if (problems.length > 0) throw new Error(`internal: fuse (leg ${request.name}): ${problems.slice(0, 4).join("; ")}`);
    }
    onStage?.("fused", request.name, () => printLaid(laid));
    const kept = [...graphValues(graph).filter(isMemoryLeaf), ...laid.regions.flatMap((r) => r.outputs.map((o) => o.value))];
    const large = kept.find((v) => bytesOf(v) > this.#target.maxBindingBytes);
    if (large) throw new TooLarge(large, this.#windowLimits, "it cannot be read in parts");

    const placeOfInput = (v: Value): PlanBinding => {
      if (v.op === "table") return this.#constant(v);
      if (v.op !== "input") throw new Error(`internal: %${v.id} has no place`);
      const place = inputPlaceOf.get(v.attrs.name);
      if (!place) throw new Error(`internal: leg ${request.name}: input '${v.attrs.name}' has no place`);
      return place;
    };

    const again = computedAgain(graph);
    const changes = changingInputs(laid.regions, nameOf, resultPlaceOf, placeOfInput);
    const slotBytes = ({ value }: Stored): number => (nameOf.has(value) ? 0 : bytesOf(value));
    const regions = this.#time("order", () => orderRegions({ regions: laid.regions, changes, isAgain: (v) => again.has(v), slotBytes }));
    const inPlace = this.#options.inPlace !== false;
    const halves = new HalfForms(this.#target.shaderF16);
    const storedBytes = (s: Stored): number => bytesOf({ shape: s.value.shape, dtype: halves.of(s) === "wide" ? "f32" : s.value.dtype });
    const lower: Lower = (region, takeover) => this.#lowering.lower(region, takeover, halves);
    const copiedAtEnd = moved.map((m) => m.from).filter(isMemoryLeaf);
    const results = this.#time("schedule", () =>
      placeResults(
        { regions, nameOf, places: resultPlaceOf, placeOfInput, copiedAtEnd, inPlace, offsetAlignment: this.#target.offsetAlignment },
        lower,
      ),
    );
    const { direct, late } = results;
    for (const r of graph.results)
      if (halves.of(makeStored(r.value)) === "wide") throw new Error(`internal: leg ${request.name}: result '${r.name}' cannot be packed`);
    const { lowered, tenancies, memory } = this.#time("memory", () => {
      const lateOnes = late.map((l) => l.stored);
      const apart = lifetimes(regions, results.lowered, (id) => direct.has(id), lateOnes, storedBytes);
      const { lowered, tenancies } = inPlace
        ? takeOver(regions, results.lowered, apart, results.takeovers, lower)
        : { lowered: results.lowered, tenancies: apart };
      return { lowered, tenancies, memory: this.#pool.assign(tenancies) };
    });
    const slotOf = new Map(tenancies.flatMap((t, i) => t.tenants.map((s) => [s.id, memory.places[i]!])));
    const placeOf = (stored: Stored): PlanBinding => {
      const final = direct.get(stored.id);
      if (final) return final;
      const at = slotOf.get(stored.id);
      return at ? { buffer: this.#slotBuffer(at.slot), offset: at.offset, bytes: storedBytes(stored) } : placeOfInput(stored.value);
    };
    const ops: PlanOp[] = (request.clear ?? []).map((target) => ({ kind: "clear", target }));
    const resultPlace = (name: string): PlanBinding => {
      const place = resultPlaceOf.get(name);
      if (!place) throw new Error(`internal: leg ${request.name}: result '${name}' has no place`);
      return place;
    };
    this.#time("print", () => {
      for (const [i, region] of regions.entries()) {
        const { kernel, buffers, what, flops, bytesMoved } = lowered[i]!;
        if (verify && !this.#numbers.has(kernel)) this.#verifyKernel(kernel, region);
        onStage?.("tiles", request.name, () => `# ${what}\n${printTileKernel(kernel)}`);
        const dispatch: PlanOp = {
          kind: "dispatch",
          kernel: this.#kernel(kernel, what),
          bindings: buffers.map((b) => placeOf(b.stored)),
          grid: kernel.grid,
          what,
          template: region.template,
          flops,
          bytesMoved,
          origins: originsOf(region, this.#options.placeOf),
        };
        this.#options.onKernel?.(dispatch, kernel, region);
        ops.push(dispatch);
      }
    });
    // All kernels have read what the moves replace; the moves have read what the late results replace.
    const moves = moved
      .filter((m) => isMemoryLeaf(m.from))
      .map((m) => ({ from: placeOfInput(m.from), to: resultPlace(m.name) }))
      .filter((m) => !samePlace(m.from, m.to));
    ops.push(...this.#mover.moves(moves));
    for (const l of late) ops.push(...this.#mover.copy(placeOf(l.stored), l.to));
    for (const m of moved)
      if (!isMemoryLeaf(m.from)) ops.push(...this.#mover.copy(resultPlace(computed.get(m.from)!), resultPlace(m.name)));
    for (const r of doubled) ops.push(...this.#mover.copy(resultPlace(nameOf.get(r.value)!), resultPlace(r.name)));

    const resultValues = new Map(simple.results.map((r) => [r.name, r.value]));
    const inputValues = new Map(graphInputs(request.graph).map((v) => [v.attrs.name, v]));
    this.#append({
      name: request.name,
      ops,
      outputs: [...request.read].map((name) => ({
        name,
        at: resultPlace(name),
        dtype: resultValues.get(name)!.dtype,
        shape: resultValues.get(name)!.shape,
      })),
      inputs: [...request.written].flatMap((name) => {
        const v = inputValues.get(name);
        return v ? [{ name, at: request.inputs.get(name)!, dtype: v.dtype, shape: v.shape }] : [];
      }),
      figures: {
        peakBytes: memory.peakBytes,
        liveBytes: memory.liveBytes,
        flops: lowered.reduce((sum, l) => sum + l.flops, 0),
        bytesMoved: lowered.reduce((sum, l) => sum + l.bytesMoved, 0),
      },
    });
  }

  /** A leg that clears places and then does what another leg does; it stands before that one. */
  legAfterClearing(name: string, other: string, clear: readonly PlanBinding[]): void {
    const at = this.#legs.findIndex((l) => l.name === other);
    const leg = this.#legs[at]!;
    this.#legs.splice(at, 0, { ...leg, name, ops: [...clear.map((target): PlanOp => ({ kind: "clear", target })), ...leg.ops] });
  }

  /** The graph over windows of what one binding cannot hold; places of those of inputs and results. */
  #windows(graph: Graph, request: LegRequest): Windowed {
    const limits = this.#windowLimits;
    const isHalf = (name: string): boolean => request.precision?.frozen.has(name) === true;
    if (!hasLarge(graph, limits, isHalf)) return { graph, inputs: new Map(), results: new Map(), halves: [] };
    const made = windowed(graph, limits, request.inputs, request.results, isHalf);
    if (this.#options.verify !== false) requireVerified(made.graph, "windows");
    this.#options.onStage?.("simple", `${request.name} in windows`, () => printGraph(made.graph), made.graph);
    return made;
  }

  /** A leg of a name that is there already goes on where that one ended. */
  #append(leg: PlanLeg): void {
    const at = this.#legs.findIndex((l) => l.name === leg.name);
    const before = this.#legs[at];
    if (!before) {
      this.#legs.push(leg);
      return;
    }
    this.#legs[at] = {
      name: leg.name,
      ops: [...before.ops, ...leg.ops],
      outputs: [...before.outputs, ...leg.outputs],
      inputs: [...before.inputs, ...leg.inputs],
      figures: {
        peakBytes: Math.max(before.figures.peakBytes, leg.figures.peakBytes),
        liveBytes: Math.max(before.figures.liveBytes, leg.figures.liveBytes),
        flops: before.figures.flops + leg.figures.flops,
        bytesMoved: before.figures.bytesMoved + leg.figures.bytesMoved,
      },
    };
  }
  #uniformIndex(name: string): number {
    const index = this.#uniforms.findIndex((u) => u.name === name);
    if (index < 0) throw new Error(`internal: uniform '${name}' is not declared`);
    return index;
  }
  #slotBuffer(slot: number): number {
    let id = this.#slotBuffers.get(slot);
    if (id === undefined) {
      id = this.buffer(`slot${slot}`, 16, "slot").buffer;
      this.#slotBuffers.set(slot, id);
    }
    return id;
  }
  #constant(v: Extract<Value, { readonly op: "table" }>): PlanBinding {
    const numbers = v.attrs.data;
    const bytes = contents(v.dtype, numbers);
    const padded = new Uint8Array(Math.max(16, Math.ceil(bytes.byteLength / 16) * 16));
    padded.set(new Uint8Array(bytes.buffer));
    const data = Buffer.from(padded).toString("base64");
    const key = `${v.dtype} ${data}`;
    let place = this.#constants.get(key);
    if (!place) {
      this.#buffers.push({ name: `constant${this.#constants.size}`, use: "constant", bytes: padded.byteLength, data });
      place = { buffer: this.#buffers.length - 1, offset: 0, bytes: bytes.byteLength };
      this.#constants.set(key, place);
    }
    return place;
  }
  #kernel(kernel: LoweredRegion["kernel"], what: string): number {
    const number = this.#numbers.get(kernel) ?? this.#print(kernel, what);
    this.#numbers.set(kernel, number);
    return number;
  }
  #print(kernel: LoweredRegion["kernel"], what: string): number {
    const printed = printKernel(kernel);
    for (const f of printed.features) this.#features.add(f);
    if (kernel.subgroupSize !== null) this.#features.add("subgroups");
    const known = this.#kernelOf.get(printed.wgsl);
    if (known !== undefined) return known;
    const id = createHash("sha256").update(printed.wgsl).digest("hex").slice(0, 16);
    this.#options.onStage?.("wgsl", id, () => printed.wgsl);
    this.#kernels.push({ id, name: what, wgsl: printed.wgsl, bindings: printed.bindings });
    this.#kernelOf.set(printed.wgsl, this.#kernels.length - 1);
    return this.#kernels.length - 1;
  }
  #verifyKernel(kernel: LoweredRegion["kernel"], region: Region): void {
    const t = this.#target;
    const problems = verifyKernel(kernel, {
      maxWorkgroupSize: 256,
      maxSharedBytes: 16384,
      maxStorageBuffers: t.maxStorageBuffers,
      maxStorageTextures: 4,
      maxWorkgroupsPerDimension: t.maxWorkgroupsPerDimension,
      maxBindingBytes: t.maxBindingBytes,
      subgroupSize: t.subgroupSize,
    });
    if (problems.length === 0) return;
    const where = originsOf(region, this.#options.placeOf)[0] ?? "";
    throw new Error(
      `internal: schedule (${region.template}, ${where}): ${problems
        .map((p) => p.message)
        .slice(0, 4)
        .join("; ")}\n${printTileKernel(kernel)}`,
    );
  }

  finish(program: Plan["program"]): Plan {
    for (const [slot, id] of this.#slotBuffers) this.#buffers[id]!.bytes = Math.max(16, this.#pool.sizes[slot]!);
    if (this.#uniforms.length > 0) this.buffer("uniforms", Math.ceil(this.#uniforms.length / 4) * 16, "uniform");
    const plan: Plan = {
      format: 1,
      compiler: compilerVersion,
      target: { ...this.#target, features: [...this.#features].sort() },
      kernels: this.#kernels,
      buffers: this.#buffers.map(
        (b, id): PlanBuffer => ({ id, name: b.name, bytes: b.bytes, use: b.use, ...(b.data === undefined ? {} : { data: b.data }) }),
      ),
      legs: this.#legs,
      uniforms: this.#uniforms,
      program,
    };
    if (this.#options.verify !== false) {
      const problems = this.#time("verify plan", () => verifyPlan(plan));
      if (problems.length > 0) throw new Error(`internal: plan: ${problems.slice(0, 5).map(printProblem).join("; ")}`);
    }
    this.#options.onStage?.("plan", "", () => printPlan(plan));
    return plan;
  }
}

function contents(dtype: DType, numbers: readonly number[]): Float32Array | Uint16Array | Int32Array | Uint32Array {
  if (dtype === "f32") return Float32Array.from(numbers);
  if (dtype === "f16") return toHalves(numbers);
  return dtype === "i32" ? Int32Array.from(numbers) : Uint32Array.from(numbers);
}

/** The places in the sources that a kernel comes from. */
function originsOf(region: Region, placeOf: CompileOptions["placeOf"]): string[] {
  const values = region.anchors.length > 0 ? region.anchors : region.outputs.map((o) => o.value);
  const places = new Set<string>();
  for (const v of values) for (const { span } of v.origins) places.add(placeOf?.(span) ?? `${span.file}@${span.start}`);
  return [...places].slice(0, 4);
}

/** All memory leaves of a graph by name. */
export function memoryLeaves(graph: Graph): Extract<Value, { readonly op: "input" }>[] {
  return graphValues(graph).filter((v): v is Extract<Value, { readonly op: "input" }> => v.op === "input" && v.attrs.role !== "uniform");
}
