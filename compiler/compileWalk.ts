import type { CompileOptions } from "./compileOptions.ts";
import { checkpointKey } from "./elaborate/leaves.ts";
import type { Leaf, WalkProgram } from "./elaborate/program.ts";
import type { LiveWalk } from "./elaborate/walkProgram.ts";
import type { WalkLeg } from "./elaborate/walkRequests.ts";
import { inlineReadCalls } from "./ir/calls.ts";
import { printGraph } from "./ir/print.ts";
import type { Graph } from "./ir/value.ts";
import { graphValues } from "./ir/walk.ts";
import { bytesOf } from "./memory/place.ts";
import type { Plan, PlanBinding, PlanTarget, WalkPlan } from "./plan/plan.ts";
import { memoryLeaves, PlanBuilder } from "./planBuilder.ts";
import { isFullPrecision } from "./precision.ts";
import { type AxisOrder, asStored, parameterOrders, readAsStored } from "./storageOrder.ts";
import { frozenType, storedLeaves } from "./storedLeaves.ts";

// A walk as a plan: its parameters, and the legs that are known before it runs. Those that it meets on the way are plans of their own.

/** A walk with the legs of its stand-ins. */
export function compileWalk(walk: WalkProgram, sourceHash: string, target: PlanTarget, options: CompileOptions = {}): Plan {
  const builder = new PlanBuilder(target, [], options);
  const graphs = walk.legs.map((leg) => leg.graph);
  const needed = new Set(graphs.flatMap((graph) => graphValues(graph).flatMap((v) => (v.op === "input" ? [v.attrs.name] : []))));
  const leaves = walk.leaves.filter((l) => needed.has(l.path));
  const orders = parameterOrders(graphs);
  const dtypeOf = (l: Leaf) => frozenType(walk.precision, l.role === "param");
  const places = new Map(leaves.map((l) => [l.path, builder.buffer(l.path, bytesOf({ shape: l.shape, dtype: dtypeOf(l) }), "persistent")]));
  builder.leg({
    name: "init",
    graph: {
      name: "init",
      results: leaves.map((l) => ({
        name: l.path,
        value: asStored(walk.builder, walk.builder.cast(l.init, dtypeOf(l)), orders.get(l.path)),
      })),
    },
    inputs: new Map(),
    results: places,
    written: new Set(),
    read: new Set(),
  });
  const frozen = new Set(leaves.filter((l) => dtypeOf(l) === "f16").map((l) => l.path));
  for (const leg of walk.legs) addLeg(builder, leg.key, leg, { walk, orders, places, frozen }, options);
  return builder.finish({
    kind: "walk",
    name: walk.name,
    sourceHash,
    seed: walk.seed,
    stored: storedLeaves(leaves, places, dtypeOf, orders),
    initLeg: "init",
    models: walk.models,
    ...(walk.prompts.length === 0 ? {} : { prompts: walk.prompts }),
    legs: Object.fromEntries(walk.legs.map((leg) => [leg.key, leg.name])),
  });
}

/** A leg that a walk has met, as the plan of a function over the parameters of its plan: buffers of their names are that plan's. */
export function compileWalkLeg(
  leg: WalkLeg,
  walk: Pick<LiveWalk, "builder" | "precision">,
  plan: Plan & { readonly program: WalkPlan },
  options: CompileOptions = {},
): Plan {
  const builder = new PlanBuilder(plan.target, [], options);
  const stored = new Map(plan.program.stored.map((tensor) => [tensor.key, tensor]));
  const orders = new Map<string, AxisOrder>();
  const places = new Map<string, PlanBinding>();
  const frozen = new Set<string>();
  for (const v of memoryLeaves(leg.graph)) {
    const { name, role } = v.attrs;
    if (role === "data" || places.has(name)) continue;
    const tensor = stored.get(checkpointKey(name));
    if (tensor === undefined) throw new Error(`internal: ${name} is no parameter of the walk`);
    if (tensor.order !== undefined) orders.set(name, tensor.order);
    if (tensor.dtype === "f16") frozen.add(name);
    places.set(name, builder.buffer(name, bytesOf({ shape: v.shape, dtype: tensor.dtype }), "persistent"));
  }
  addLeg(builder, "main", leg, { walk, orders, places, frozen }, options);
  return builder.finish({ kind: "function", name: leg.key });
}

interface LegPlaces {
  readonly walk: Pick<LiveWalk, "builder" | "precision">;
  readonly orders: ReadonlyMap<string, AxisOrder>;
  readonly places: ReadonlyMap<string, PlanBinding>;
  readonly frozen: ReadonlySet<string>;
}

function addLeg(
  builder: PlanBuilder,
  name: string,
  leg: WalkLeg,
  { walk, orders, places, frozen }: LegPlaces,
  options: CompileOptions,
): void {
  options.onStage?.("tensor", leg.name, () => printGraph(leg.graph), leg.graph);
  const graph: Graph = readAsStored(inlineReadCalls(leg.graph, walk.builder), walk.builder, orders);
  const inputs = new Map(places);
  const written = new Set<string>();
  for (const v of memoryLeaves(graph)) {
    if (v.attrs.role !== "data") continue;
    inputs.set(v.attrs.name, builder.buffer(`${name}.${v.attrs.name}`, bytesOf(v), "input"));
    written.add(v.attrs.name);
  }
  const results = new Map(graph.results.map((r) => [r.name, builder.buffer(`${name}.${r.name}`, bytesOf(r.value), "output")]));
  const policy = walk.precision;
  const precise = isFullPrecision(policy) ? {} : { precision: { policy, frozen, backward: () => false } };
  builder.leg({ name, graph, inputs, results, written, read: new Set(results.keys()), ...precise });
}
