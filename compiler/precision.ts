import type { PrecisionPolicy } from "../dsl/precision.ts";
import { Builder } from "./ir/builder.ts";
import { rowOf } from "./ir/ops.ts";
import type { DType, Graph, Value } from "./ir/value.ts";
import { graphValues, rebuild, topologicalOrder } from "./ir/walk.ts";
import { roundToHalf } from "./plan/half.ts";

// Mixed precision as explicit casts. In: a graph in f32, a policy, and which of its values fusion would store. Out: the same graph in which
// each of these that the policy names is rounded to f16 where it is made (`cast` to f16: what is stored) and widened where it is read.
// Invariants: results keep their type; contractions, reductions and all arithmetic work on f32; what is computed from reductions alone
// (statistics of norms and softmax, losses), from parameters and state, or from host numbers is never rounded. Widening casts stand as near to their
// readers as they can: movement and gathers move the narrow value.

export const isFullPrecision = (p: PrecisionPolicy): boolean => p.frozen === "f32" && p.compute === "f32" && p.gradients === "f32";

/** What the pass needs to know of the leg that it works on. */
export interface PrecisionRequest {
  readonly policy: PrecisionPolicy;
  /** Parameters, by input name, that lie in memory as f16. */
  readonly frozen: ReadonlySet<string>;
  /** Results (by name) of the backward pass; all others belong to the forward pass. */
  readonly backward: (result: string) => boolean;
}

/** The graph with the policy's casts. `stored`: the values that fusion stores when all is f32. */
export function applyPrecision(graph: Graph, request: PrecisionRequest, stored: ReadonlySet<Value>): Graph {
  const rounded = valuesToRound(graph, request, stored);
  const b = new Builder();
  return rebuild(graph, b, (v, args) => {
    if (v.op === "input" && request.frozen.has(v.attrs.name) && v.attrs.role !== "uniform" && v.dtype === "f32") {
      return b.cast(b.make("input", [], { ...v.attrs, dtype: "f16" }, { labels: v.labels }), "f32");
    }
    const moved = movedNarrow(b, v, args);
    if (!rounded.has(v)) return moved;
    const exact = moved ?? b.make(v.op, args, v.attrs, { labels: v.labels });
    return isWidening(exact) ? exact : b.cast(b.cast(exact, "f16"), "f32");
  });
}

/** A read of a stored f16 value. */
export function isWidening(v: Value): boolean {
  return v.op === "cast" && v.args[0]!.dtype === "f16";
}
/** The value that is stored where an f32 value is rounded. */
export function isNarrowing(v: Value): boolean {
  return v.op === "cast" && v.dtype === "f16";
}

/** Movement of widened values as the widening of the moved narrow one. */
function movedNarrow(b: Builder, v: Value, args: readonly Value[]): Value | null {
  const sources = v.op === "gather" ? args.slice(0, 1) : args;
  if ((rowOf(v.op).class !== "movement" && v.op !== "gather") || sources.length === 0 || !sources.every(isWidening)) return null;
  if (v.op === "pad" && roundToHalf(v.attrs.value) !== v.attrs.value) return null;
  const narrow = args.map((a, i) => (i < sources.length ? a.args[0]! : a));
  return b.cast(b.make(v.op, narrow, v.attrs, { labels: v.labels }), "f32");
}

type Kind = "free" | "statistic" | "activation";

function valuesToRound(graph: Graph, request: PrecisionRequest, stored: ReadonlySet<Value>): Set<Value> {
  const { policy, backward } = request;
  const order = graphValues(graph);
  const forward = new Set(topologicalOrder(graph.results.filter((r) => !backward(r.name)).map((r) => r.value)));
  const results = new Set(graph.results.map((r) => r.value));
  const kinds = kindsOf(order);
  const typeOf = (v: Value): DType => (forward.has(v) ? policy.compute : policy.gradients);
  return new Set(
    order.filter((v) => stored.has(v) && v.dtype === "f32" && !results.has(v) && kinds.get(v) === "activation" && typeOf(v) === "f16"),
  );
}

/** What each value is made of. Whole numbers and truth count as free: they are exact in any case. */
function kindsOf(order: readonly Value[]): Map<Value, Kind> {
  const kinds = new Map<Value, Kind>();
  for (const v of order) kinds.set(v, kindOf(v, kinds));
  return kinds;
}
function kindOf(v: Value, kinds: ReadonlyMap<Value, Kind>): Kind {
  if (v.dtype !== "f32" && v.dtype !== "f16") return "free";
  switch (v.op) {
    case "input":
      return v.attrs.role === "data" ? "activation" : "free";
    case "sum":
    case "reduceMax":
      return "statistic";
    case "attend":
      return v.attrs.part === "sums" ? "statistic" : "activation";
    case "attendGrad":
    case "dot":
    case "conv":
    case "scatterAdd":
      return "activation";
    default: {
      const sources = (v.op === "gather" ? v.args.slice(0, 1) : v.args).map((a) => kinds.get(a)!);
      return sources.includes("activation") ? "activation" : sources.includes("statistic") ? "statistic" : "free";
    }
  }
}
