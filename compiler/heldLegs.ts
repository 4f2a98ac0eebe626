import type { PrecisionPolicy } from "../dsl/precision.ts";
import type { Leaf } from "./elaborate/program.ts";
import type { Builder } from "./ir/builder.ts";
import { inlineReadCalls } from "./ir/calls.ts";
import type { Graph } from "./ir/value.ts";
import { graphInputs } from "./ir/walk.ts";
import { bytesOf } from "./memory/place.ts";
import type { PlanBinding, StoredTensor } from "./plan/plan.ts";
import { memoryLeaves, type PlanBuilder } from "./planBuilder.ts";
import { isFullPrecision } from "./precision.ts";
import { type AxisOrder, asStored, parameterOrders, readAsStored } from "./storageOrder.ts";
import { frozenType, storedLeaves } from "./storedLeaves.ts";

// Legs over parameters that no step changes, as evaluations and walks have them: the host writes what such a leg reads besides, and reads all that it makes.

/** What made the graphs of these legs, and how their values are stored. */
export interface HeldProgram {
  readonly builder: Builder;
  readonly precision: PrecisionPolicy;
}

/** Where parameters lie, by path: the order of their axes where it is not that of the shape, and which are f16. */
export interface HeldPlaces {
  readonly places: ReadonlyMap<string, PlanBinding>;
  readonly orders: ReadonlyMap<string, AxisOrder>;
  readonly frozen: ReadonlySet<string>;
}

/** Places of the leaves that these graphs read, and a leg `init` that fills them. */
export function placeLeaves(
  plan: PlanBuilder,
  { builder: b, precision, leaves: all }: HeldProgram & { readonly leaves: readonly Leaf[] },
  graphs: readonly Graph[],
): HeldPlaces & { readonly stored: readonly StoredTensor[] } {
  const needed = new Set(graphs.flatMap((graph) => graphInputs(graph).map((v) => v.attrs.name)));
  const leaves = all.filter((l) => needed.has(l.path));
  const orders = parameterOrders(graphs);
  const dtypeOf = (l: Leaf) => frozenType(precision, l.role === "param");
  const places = new Map(leaves.map((l) => [l.path, plan.buffer(l.path, bytesOf({ shape: l.shape, dtype: dtypeOf(l) }), "persistent")]));
  plan.leg({
    name: "init",
    graph: {
      name: "init",
      results: leaves.map((l) => ({ name: l.path, value: asStored(b, b.cast(l.init, dtypeOf(l)), orders.get(l.path)) })),
    },
    inputs: new Map(),
    results: places,
    written: new Set(),
    read: new Set(),
  });
  const frozen = new Set(leaves.filter((l) => dtypeOf(l) === "f16").map((l) => l.path));
  return { places, orders, frozen, stored: storedLeaves(leaves, places, dtypeOf, orders) };
}

/** A leg over placed parameters. `bufferName` names what the host writes and reads. */
export function addHeldLeg(
  plan: PlanBuilder,
  leg: { readonly name: string; readonly graph: Graph },
  { builder: b, precision: policy }: HeldProgram,
  { places, orders, frozen }: HeldPlaces,
  bufferName: (name: string) => string = (name) => name,
): void {
  const graph = readAsStored(inlineReadCalls(leg.graph, b), b, orders);
  const given = memoryLeaves(graph).filter((v) => v.attrs.role === "data");
  const inputs = new Map([
    ...places,
    ...given.map((v) => [v.attrs.name, plan.buffer(bufferName(v.attrs.name), bytesOf(v), "input")] as const),
  ]);
  const results = new Map(graph.results.map((r) => [r.name, plan.buffer(bufferName(r.name), bytesOf(r.value), "output")]));
  const precise = isFullPrecision(policy) ? {} : { precision: { policy, frozen, backward: () => false } };
  const written = new Set(given.map((v) => v.attrs.name));
  plan.leg({ name: leg.name, graph, inputs, results, written, read: new Set(results.keys()), ...precise });
}
