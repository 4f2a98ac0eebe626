import { type CompileOptions, timed } from "./compileOptions.ts";
import { printGraph } from "./ir/print.ts";
import type { Graph, Value } from "./ir/value.ts";
import { requireVerified } from "./ir/verify.ts";
import { graphValues } from "./ir/walk.ts";
import { fromKept, legContent, toKeep } from "./legContent.ts";
import { LegMaker } from "./legMaker.ts";
import { firstSlot, type LegObject, type LegRequest, type MadeLeg, type ObjectKernel, type Place } from "./legObject.ts";
import { cutLoops, hasLoops, type LoopPart, wordsOfRuns } from "./loops.ts";
import { Figures, ItemUniforms, LoopRooms, type RoomPlaces } from "./memory/loopRooms.ts";
import { Mover, type Room } from "./memory/moves.ts";
import { SlotPool } from "./memory/pool.ts";
import { constantData } from "./plan/contents.ts";
import type { UniformDecl } from "./plan/host.ts";
import type { BufferUse, Plan, PlanBinding, PlanBuffer, PlanKernel, PlanLeg, PlanOp, PlanRepeat, PlanTarget } from "./plan/plan.ts";
import { printPlan } from "./plan/print.ts";
import { printProblem, verifyPlan } from "./plan/verify.ts";
import { kernelId } from "./wgsl/print.ts";

// Puts a plan together. In: graphs, and the places of what outlives a leg (inputs, parameters, states, outputs). Each leg is made by itself, or
// taken from where it was kept; here it gets its slots, constants and kernels, which all legs share. The whole is verified.

export const compilerVersion = "0.1.0";

interface DraftBuffer {
  readonly name: string;
  readonly use: BufferUse;
  bytes: number;
  readonly data?: string;
}

export class PlanBuilder {
  readonly #target: PlanTarget;
  readonly #options: CompileOptions;
  readonly #uniforms: UniformDecl[];
  readonly #buffers: DraftBuffer[] = [];
  readonly #kernels: PlanKernel[] = [];
  readonly #maker: LegMaker;
  readonly #kernelOf = new Map<string, number>(); // by text
  readonly #legs: PlanLeg[] = [];
  readonly #pool: SlotPool;
  readonly #slotBuffers = new Map<number, number>();
  readonly #constants = new Map<string, number>(); // by type and content
  readonly #features = new Set<string>();
  readonly #items = new ItemUniforms((decl) => this.#uniforms.push(decl) - 1);
  readonly #loopRooms = new LoopRooms((name) => this.#room(name));
  readonly #mover = new Mover((name) => this.#room(name));

  constructor(target: PlanTarget, uniforms: readonly UniformDecl[], options: CompileOptions) {
    this.#target = target;
    this.#pool = new SlotPool({ alignment: target.offsetAlignment, slotBytes: target.maxBindingBytes });
    this.#uniforms = [...uniforms];
    this.#options = options;
    this.#maker = new LegMaker(target, this.#uniforms, options);
  }

  /** A buffer of `bytes` (rounded up to what buffers may have). */
  buffer(name: string, bytes: number, use: BufferUse): PlanBinding {
    this.#buffers.push({ name, use, bytes: Math.max(16, Math.ceil(bytes / 16) * 16) });
    return { buffer: this.#buffers.length - 1, offset: 0, bytes };
  }

  /** A buffer that grows as it is told. */
  #room(name: string): Room {
    const { buffer } = this.buffer(name, 16, "slot");
    const draft = this.#buffers[buffer]!;
    return { buffer, needs: (bytes) => (draft.bytes = Math.max(draft.bytes, Math.ceil(bytes / 16) * 16)) };
  }

  /** Adds a leg. One with loops is made part by part. */
  leg(request: LegRequest): void {
    if (this.#options.verify !== false) requireVerified(request.graph, "elaborate");
    this.#loopRooms.begin();
    const made = this.#made(request, 0);
    const clear = (request.clear ?? []).map((target): PlanOp => ({ kind: "clear", target }));
    this.#append({ ...made, name: request.name, ops: [...clear, ...made.ops] });
  }
  #made(request: LegRequest, depth: number): PlanLeg {
    return hasLoops(request.graph) ? this.#looped(request, depth) : this.#whole(request);
  }

  /** The parts of a leg with loops, one after the other. `depth`: how many loops are around it. */
  #looped(request: LegRequest, depth: number): PlanLeg {
    this.#options.onStage?.("simple", request.name, () => printGraph(request.graph), request.graph);
    const prefix = depth === 0 ? "" : `${request.name}.`;
    const { parts, stores } = timed(this.#options, "loops", () => cutLoops(request.graph, prefix, (n) => this.#items.names(depth, n)));
    const room = this.#loopRooms.places(stores);
    const inputs = new Map([...request.inputs, ...room.places]);
    const results = new Map([...request.results, ...room.places]);
    const ops: PlanOp[] = [];
    const outputs: PlanLeg["outputs"][number][] = [];
    const written = new Map<string, PlanLeg["inputs"][number]>();
    const figures = new Figures();
    for (const [i, part] of parts.entries()) {
      const graph = part.kind === "loop" ? part.body : part.graph;
      const read = new Set(graph.results.map((r) => r.name).filter((name) => request.read.has(name)));
      const own = { ...request, name: part.kind === "loop" ? part.name : request.name, graph, inputs, results, read };
      const made = this.#made(own, depth + (part.kind === "loop" ? 1 : 0));
      ops.push(...(part.kind === "loop" ? [this.#repeat(part, made.ops, room.places, depth)] : made.ops));
      outputs.push(...made.outputs);
      for (const input of made.inputs) written.set(input.name, input);
      figures.add(made.figures, room.alive(i), part.kind === "loop" ? part.count : 1);
    }
    return { name: request.name, ops, outputs, inputs: [...written.values()], figures: figures.with(room.bytes) };
  }
  #repeat(loop: Extract<LoopPart, { kind: "loop" }>, ops: readonly PlanOp[], places: RoomPlaces["places"], depth: number): PlanRepeat {
    const uniform = this.#items.first(depth, loop.items.length);
    const { words, perRun } = wordsOfRuns(loop);
    const known = perRun === 0 ? [] : [{ from: this.#constantWords(words), uniform, words: perRun }];
    const computed = loop.items.flatMap((item, k) =>
      item.kind === "tensor" ? [{ from: places.get(item.name)!, uniform: uniform + k, words: 1 }] : [],
    );
    const every = loop.every.map(({ one, all }) => ({ from: places.get(one)!, to: places.get(all)! }));
    return { kind: "repeat", count: loop.count, what: loop.body.name, items: [...known, ...computed], ops, every };
  }
  #constantWords(words: Uint32Array): PlanBinding {
    const { bytes, data } = constantData(words);
    return { buffer: this.#constant({ dtype: "u32", bytes, data }), offset: 0, bytes: words.byteLength };
  }

  /** A leg without loops: made now, or one of this content that was made earlier. */
  #whole(request: LegRequest): PlanLeg {
    const { request: own, buffers } = numberedAlone(request);
    const { legs: store } = this.#options;
    const content = store === undefined ? null : timed(this.#options, "content", () => legContent(own, this.#uniforms));
    const kept = content === null ? null : store!.take(content.key, request.name);
    if (kept !== null) {
      return this.#link(request, fromKept(kept, content!), buffers, null);
    }
    const { object, sources } = this.#maker.make(own, buffers.length);
    if (content !== null) store!.keep(content.key, request.name, toKeep(object, content));
    return this.#link(request, object, buffers, sources);
  }

  /** Gives a leg's tensors slots, its constants buffers and its kernels numbers, all shared with the other legs. */
  #link(request: LegRequest, object: LegObject, buffers: readonly number[], sources: MadeLeg["sources"] | null): PlanLeg {
    const { placeOf = ({ file, start }: Place) => `${file}@${start}` } = this.#options;
    const memory = timed(this.#options, "memory", () => this.#pool.assign(object.tenancies));
    const constants = object.constants.map((constant) => this.#constant(constant));
    const at = (binding: PlanBinding): PlanBinding => {
      const { buffer, offset } = binding;
      if (buffer < object.given) return { ...binding, buffer: buffers[buffer]! };
      if (buffer < firstSlot) return { ...binding, buffer: constants[buffer - object.given]! };
      const place = memory.places[buffer - firstSlot]!;
      return { ...binding, buffer: this.#slotBuffer(place.slot), offset: place.offset + offset };
    };
    const kernels = object.kernels.map((kernel) => this.#kernel(kernel));
    const ops: PlanOp[] = [];
    let dispatches = 0;
    for (const op of object.ops) {
      switch (op.kind) {
        case "dispatch": {
          const dispatch: PlanOp = {
            ...op,
            kernel: kernels[op.kernel]!,
            bindings: op.bindings.map(at),
            origins: [...new Set(op.origins.map(placeOf))],
          };
          const source = sources?.[dispatches++];
          if (source) this.#options.onKernel?.(dispatch, source.kernel, source.region);
          ops.push(dispatch);
          break;
        }
        case "copy":
          ops.push(...this.#mover.copy(at(op.from), at(op.to)));
          break;
        case "moves":
          ops.push(...this.#mover.moves(op.moves.map(({ from, to }) => ({ from: at(from), to: at(to) }))));
          break;
        default:
          op satisfies never;
      }
    }
    const placed = <T extends { readonly at: PlanBinding }>(named: readonly T[]): T[] => named.map((one) => ({ ...one, at: at(one.at) }));
    return {
      name: request.name,
      ops,
      outputs: placed(object.outputs),
      inputs: placed(object.inputs),
      figures: { peakBytes: memory.peakBytes, liveBytes: memory.liveBytes, flops: object.flops, bytesMoved: object.bytesMoved },
    };
  }

  /** A leg that clears places and then does what another leg does; it stands before that one. */
  legAfterClearing(name: string, other: string, clear: readonly PlanBinding[]): void {
    const at = this.#legs.findIndex((l) => l.name === other);
    const leg = this.#legs[at]!;
    this.#legs.splice(at, 0, { ...leg, name, ops: [...clear.map((target): PlanOp => ({ kind: "clear", target })), ...leg.ops] });
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
  #slotBuffer(slot: number): number {
    let id = this.#slotBuffers.get(slot);
    if (id === undefined) {
      id = this.buffer(`slot${slot}`, 16, "slot").buffer;
      this.#slotBuffers.set(slot, id);
    }
    return id;
  }
  #constant({ dtype, bytes, data }: LegObject["constants"][number]): number {
    const key = `${dtype} ${data}`;
    let buffer = this.#constants.get(key);
    if (buffer === undefined) {
      buffer = this.#buffers.push({ name: `constant${this.#constants.size}`, use: "constant", bytes, data }) - 1;
      this.#constants.set(key, buffer);
    }
    return buffer;
  }
  #kernel({ name, wgsl, bindings, features }: ObjectKernel): number {
    for (const f of features) this.#features.add(f);
    let number = this.#kernelOf.get(wgsl);
    if (number === undefined) {
      number = this.#kernels.push({ id: kernelId(wgsl), name, wgsl, bindings }) - 1;
      this.#kernelOf.set(wgsl, number);
    }
    return number;
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
      const problems = timed(this.#options, "verify plan", () => verifyPlan(plan));
      if (problems.length > 0) throw new Error(`internal: plan: ${problems.slice(0, 5).map(printProblem).join("; ")}`);
    }
    this.#options.onStage?.("plan", "", () => printPlan(plan));
    return plan;
  }
}

/** A leg's request with its buffers numbered from 0 on, as it meets them, and what these are in the plan. */
function numberedAlone(request: LegRequest): { readonly request: LegRequest; readonly buffers: readonly number[] } {
  const numbers = new Map<number, number>();
  const alone = (binding: PlanBinding): PlanBinding => {
    let number = numbers.get(binding.buffer);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(binding.buffer, number);
    }
    return { ...binding, buffer: number };
  };
  const places = (names: readonly string[], of: ReadonlyMap<string, PlanBinding>) =>
    new Map(
      names.flatMap((name) => {
        const place = of.get(name);
        return place === undefined ? [] : [[name, alone(place)] as const];
      }),
    );
  const inputs = places(
    memoryLeaves(request.graph).map((v) => v.attrs.name),
    request.inputs,
  );
  const results = places(
    request.graph.results.map((r) => r.name),
    request.results,
  );
  return { request: { ...request, inputs, results }, buffers: [...numbers.keys()] };
}

/** All memory leaves of a graph by name. */
export function memoryLeaves(graph: Graph): Extract<Value, { readonly op: "input" }>[] {
  return graphValues(graph).filter((v): v is Extract<Value, { readonly op: "input" }> => v.op === "input" && v.attrs.role !== "uniform");
}
