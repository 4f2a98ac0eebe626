import type { Span } from "../dsl/span.ts";
import { gradient } from "./autodiff.ts";
import type { EvaluateProgram, Leaf, TrainProgram } from "./elaborate/program.ts";
import type { Region } from "./fuse/region.ts";
import type { Builder } from "./ir/builder.ts";
import { inlineReadCalls } from "./ir/calls.ts";
import { printGraph } from "./ir/print.ts";
import type { Graph, GraphResult, Value } from "./ir/value.ts";
import { requireVerified } from "./ir/verify.ts";
import { graphValues, rebuild } from "./ir/walk.ts";
import { bytesOf } from "./memory/place.ts";
import type { UniformDecl } from "./plan/host.ts";
import type { Plan, PlanBinding, PlanOp, PlanTarget, StoredTensor } from "./plan/plan.ts";
import { memoryLeaves, PlanBuilder } from "./planBuilder.ts";
import { isFullPrecision, type PrecisionPolicy } from "./precision.ts";
import type { TileKernel } from "./tile/tile.ts";

// The compile driver: from elaborated programs to plans. In: graphs, nothing differentiated. Out: a verified plan. It decides where what
// outlives a leg lies: trained parameters, their gradients and the optimiser's moments in flat parallel arenas, everything else in buffers
// of its own; each alternative of a step is two legs, one that begins the gradients of an update and one that adds to them.

/** What a compilation can be asked to do otherwise; every optional pass has a switch, so that a fault can be bisected. */
export interface CompileOptions {
  readonly simplify?: boolean; // default true
  readonly fuse?: boolean; // default true; false: every value is its own kernel
  readonly inPlace?: boolean; // default true
  /** How a bare graph is stored (a program says so itself); default: all f32. */
  readonly precision?: PrecisionPolicy;
  /** Runs every verifier after its pass (always in tests; default true). */
  readonly verify?: boolean;
  /** Gets each stage's printed form as it is made, and the graph itself where the stage is one. */
  readonly onStage?: (stage: Stage, leg: string, text: () => string, graph?: Graph) => void;
  readonly onTime?: (pass: string, ms: number) => void;
  /** Where a span begins, as people write it (`std/nn.ada:31:13`); without it an origin is the file and the offset. */
  readonly placeOf?: (span: Span) => string;
  /** Gets the kernel of each dispatch in the form that the CPU interpreter runs, and the region that it computes. */
  readonly onKernel?: (dispatch: PlanOp, kernel: TileKernel, region: Region) => void;
}
export type Stage = "tensor" | "grad" | "simple" | "precise" | "fused" | "tiles" | "plan" | "wgsl";

const isGradient = (result: string): boolean => result.startsWith("grad.");

/** A bare graph as a plan with one leg `main`: its memory leaves are the inputs, its results the outputs, by name. */
export function compileGraph(written: Graph, uniforms: readonly UniformDecl[], target: PlanTarget, options: CompileOptions = {}): Plan {
  const builder = new PlanBuilder(target, uniforms, options);
  const graph = inlineReadCalls(written);
  options.onStage?.("tensor", "main", () => printGraph(graph), graph);
  const leaves = memoryLeaves(graph);
  const inputs = new Map(leaves.map((v) => [v.attrs.name, builder.buffer(v.attrs.name, bytesOf(v), "input")]));
  const results = new Map(graph.results.map((r) => [r.name, builder.buffer(r.name, bytesOf(r.value), "output")]));
  const policy = options.precision;
  const precise = policy === undefined ? {} : { precision: { policy, frozen: new Set<string>(), backward: isGradient } };
  builder.leg({ name: "main", graph, inputs, results, written: new Set(inputs.keys()), read: new Set(results.keys()), ...precise });
  return builder.finish({ kind: "function", name: graph.name });
}

/** A train block as a plan. */
export function compileTrain(train: TrainProgram, sourceHash: string, target: PlanTarget, options: CompileOptions = {}): Plan {
  return new TrainCompiler(train, target, options).compile(sourceHash);
}

class TrainCompiler {
  readonly #train: TrainProgram;
  readonly #options: CompileOptions;
  readonly #builder: PlanBuilder;
  readonly #params: PlanBinding;
  readonly #grads: PlanBinding;
  readonly #places = new Map<string, PlanBinding>(); // of leaves, by path
  readonly #states = new Map<string, PlanBinding>(); // of the optimiser, by name
  readonly #inputs = new Map<string, PlanBinding>();
  readonly #outputs = new Map<string, PlanBinding>();

  constructor(train: TrainProgram, target: PlanTarget, options: CompileOptions) {
    this.#train = train;
    this.#options = options;
    this.#builder = new PlanBuilder(target, train.uniforms, options);
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
    for (const s of train.optimizer.states) {
      this.#states.set(s.name, this.#builder.buffer(`optimizer.${s.name}`, s.arena ? bytes : 4, "persistent"));
    }
  }

  compile(sourceHash: string): Plan {
    const { settings, optimizer } = this.#train;
    this.#init();
    const steps = this.#train.steps.map((step) => ({
      name: step.name,
      dataset: step.dataset,
      choices: step.choices,
      alternatives: step.alternatives.map((alternative, i) => {
        const name = step.alternatives.length === 1 ? step.name : `${step.name}.${i}`;
        const minimises = alternative.graph.results.some((r) => r.name === "loss");
        const first = `${name}.first`;
        this.#stepLeg(first, alternative.graph, false);
        if (settings.accumulate.count === 1) return { key: alternative.key, first, next: first, minimises };
        this.#stepLeg(`${name}.next`, alternative.graph, true);
        return { key: alternative.key, first, next: `${name}.next`, minimises };
      }),
    }));
    this.#update();
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
      stored: [...storedLeaves(this.#train.leaves, this.#places, (l) => this.#dtypeOf(l)), ...this.#storedOptimizer(optimizer.states)],
      datasets: this.#train.datasets,
      models: this.#train.models,
      unreached: this.#train.unreached,
    });
  }

  /** Parameters that no step changes may lie in f16. */
  #dtypeOf(leaf: Leaf): "f32" | "f16" {
    const { precision, arena } = this.#train;
    return frozenType(precision, leaf.role === "param" && !arena.slices.some((s) => s.path === leaf.path));
  }

  #storedOptimizer(states: TrainProgram["optimizer"]["states"]): StoredTensor[] {
    const keys = new Map(this.#train.leaves.map((l) => [l.path, l]));
    return states.flatMap((s): StoredTensor[] => {
      const place = this.#states.get(s.name)!;
      if (!s.arena) return [{ key: `optimizer.${s.name}`, role: "optimizer", shape: [], dtype: "f32", at: place }];
      return this.#train.arena.slices.map((slice) => ({
        key: `optimizer.${s.name}/${keys.get(slice.path)!.key}`,
        role: "optimizer",
        shape: keys.get(slice.path)!.shape,
        dtype: "f32",
        at: { buffer: place.buffer, offset: 4 * slice.offset, bytes: 4 * slice.size },
      }));
    });
  }

  /** Fills parameters and module state, then the optimiser's state, which may start from the parameters. */
  #init(): void {
    const { leaves, optimizer } = this.#train;
    const b = this.#train.builder;
    const results: GraphResult[] = leaves.map((l) => ({ name: l.path, value: b.cast(l.init, this.#dtypeOf(l)) }));
    this.#builder.leg({
      name: "init",
      graph: this.#checked({ name: "init", results }),
      inputs: new Map(),
      results: this.#places,
      written: new Set(),
      read: new Set(),
      clear: [this.#params, this.#grads, ...this.#states.values()],
    });
    this.#builder.leg({
      name: "init",
      graph: this.#checked({ name: "init optimiser", results: optimizer.states.map((s) => ({ name: s.name, value: s.init })) }),
      inputs: new Map([["params", this.#params]]),
      results: this.#states,
      written: new Set(),
      read: new Set(),
    });
  }

  #stepLeg(name: string, step: Graph, adds: boolean): void {
    const b = this.#train.builder;
    const forward = inlineReadCalls(step, b);
    this.#options.onStage?.("tensor", name, () => printGraph(forward), forward);
    const inputOf = new Map(memoryLeaves(forward).map((v) => [v.attrs.name, v]));
    const slices = this.#train.arena.slices;
    const loss = forward.results.find((r) => r.name === "loss")?.value;
    const results: GraphResult[] = [...forward.results];
    const places = new Map<string, PlanBinding>();
    const inputs = new Map<string, PlanBinding>();
    const clear: PlanBinding[] = [];
    for (const r of forward.results) {
      const path = r.name.startsWith("update.") ? r.name.slice("update.".length) : null;
      places.set(r.name, path === null ? this.#output(r.name, r.value) : this.#places.get(path)!);
    }
    if (loss) {
      const trained = slices.filter((s) => inputOf.has(s.path));
      const wanted = trained.map((s) => inputOf.get(s.path)!);
      const gradients = this.#time("autodiff", () => gradient(b, loss, wanted));
      for (const [i, slice] of trained.entries()) {
        const place = { buffer: this.#grads.buffer, offset: 4 * slice.offset, bytes: 4 * slice.size };
        let value = gradients[i]!;
        if (adds) {
          const old = b.input(`grad.${slice.path}`, value.shape, { role: "grad" });
          inputs.set(`grad.${slice.path}`, place);
          value = b.add(old, value);
        }
        results.push({ name: `grad.${slice.path}`, value });
        places.set(`grad.${slice.path}`, place);
      }
      if (!adds && trained.length < slices.length) clear.push(this.#grads);
    }
    const graph: Graph = { name, results };
    this.#options.onStage?.("grad", name, () => printGraph(graph), graph);
    const written = new Set<string>();
    for (const [input, v] of inputOf) {
      if (v.attrs.role !== "data") continue;
      if (!this.#inputs.has(input)) this.#inputs.set(input, this.#builder.buffer(input, bytesOf(v), "input"));
      inputs.set(input, this.#inputs.get(input)!);
      written.add(input);
    }
    for (const [path, place] of this.#places) inputs.set(path, place);
    const read = new Set(forward.results.map((r) => r.name).filter((n) => !n.startsWith("update.")));
    const frozen = new Set(this.#train.leaves.filter((l) => this.#dtypeOf(l) === "f16").map((l) => l.path));
    const precision = { policy: this.#train.precision, frozen, backward: isGradient };
    const precise = isFullPrecision(this.#train.precision) ? {} : { precision };
    this.#builder.leg({ name, graph: this.#checked(graph), inputs, results: places, written, read, clear, ...precise });
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
    for (const [name, place] of this.#states) inputs.set(`state.${name}`, place);
    for (const r of graph.results) {
      if (r.name === "params") places.set(r.name, this.#params);
      else if (r.name.startsWith("state.")) places.set(r.name, this.#states.get(r.name.slice("state.".length))!);
      else places.set(r.name, this.#output(r.name, r.value));
    }
    const read = new Set(graph.results.map((r) => r.name).filter((n) => n.startsWith("log.")));
    this.#builder.leg({
      name: "update",
      graph: this.#checked({ ...graph, name: "update" }),
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
  #checked(graph: Graph): Graph {
    return this.#options.verify === false ? graph : requireVerified(graph, "elaborate");
  }
  #time<T>(pass: string, work: () => T): T {
    const start = performance.now();
    const result = work();
    this.#options.onTime?.(pass, performance.now() - start);
    return result;
  }
}

/** The graph with every read of an input replaced. */
function withInput(graph: Graph, b: Builder, name: string, by: Value): Graph {
  return rebuild(graph, b, (v) => (v.op === "input" && v.attrs.name === name && v.attrs.role !== "uniform" ? by : null));
}

const frozenType = (policy: PrecisionPolicy, frozen: boolean): "f32" | "f16" => (frozen ? policy.frozen : "f32");

function storedLeaves(
  leaves: readonly Leaf[],
  places: ReadonlyMap<string, PlanBinding>,
  dtypeOf: (l: Leaf) => "f32" | "f16",
): StoredTensor[] {
  return leaves.map((l) => ({ key: l.key, role: l.role, shape: l.shape, dtype: dtypeOf(l), at: places.get(l.path)! }));
}

/** An evaluate block as a plan. */
export function compileEvaluate(evaluation: EvaluateProgram, sourceHash: string, target: PlanTarget, options: CompileOptions = {}): Plan {
  const builder = new PlanBuilder(target, evaluation.uniforms, options);
  options.onStage?.("tensor", evaluation.name, () => printGraph(evaluation.graph), evaluation.graph);
  const needed = new Set(graphValues(evaluation.graph).flatMap((v) => (v.op === "input" ? [v.attrs.name] : [])));
  const leaves = evaluation.leaves.filter((l) => needed.has(l.path));
  const policy = evaluation.precision;
  const dtypeOf = (l: Leaf) => frozenType(policy, l.role === "param");
  const places = new Map(leaves.map((l) => [l.path, builder.buffer(l.path, bytesOf({ shape: l.shape, dtype: dtypeOf(l) }), "persistent")]));
  builder.leg({
    name: "init",
    graph: { name: "init", results: leaves.map((l) => ({ name: l.path, value: evaluation.builder.cast(l.init, dtypeOf(l)) })) },
    inputs: new Map(),
    results: places,
    written: new Set(),
    read: new Set(),
  });
  const inputs = new Map(places);
  const written = new Set<string>();
  for (const v of memoryLeaves(evaluation.graph)) {
    if (v.attrs.role !== "data") continue;
    inputs.set(v.attrs.name, builder.buffer(v.attrs.name, bytesOf(v), "input"));
    written.add(v.attrs.name);
  }
  const results = new Map(evaluation.graph.results.map((r) => [r.name, builder.buffer(r.name, bytesOf(r.value), "output")]));
  const frozen = new Set(leaves.filter((l) => dtypeOf(l) === "f16").map((l) => l.path));
  const precise = isFullPrecision(policy) ? {} : { precision: { policy, frozen, backward: () => false } };
  const graph = inlineReadCalls(evaluation.graph, evaluation.builder);
  builder.leg({ name: "main", graph, inputs, results, written, read: new Set(results.keys()), ...precise });
  return builder.finish({
    kind: "evaluate",
    name: evaluation.name,
    sourceHash,
    batch: evaluation.batch,
    seed: evaluation.seed,
    leg: "main",
    stored: storedLeaves(leaves, places, dtypeOf),
    initLeg: "init",
    dataset: evaluation.dataset,
    models: evaluation.models,
    measures: evaluation.measures.map(({ name, metric, args }) => ({ name, metric, args })),
    report: evaluation.report,
  });
}
