import { type CompileOptions, timed } from "./compileOptions.ts";
import { cluster } from "./fuse/cluster.ts";
import { isMemoryLeaf } from "./fuse/kinds.ts";
import { prepare, shortConcats } from "./fuse/prepare.ts";
import { makeStored, type Region, type Stored } from "./fuse/region.ts";
import { verifyLaid } from "./fuse/verify.ts";
import { printGraph } from "./ir/print.ts";
import type { Graph, Value } from "./ir/value.ts";
import { requireVerified } from "./ir/verify.ts";
import { graphInputs, graphValues } from "./ir/walk.ts";
import { layout, printLaid } from "./layout.ts";
import { firstSlot, type LegObject, type LegRequest, type MadeLeg, type ObjectKernel, type ObjectOp, type Place } from "./legObject.ts";
import { lifetimes } from "./memory/lifetimes.ts";
import { changingInputs, computedAgain, orderRegions } from "./memory/order.ts";
import { bytesOf, samePlace } from "./memory/place.ts";
import { computedResults, type Lower, placeResults } from "./memory/results.ts";
import { takeOver } from "./memory/takeover.ts";
import { attendsInWindows, hasLarge, TooLarge, type Windowed, type WindowLimits, windowed } from "./memory/windows.ts";
import { constantData, contents } from "./plan/contents.ts";
import type { UniformDecl } from "./plan/host.ts";
import { stripesKind, texelBytesOf } from "./plan/operandTexture.ts";
import type { PlanBinding, PlanTarget } from "./plan/plan.ts";
import { applyPrecision } from "./precision.ts";
import { type AttendValue, attendFits } from "./schedule/attend.ts";
import { HalfForms } from "./schedule/halves.ts";
import type { LoweredRegion } from "./schedule/lower.ts";
import { Lowering } from "./schedule/lowering.ts";
import { Simplifier, simplify, stripMarkers } from "./simplify/simplify.ts";
import { printTileKernel } from "./tile/print.ts";
import type { TileBuffer } from "./tile/tile.ts";
import { kernelLimits, verifyKernel } from "./tile/verify.ts";
import { kernelId, printKernel } from "./wgsl/print.ts";

// Makes legs. In: a leg's graph, and the places of what outlives it. Out: the leg as an object that knows nothing of its plan. It goes through
// simplify, fuse, layout, schedule, memory and printing; the legs of one plan share kernels by content. Every level is verified.

export class LegMaker {
  readonly #target: PlanTarget;
  readonly #options: CompileOptions;
  readonly #uniforms: readonly UniformDecl[];
  readonly #lowering: Lowering;
  readonly #printed = new Map<LoweredRegion["kernel"], ObjectKernel>(); // of what was verified and printed
  readonly #texts = new Set<string>();

  constructor(target: PlanTarget, uniforms: readonly UniformDecl[], options: CompileOptions) {
    this.#target = target;
    this.#uniforms = uniforms;
    this.#options = options;
    const { schedules } = options;
    this.#lowering = new Lowering({
      uniformIndex: (name) => this.#uniformIndex(name),
      target: schedules === undefined ? target : { ...target, schedules },
    });
  }

  get #windowLimits(): WindowLimits {
    return { bindingBytes: this.#target.maxBindingBytes, offsetAlignment: this.#target.offsetAlignment };
  }
  #uniformIndex(name: string): number {
    const index = this.#uniforms.findIndex((u) => u.name === name);
    if (index < 0) throw new Error(`internal: uniform '${name}' is not declared`);
    return index;
  }

  /** Makes a leg whose buffers have numbers from 0 on. `given`: how many these are. */
  make(request: LegRequest, given: number): MadeLeg {
    const { onStage, verify = true } = this.#options;
    const simple = timed(this.#options, "simplify", () => {
      const isWhole = (call: Value): boolean =>
        attendFits(call as AttendValue, this.#target.maxStorageBuffers) && attendsInWindows(call, this.#windowLimits);
      const plain = stripMarkers(request.graph, (call) => !isWhole(call));
      return this.#options.simplify === false ? plain : simplify(plain, new Simplifier());
    });
    if (verify) requireVerified(simple, "simplify");
    onStage?.("simple", request.name, () => printGraph(simple), simple);
    const windows = timed(this.#options, "windows", () => this.#windows(simple, request));
    const inputPlaceOf = new Map([...request.inputs, ...windows.inputs]);
    const resultPlaceOf = new Map([...request.results, ...windows.results]);
    const precision = request.precision && {
      ...request.precision,
      frozen: new Set([...request.precision.frozen, ...windows.halves]),
    };
    const { computed, moved } = computedResults(windows.graph, (v) => v.op === "input" && precision?.frozen.has(v.attrs.name) === true);
    const { maxStorageBuffers: maxBuffers, maxBindingBytes: maxBytes, adapterClass } = this.#target;
    const limits = { fuse: this.#options.fuse !== false, maxBuffers, maxBytes, adapterClass };
    const prepared = timed(this.#options, "prepare", () => {
      const wanted: Graph = { name: simple.name, results: [...computed].map(([value, name]) => ({ name, value })) };
      return shortConcats(this.#options.fuse === false ? wanted : prepare(wanted, adapterClass), maxBuffers);
    });
    const graph = precision
      ? timed(this.#options, "precision", () => applyPrecision(prepared, precision, cluster(prepared, limits).stored))
      : prepared;
    if (precision) {
      if (verify) requireVerified(graph, "precision");
      onStage?.("precise", request.name, () => printGraph(graph), graph);
    }
    const nameOf = new Map(graph.results.map((r) => [r.value, r.name]));
    // Preparing may have made two results one value.
    const doubled = graph.results.filter((r) => nameOf.get(r.value) !== r.name);
    const clusters = timed(this.#options, "fuse", () => cluster(graph, limits));
    const laid = timed(this.#options, "layout", () => layout(clusters, new Set(graph.results.map((r) => r.value)), limits));
    if (verify) {
      const problems = verifyLaid(laid, graph, this.#target.maxStorageBuffers);
      if (problems.length > 0) throw new Error(`internal: fuse (leg ${request.name}): ${problems.slice(0, 4).join("; ")}`);
    }
    onStage?.("fused", request.name, () => printLaid(laid));
    const kept = [...graphValues(graph).filter(isMemoryLeaf), ...laid.regions.flatMap((r) => r.outputs.map((o) => o.value))];
    const large = kept.find((v) => bytesOf(v) > this.#target.maxBindingBytes);
    if (large) throw new TooLarge(large, this.#windowLimits, "it cannot be read in parts");

    const constants = new Constants(given);
    const placeOfInput = (v: Value): PlanBinding => {
      if (v.op === "table") return constants.place(v);
      if (v.op !== "input") throw new Error(`internal: %${v.id} has no place`);
      const place = inputPlaceOf.get(v.attrs.name);
      if (!place) throw new Error(`internal: leg ${request.name}: input '${v.attrs.name}' has no place`);
      return place;
    };

    const again = computedAgain(graph);
    const changes = changingInputs(laid.regions, nameOf, resultPlaceOf, placeOfInput);
    const slotBytes = ({ value }: Stored): number => (nameOf.has(value) ? 0 : bytesOf(value));
    const regions = timed(this.#options, "order", () =>
      orderRegions({ regions: laid.regions, changes, isAgain: (v) => again.has(v), slotBytes }),
    );
    const inPlace = this.#options.inPlace !== false;
    const halves = new HalfForms(this.#target.shaderF16, precision?.policy.products === "f16");
    const storedBytes = (s: Stored): number => bytesOf({ shape: s.value.shape, dtype: halves.of(s) === "wide" ? "f32" : s.value.dtype });
    const lower: Lower = (region, takeover) => this.#lowering.lower(region, takeover, halves);
    const copiedAtEnd = moved.map((m) => m.from).filter(isMemoryLeaf);
    const results = timed(this.#options, "schedule", () =>
      placeResults(
        { regions, nameOf, places: resultPlaceOf, placeOfInput, copiedAtEnd, inPlace, offsetAlignment: this.#target.offsetAlignment },
        lower,
      ),
    );
    const { direct, late } = results;
    for (const r of graph.results)
      if (halves.of(makeStored(r.value)) === "wide") throw new Error(`internal: leg ${request.name}: result '${r.name}' cannot be packed`);
    const { lowered, tenancies } = timed(this.#options, "memory", () => {
      const lateOnes = late.map((l) => l.stored);
      const apart = lifetimes(regions, results.lowered, (id) => direct.has(id), lateOnes, storedBytes);
      return inPlace ? takeOver(regions, results.lowered, apart, results.takeovers, lower) : { lowered: results.lowered, tenancies: apart };
    });
    const slotOf = new Map(tenancies.flatMap((t, i) => t.tenants.map((s) => [s.id, firstSlot + i])));
    const placeOf = (stored: Stored): PlanBinding => {
      const final = direct.get(stored.id);
      if (final) return final;
      const buffer = slotOf.get(stored.id);
      return buffer === undefined ? placeOfInput(stored.value) : { buffer, offset: 0, bytes: storedBytes(stored) };
    };
    const ops: ObjectOp[] = [];
    const kernels: ObjectKernel[] = [];
    const numbers = new Map<ObjectKernel, number>();
    const numberOf = (kernel: ObjectKernel): number => {
      let number = numbers.get(kernel);
      if (number === undefined) {
        number = kernels.push(kernel) - 1;
        numbers.set(kernel, number);
      }
      return number;
    };
    const sources: MadeLeg["sources"][number][] = [];
    const resultPlace = (name: string): PlanBinding => {
      const place = resultPlaceOf.get(name);
      if (!place) throw new Error(`internal: leg ${request.name}: result '${name}' has no place`);
      return place;
    };
    timed(this.#options, "print", () => {
      for (const [i, region] of regions.entries()) {
        const { kernel, buffers, what, flops, bytesMoved } = lowered[i]!;
        if (verify && !this.#printed.has(kernel)) this.#verifyKernel(kernel, region);
        onStage?.("tiles", request.name, () => `# ${what}\n${printTileKernel(kernel)}`);
        ops.push({
          kind: "dispatch",
          kernel: numberOf(this.#print(kernel, what)),
          bindings: buffers.map(({ stored, tile }) => ({ ...placeOf(stored), ...rowsInStripes(tile) })),
          grid: kernel.grid,
          what,
          template: region.template,
          flops,
          bytesMoved,
          origins: originsOf(region),
        });
        sources.push({ kernel, region });
      }
    });
    // All kernels have read what the moves replace; the moves have read what the late results replace.
    const moves = moved
      .filter((m) => isMemoryLeaf(m.from))
      .map((m) => ({ from: placeOfInput(m.from), to: resultPlace(m.name) }))
      .filter((m) => !samePlace(m.from, m.to));
    if (moves.length > 0) ops.push({ kind: "moves", moves });
    const copy = (from: PlanBinding, to: PlanBinding) => ops.push({ kind: "copy", from, to });
    for (const l of late) copy(placeOf(l.stored), l.to);
    for (const m of moved) if (!isMemoryLeaf(m.from)) copy(resultPlace(computed.get(m.from)!), resultPlace(m.name));
    for (const r of doubled) copy(resultPlace(nameOf.get(r.value)!), resultPlace(r.name));

    const resultValues = new Map(simple.results.map((r) => [r.name, r.value]));
    const inputValues = new Map(graphInputs(request.graph).map((v) => [v.attrs.name, v]));
    const object: LegObject = {
      given,
      constants: constants.all,
      tenancies: tenancies.map(({ bytes, from, to, reads, writes }) => ({ bytes, from, to, reads, writes })),
      kernels,
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
      flops: lowered.reduce((sum, l) => sum + l.flops, 0),
      bytesMoved: lowered.reduce((sum, l) => sum + l.bytesMoved, 0),
    };
    return { object, sources };
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

  #print(kernel: LoweredRegion["kernel"], what: string): ObjectKernel {
    let made = this.#printed.get(kernel);
    if (made === undefined) {
      const { wgsl, bindings, features } = printKernel(kernel);
      made = { name: what, wgsl, bindings, features };
      this.#printed.set(kernel, made);
      if (!this.#texts.has(wgsl)) this.#options.onStage?.("wgsl", kernelId(wgsl), () => wgsl);
      this.#texts.add(wgsl);
    }
    return made;
  }
  #verifyKernel(kernel: LoweredRegion["kernel"], region: Region): void {
    const problems = verifyKernel(kernel, kernelLimits(this.#target));
    if (problems.length === 0) return;
    const where = originsOf(region).map((span) => this.#options.placeOf?.(span) ?? `${span.file}@${span.start}`)[0] ?? "";
    throw new Error(
      `internal: schedule (${region.template}, ${where}): ${problems
        .map((p) => p.message)
        .slice(0, 4)
        .join("; ")}\n${printTileKernel(kernel)}`,
    );
  }
}

/** The constants of a leg by content, numbered behind the buffers that it is given. */
class Constants {
  readonly all: LegObject["constants"][number][] = [];
  readonly #given: number;
  readonly #places = new Map<string, PlanBinding>();

  constructor(given: number) {
    this.#given = given;
  }
  place(v: Extract<Value, { readonly op: "table" }>): PlanBinding {
    const held = contents(v.dtype, v.attrs.data);
    const { bytes, data } = constantData(held);
    const key = `${v.dtype} ${data}`;
    let place = this.#places.get(key);
    if (!place) {
      this.all.push({ dtype: v.dtype, bytes, data });
      place = { buffer: this.#given + this.all.length - 1, offset: 0, bytes: held.byteLength };
      this.#places.set(key, place);
    }
    return place;
  }
}

/** The places in the sources that a kernel comes from. */
function originsOf(region: Region): Place[] {
  const values = region.anchors.length > 0 ? region.anchors : region.outputs.map((o) => o.value);
  const places = new Map<string, Place>();
  for (const v of values)
    for (const { span } of v.origins) if (!places.has(`${span.file}@${span.start}`)) places.set(`${span.file}@${span.start}`, span);
  return [...places.values()].slice(0, 4);
}

/** What a fill of a texture in stripes must know of the matrix. */
function rowsInStripes({ rowVectors, half }: TileBuffer): { readonly rowBytes?: number } {
  return rowVectors === undefined ? {} : { rowBytes: rowVectors * texelBytesOf[stripesKind(half !== undefined)] };
}
