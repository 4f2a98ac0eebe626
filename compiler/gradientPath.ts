import { sharesOf } from "./autodiff.ts";
import type { Builder } from "./ir/builder.ts";
import { rowOf } from "./ir/ops.ts";
import type { Graph, Value } from "./ir/value.ts";
import { topologicalOrder } from "./ir/walk.ts";

// How a loss reaches an input leaf, for people who ask why a parameter learns or does not. In: a step's graph, not differentiated. Out: the
// shortest path that a derivative takes, or the places where all of them end. It asks the derivatives themselves, so it cannot disagree.

export type GradientPath =
  /** Values from the loss to the leaf, both included. */
  | { readonly kind: "reached"; readonly path: readonly Value[] }
  /** The loss depends on the leaf, but no derivative gets there; of each way, from the loss, what it goes through and where it ends. */
  | { readonly kind: "cut"; readonly cuts: readonly Cut[] }
  | { readonly kind: "unread" } // the step does not read the leaf at all
  | { readonly kind: "aside" } // it reads the leaf, but the loss does not depend on it
  | { readonly kind: "noLoss" };
export interface Cut {
  /** Values from the loss to the one that lets nothing through. */
  readonly path: readonly Value[];
  readonly why: string;
  /** Values from there to the leaf. */
  readonly beyond: readonly Value[];
}

/** Answers for any leaf of one step; what a loss's derivative reaches is found once. */
export class GradientPaths {
  readonly #loss: Value | undefined;
  readonly #order: readonly Value[];
  readonly #everything: readonly Value[];
  /** The user by which a derivative first gets to a value; the loss maps to itself. */
  readonly #from = new Map<Value, Value>();
  readonly #cuts: { readonly at: Value; readonly argument: Value; readonly why: string }[] = [];

  /** `b`: the builder that made the graph; it also makes the derivatives that are asked. */
  constructor(graph: Graph, b: Builder) {
    this.#loss = graph.results.find((r) => r.name === "loss")?.value;
    this.#everything = topologicalOrder(graph.results.map((r) => r.value));
    this.#order = this.#loss === undefined ? [] : topologicalOrder([this.#loss]);
    if (this.#loss === undefined) return;
    this.#from.set(this.#loss, this.#loss);
    const queue: Value[] = [this.#loss];
    for (const v of queue) {
      const shares = v.op === "stop" ? null : derivative(b, v);
      for (const [i, argument] of v.args.entries()) {
        if (shares?.[i] != null && argument.dtype === "f32") {
          if (this.#from.has(argument)) continue;
          this.#from.set(argument, v);
          queue.push(argument);
        } else this.#cuts.push({ at: v, argument, why: whyNot(v, argument) });
      }
    }
  }

  /** The path to the input leaf of this name. */
  to(name: string): GradientPath {
    if (this.#loss === undefined) return { kind: "noLoss" };
    const isLeaf = (v: Value): boolean => v.op === "input" && v.attrs.name === name;
    if (!this.#everything.some(isLeaf)) return { kind: "unread" };
    const leaf = this.#order.find(isLeaf);
    if (leaf === undefined) return { kind: "aside" };
    if (this.#from.has(leaf)) return { kind: "reached", path: this.#pathTo(leaf) };
    const beyond = this.#dependents(leaf);
    // Of several cuts in a row of the same value one is enough.
    const cuts = new Map<Value, Cut>();
    for (const { at, argument, why } of this.#cuts)
      if (beyond.has(argument) && !cuts.has(at)) cuts.set(at, { path: this.#pathTo(at), why, beyond: pathDown(argument, leaf, beyond) });
    return { kind: "cut", cuts: [...cuts.values()] };
  }

  #pathTo(v: Value): Value[] {
    const path = [v];
    while (path[0] !== this.#loss) path.unshift(this.#from.get(path[0]!)!);
    return path;
  }
  /** All values below the loss that depend on a leaf, itself included, each with its distance from it. */
  #dependents(leaf: Value): Map<Value, number> {
    const distances = new Map<Value, number>([[leaf, 0]]);
    for (const v of this.#order) {
      const below = v.args.flatMap((a) => distances.get(a) ?? []);
      if (below.length > 0) distances.set(v, Math.min(...below) + 1);
    }
    return distances;
  }
}

/** The derivative of a value for a cotangent of ones. */
function derivative(b: Builder, v: Value): readonly (Value | null)[] | null {
  if (v.args.length === 0 || v.dtype !== "f32") return null;
  return sharesOf(b, v, b.splat(1, v.shape));
}

function whyNot(v: Value, argument: Value): string {
  if (v.op === "stop") return "stop lets no derivative through";
  if (argument.dtype !== "f32")
    return `${v.op} reads ${argument.dtype === "bool" ? "a condition" : "whole numbers"}, which have no derivative`;
  const rule = rowOf(v.op).grad;
  if (typeof rule !== "function") return `${v.op} has no derivative: ${rule.none}`;
  return `${v.op} gives this argument no derivative`;
}

/** The shortest way from a value down to a leaf. */
function pathDown(from: Value, leaf: Value, distances: ReadonlyMap<Value, number>): Value[] {
  const path = [from];
  for (let v = from; v !== leaf; ) {
    v = v.args.reduce((best, a) =>
      (distances.get(a) ?? Number.POSITIVE_INFINITY) < (distances.get(best) ?? Number.POSITIVE_INFINITY) ? a : best,
    );
    path.push(v);
  }
  return path;
}
