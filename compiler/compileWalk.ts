import type { CompileOptions } from "./compileOptions.ts";
import { checkpointKey } from "./elaborate/leaves.ts";
import type { WalkProgram } from "./elaborate/program.ts";
import type { WalkLeg } from "./elaborate/walkRequests.ts";
import { addHeldLeg, type HeldPlaces, type HeldProgram, placeLeaves } from "./heldLegs.ts";
import { printGraph } from "./ir/print.ts";
import { bytesOf } from "./memory/place.ts";
import type { Plan, PlanBinding, PlanTarget, WalkPlan } from "./plan/plan.ts";
import { memoryLeaves, PlanBuilder } from "./planBuilder.ts";
import type { AxisOrder } from "./storageOrder.ts";

// A walk as a plan: its parameters, and the legs that are known before it runs. Those that it meets on the way are plans of their own.

/** A walk with the legs of its stand-ins. */
export function compileWalk(walk: WalkProgram, sourceHash: string, target: PlanTarget, options: CompileOptions = {}): Plan {
  const builder = new PlanBuilder(target, [], options);
  const placed = placeLeaves(
    builder,
    walk,
    walk.legs.map((leg) => leg.graph),
  );
  for (const leg of walk.legs) addLeg(builder, leg.key, leg, walk, placed, options);
  return builder.finish({
    kind: "walk",
    name: walk.name,
    sourceHash,
    seed: walk.seed,
    stored: placed.stored,
    initLeg: "init",
    models: walk.models,
    ...(walk.prompts.length === 0 ? {} : { prompts: walk.prompts }),
    legs: Object.fromEntries(walk.legs.map((leg) => [leg.key, leg.name])),
  });
}

/** A leg that a walk has met, as the plan of a function over the parameters of its plan: buffers of their names are that plan's. */
export function compileWalkLeg(
  leg: WalkLeg,
  walk: HeldProgram,
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
  addLeg(builder, "main", leg, walk, { orders, places, frozen }, options);
  return builder.finish({ kind: "function", name: leg.key });
}

function addLeg(builder: PlanBuilder, name: string, leg: WalkLeg, walk: HeldProgram, placed: HeldPlaces, options: CompileOptions): void {
  options.onStage?.("tensor", leg.name, () => printGraph(leg.graph), leg.graph);
  addHeldLeg(builder, { name, graph: leg.graph }, walk, placed, (own) => `${name}.${own}`);
}
