import { gradient } from "./autodiff.ts";
import { type CompileOptions, timed } from "./compileOptions.ts";
import type { Leaf, StepKind, TrainProgram } from "./elaborate/program.ts";
import { Builder } from "./ir/builder.ts";
import { inlineReadCalls } from "./ir/calls.ts";
import { printGraph } from "./ir/print.ts";
import type { Graph, GraphResult, Value } from "./ir/value.ts";
import { rebuild } from "./ir/walk.ts";
import { continued, isGradient, readsOf, type Waits, waitsOf } from "./legs.ts";
import { bytesOf } from "./memory/place.ts";
import type { Plan, PlanBinding, PlanTarget, StoredTensor, TrainPlan } from "./plan/plan.ts";
import { memoryLeaves, PlanBuilder } from "./planBuilder.ts";
import { isFullPrecision } from "./precision.ts";
import { rematerialise } from "./remat.ts";
import { type AxisOrder, asStored, parameterOrders, readAsStored, storedInput } from "./storageOrder.ts";
import { frozenType, orderOf, storedLeaves } from "./storedLeaves.ts";

// Train blocks. In: an elaborated train block, nothing differentiated. Out: a verified plan. It decides where what outlives a leg lies: trained
// parameters, their gradients and the optimiser's moments in flat parallel arenas, everything else in buffers of its own; each alternative of a
// step is one leg behind the legs that end in what the host waits for. Where an update sums several gradients it adds to them, and a second leg
// clears them first.

/** A train block as a plan. */
export function compileTrain(train: TrainProgram, sourceHash: string, target: PlanTarget, options: CompileOptions = {}): Plan {
  return new TrainCompiler(train, target, options).compile(sourceHash);
}

/** A way through a step: what it computes forwards, the same with its gradients, what must be cleared first, and whether there is a loss. */
interface PathGraph {
  readonly forward: Graph;
  readonly graph: Graph;
  readonly clear: readonly PlanBinding[];
  readonly minimises: boolean;
  readonly builder: Builder;
}

class TrainCompiler {
  readonly #train: TrainProgram;
  readonly #options: CompileOptions;
  readonly #builder: PlanBuilder;
  readonly #params: PlanBinding;
  readonly #grads: PlanBinding;
  readonly #places = new Map<string, PlanBinding>(); // of leaves, by path
  readonly #states = new Map<string, PlanBinding>(); // of the optimiser, by the names of its graph
  readonly #inputs = new Map<string, PlanBinding>();
  readonly #outputs = new Map<string, PlanBinding>();
  /** Values that cross from one leg of a step to a later one. */
  readonly #kept = new Map<string, PlanBinding>();
  readonly #orders: ReadonlyMap<string, AxisOrder>; // of parameters, by path

  constructor(train: TrainProgram, target: PlanTarget, options: CompileOptions) {
    this.#train = train;
    this.#options = options;
    this.#builder = new PlanBuilder(target, train.uniforms, options);
    this.#orders = train.optimizer.byTensor ? new Map() : parameterOrders(graphsOf(train));
    const bytes = 4 * train.arena.size;
    this.#params = this.#builder.buffer("params", bytes, "persistent");
    this.#grads = this.#builder.buffer("grads", bytes, "persistent");
    const slices = new Map(train.arena.slices.map((s) => [s.path, s]));
    for (const leaf of train.leaves) {
      const slice = slices.get(leaf.path);
      const place = slice
        ? { buffer: this.#params.buffer, offset: 4 * slice.offset, bytes: 4 * slice.size }
        : this.#builder.buffer(leaf.path, bytesOf({ shape: leaf.shape, dtype: this.#dtypeOf(leaf) }), "persistent");
      this.#places.set(leaf.path, place);
    }
    for (const { name, value } of train.optimizer.start.results)
      this.#states.set(name, this.#builder.buffer(name.replace("state.", "optimizer."), bytesOf(value), "persistent"));
  }

  compile(sourceHash: string): Plan {
    const { settings, optimizer } = this.#train;
    this.#init();
    const steps = this.#train.steps.map((step) => this.#step(step));
    this.#update();
    const { prompts, tables } = this.#train;
    const copyLeg = this.#copies();
    const preview = this.#preview();
    return this.#builder.finish({
      kind: "train",
      name: this.#train.name,
      sourceHash,
      settings: {
        batch: settings.batch,
        microSteps: settings.microSteps,
        accumulate: settings.accumulate.count,
        saveEvery: settings.saveEvery,
        logEvery: settings.logEvery,
        seed: settings.seed,
      },
      mix: this.#train.mix,
      steps,
      initLeg: "init",
      updateLeg: "update",
      stored: [
        ...storedLeaves(this.#train.leaves, this.#places, (l) => this.#dtypeOf(l), this.#orders),
        ...this.#storedOptimizer(optimizer.states),
      ],
      datasets: this.#train.datasets,
      models: this.#train.models,
      unreached: this.#train.unreached,
      ...(prompts.length === 0 ? {} : { prompts }),
      ...(tables.length === 0 ? {} : { tables }),
      ...(copyLeg === null ? {} : { copyLeg }),
      ...(preview === null ? {} : { preview }),
    });
  }

  /** The leg that makes pictures on the way. */
  #preview(): TrainPlan["preview"] | null {
    const { preview, builder: b } = this.#train;
    if (preview === null) return null;
    const graph = readAsStored(inlineReadCalls(preview.graph, b), b, this.#orders);
    this.#leg("preview", graph, graph, [], new Set(graph.results.map((r) => r.name)));
    return { every: preview.every, leg: "preview" };
  }

  /** Copies of models, filled once from what these are when the run starts. */
  #copies(): string | null {
    const { copies, leaves, builder: b } = this.#train;
    if (copies.length === 0) return null;
    const byPath = new Map(leaves.map((leaf) => [leaf.path, leaf]));
    const results = copies.map(({ from, to }): GraphResult => {
      const leaf = byPath.get(from)!;
      const value = storedInput(b, from, leaf, this.#orders.get(from));
      return { name: to, value: asStored(b, b.cast(value, this.#dtypeOf(byPath.get(to)!)), this.#orders.get(to)) };
    });
    const graph: Graph = { name: "copy", results };
    this.#builder.leg({
      name: "copy",
      graph,
      inputs: this.#places,
      results: this.#places,
      written: new Set(),
      read: new Set(),
    });
    return "copy";
  }

  /** The legs of a step: for each way what is read first, then the rest. */
  #step(step: StepKind): TrainPlan["steps"][number] {
    const { accumulate } = this.#train.settings;
    const many = step.alternatives.length > 1;
    const graphs = new Map<
      Graph,
      Pick<PathGraph, "minimises"> & { readonly first: string; readonly next: string; readonly reads: readonly string[] }
    >();
    const adds = accumulate.count > 1;
    // Ways that the host waits on share what comes before the wait, so they are made together; any other is made by itself and forgotten.
    const together = step.alternatives.some(({ reads }) => reads.length > 0) ? new Builder() : null;
    const pathOf = (graph: Graph): PathGraph => this.#pathGraph(graph, together ?? new Builder(), adds);
    const whole = new Map(
      together === null ? [] : [...new Set(step.alternatives.map(({ graph }) => graph))].map((graph) => [graph, pathOf(graph)] as const),
    );
    const paths = [...whole.values()].map((path) => path.graph);
    const waits = together === null ? null : this.#waits(step.name, together, paths);
    const alternatives = step.alternatives.map(({ key, graph, reads, ended, tables, notes }, i) => {
      let legs = graphs.get(graph);
      if (!legs) {
        const name = many ? `${step.name}.${i}` : step.name;
        const path = whole.get(graph) ?? pathOf(graph);
        const before = waits?.before(path.graph) ?? { legs: [], kept: new Map<Value, string>() };
        const [first, next] = [`${name}.first`, adds ? `${name}.next` : `${name}.first`];
        this.#stepLeg(next, path, before.kept);
        // Beginning is adding to nothing: the same kernels, once the gradients are cleared.
        if (adds) this.#builder.legAfterClearing(first, next, path.minimises ? [this.#grads] : []);
        legs = { first, next, reads: before.legs, minimises: path.minimises };
        graphs.set(graph, legs);
      }
      const { first, next, minimises } = legs;
      return {
        key,
        first,
        next,
        minimises,
        ...(reads.length === 0 ? {} : { reads: reads.map((r, k) => ({ ...r, leg: legs.reads[k]! })) }),
        ...(ended === null ? {} : { ended }),
        ...(tables.length === 0 ? {} : { tables }),
        ...(Object.keys(notes).length === 0 ? {} : { notes }),
      };
    });
    return { name: step.name, dataset: step.dataset, choices: step.choices, alternatives };
  }

  /** Makes the legs that end in what the host waits for. */
  #waits(step: string, b: Builder, graphs: readonly Graph[]): Waits {
    const waits = waitsOf(step, graphs);
    for (const { name, results, earlier } of waits.legs) {
      const [read, ...kept] = results;
      for (const { name: keptName, value } of kept)
        if (!this.#kept.has(keptName)) this.#kept.set(keptName, this.#builder.buffer(keptName, bytesOf(value), "persistent"));
      this.#leg(name, continued({ name, results }, b, earlier), { name, results }, [], new Set([read.name]));
    }
    return waits;
  }

  /** Parameters that no step changes may lie in f16. */
  #dtypeOf(leaf: Leaf): "f32" | "f16" {
    const { precision, arena } = this.#train;
    return frozenType(precision, leaf.role === "param" && !arena.slices.some((s) => s.path === leaf.path));
  }

  #storedOptimizer(states: TrainProgram["optimizer"]["states"]): StoredTensor[] {
    const keys = new Map(this.#train.leaves.map((l) => [l.path, l]));
    return states.flatMap((s): StoredTensor[] => {
      const place = this.#states.get(s.at.input)!;
      const at = { buffer: place.buffer, offset: place.offset + 4 * s.at.place, bytes: 4 };
      if (!s.arena) return [{ key: `optimizer.${s.name}`, role: "optimizer", shape: [], dtype: "f32", at }];
      return this.#train.arena.slices.map((slice) => ({
        key: `optimizer.${s.name}/${keys.get(slice.path)!.key}`,
        role: "optimizer",
        shape: keys.get(slice.path)!.shape,
        ...orderOf(this.#orders, slice.path),
        dtype: "f32",
        at: { buffer: place.buffer, offset: 4 * slice.offset, bytes: 4 * slice.size },
      }));
    });
  }

  /** Fills parameters and module state, then the optimiser's state, which may start from the parameters. */
  #init(): void {
    const { leaves, optimizer } = this.#train;
    const b = this.#train.builder;
    const results: GraphResult[] = leaves.map((l) => ({
      name: l.path,
      value: asStored(b, b.cast(l.init, this.#dtypeOf(l)), this.#orders.get(l.path)),
    }));
    this.#builder.leg({
      name: "init",
      graph: { name: "init", results },
      inputs: new Map(),
      results: this.#places,
      written: new Set(),
      read: new Set(),
      clear: [this.#params, this.#grads, ...this.#states.values()],
    });
    this.#builder.leg({
      name: "init",
      graph: optimizer.start,
      inputs: new Map([["params", this.#params]]),
      results: this.#states,
      written: new Set(),
      read: new Set(),
    });
  }

  /** A way through a step with its gradients, which begin an update's or add to them, all made by one builder. */
  #pathGraph(graph: Graph, b: Builder, adds: boolean): PathGraph {
    const forward = readAsStored(rebuild(inlineReadCalls(graph, this.#train.builder), b), b, this.#orders);
    const inputOf = new Map(memoryLeaves(forward).map((v) => [v.attrs.name, v]));
    const slices = this.#train.arena.slices;
    const loss = forward.results.find((r) => r.name === "loss")?.value;
    const results: GraphResult[] = [...forward.results];
    const clear: PlanBinding[] = [];
    if (loss) {
      const trained = slices.filter((s) => inputOf.has(s.path));
      const wanted = trained.map((s) => inputOf.get(s.path)!);
      const gradients = timed(this.#options, "autodiff", () => gradient(b, loss, wanted));
      for (const [i, slice] of trained.entries()) {
        const value = gradients[i]!;
        const name = `grad.${slice.path}`;
        results.push({ name, value: adds ? b.add(b.input(name, value.shape, { role: "grad" }), value) : value });
      }
      if (!adds && trained.length < slices.length) clear.push(this.#grads);
    }
    const whole: Graph = { name: forward.name, results };
    const isForward = (name: string): boolean => !isGradient(name);
    return {
      forward,
      graph: timed(this.#options, "remat", () => rematerialise(whole, b, isForward, this.#train.remat)),
      clear,
      minimises: loss !== undefined,
      builder: b,
    };
  }

  /** The last leg of a way: everything but what has been read and kept before. */
  #stepLeg(name: string, path: PathGraph, kept: ReadonlyMap<Value, string>): void {
    this.#options.onStage?.("tensor", name, () => printGraph(path.forward), path.forward);
    const rest: Graph = { name, results: [...readsOf(path.graph).rest] };
    const graph = kept.size === 0 ? rest : continued(rest, path.builder, kept);
    const read = new Set(rest.results.map((r) => r.name).filter((n) => n === "loss" || n.startsWith("log.")));
    this.#leg(name, graph, rest, path.clear, read);
  }

  #leg(name: string, graph: Graph, written: Graph, clear: readonly PlanBinding[], read: ReadonlySet<string>): void {
    this.#options.onStage?.("grad", name, () => printGraph(graph), graph);
    const slices = new Map(this.#train.arena.slices.map((s) => [s.path, s]));
    const gradPlace = (result: string): PlanBinding => {
      const slice = slices.get(result.slice("grad.".length))!;
      return { buffer: this.#grads.buffer, offset: 4 * slice.offset, bytes: 4 * slice.size };
    };
    const places = new Map<string, PlanBinding>();
    for (const r of written.results) {
      if (r.name.startsWith("update.")) places.set(r.name, this.#places.get(r.name.slice("update.".length))!);
      else if (isGradient(r.name)) places.set(r.name, gradPlace(r.name));
      else places.set(r.name, this.#kept.get(r.name) ?? this.#output(r.name, r.value));
    }
    const inputs = new Map<string, PlanBinding>();
    const hostWritten = new Set<string>();
    for (const v of memoryLeaves(graph)) {
      const input = v.attrs.name;
      if (v.attrs.role === "grad") inputs.set(input, gradPlace(input));
      const kept = this.#kept.get(input);
      if (kept) inputs.set(input, kept);
      if (v.attrs.role !== "data") continue;
      if (!this.#inputs.has(input)) this.#inputs.set(input, this.#builder.buffer(input, bytesOf(v), "input"));
      inputs.set(input, this.#inputs.get(input)!);
      hostWritten.add(input);
    }
    for (const [path, place] of this.#places) inputs.set(path, place);
    const frozen = new Set(this.#train.leaves.filter((l) => this.#dtypeOf(l) === "f16").map((l) => l.path));
    const precision = { policy: this.#train.precision, frozen, backward: isGradient };
    const precise = isFullPrecision(this.#train.precision) ? {} : { precision };
    this.#builder.leg({ name, graph, inputs, results: places, written: hostWritten, read, clear, ...precise });
  }

  /** Averaging, the gradient's transforms, and the optimiser, as one graph over the arenas. */
  #update(): void {
    const { optimizer, gradient: transform, settings, builder: b } = this.#train;
    let grads: Value = b.input("grads", [this.#train.arena.size], { role: "grad" });
    if (settings.accumulate.by === "mean" && settings.accumulate.count > 1) grads = b.mul(grads, 1 / settings.accumulate.count);
    if (transform) grads = withInput(transform, b, "grads", grads).results.find((r) => r.name === "grads")!.value;
    const graph = withInput(optimizer.graph, b, "grads", grads);
    const places = new Map<string, PlanBinding>();
    const inputs = new Map<string, PlanBinding>([
      ["params", this.#params],
      ["grads", this.#grads],
    ]);
    for (const [name, place] of this.#states) inputs.set(name, place);
    for (const r of graph.results) {
      if (r.name === "params") places.set(r.name, this.#params);
      else if (r.name.startsWith("state.")) places.set(r.name, this.#states.get(r.name)!);
      else places.set(r.name, this.#output(r.name, r.value));
    }
    const read = new Set(graph.results.map((r) => r.name).filter((n) => n.startsWith("log.")));
    this.#builder.leg({
      name: "update",
      graph: { ...graph, name: "update" },
      inputs,
      results: places,
      written: new Set(),
      read,
    });
  }

  #output(name: string, v: Value): PlanBinding {
    const key = `${name} ${v.dtype} ${v.shape.join()}`;
    let place = this.#outputs.get(key);
    if (!place) {
      place = this.#builder.buffer(name, bytesOf(v), "output");
      this.#outputs.set(key, place);
    }
    return place;
  }
}

/** All graphs that read parameters as they are trained. */
function graphsOf(train: TrainProgram): Graph[] {
  return [...train.steps.flatMap((s) => s.alternatives.map((a) => a.graph)), ...(train.preview ? [train.preview.graph] : [])];
}

/** The graph with every read of an input replaced. */
function withInput(graph: Graph, b: Builder, name: string, by: Value): Graph {
  return rebuild(graph, b, (v) => (v.op === "input" && v.attrs.name === name && v.attrs.role !== "uniform" ? by : null));
}
