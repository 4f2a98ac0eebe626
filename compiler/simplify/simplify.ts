import { Builder, type MakeOptions } from "../ir/builder.ts";
import { describe, sameShape } from "../ir/ops/row.ts";
import { bodyOf, isCall } from "../ir/ops.ts";
import type { Graph, OpAttrs, OpName, Value } from "../ir/value.ts";
import { rebuild } from "../ir/walk.ts";
import { markerRules, type Rule, simplifyRules } from "./rules.ts";

// The simplifier: a builder that keeps every value in simple form. In: a graph. Out: a graph of the same meaning, results and names.
// What is made is rewritten as it is made, so one walk from the leaves to the results suffices: arguments are simple before their users are made.
// Equal values become one by interning, and what no result needs is not in the graph. Origins and axis names pass on to what replaces a value.

export interface SimplifyOptions {
  readonly rules?: readonly Rule[];
  /** Called for every rewrite, for traces. */
  readonly onRewrite?: (rule: Rule, before: Value, after: Value) => void;
}

export class Simplifier extends Builder {
  private readonly rulesOf = new Map<OpName, Rule[]>();
  private readonly simpleForm = new Map<Value, Value>();
  private readonly onRewrite: SimplifyOptions["onRewrite"];

  constructor(options: SimplifyOptions = {}) {
    super();
    this.onRewrite = options.onRewrite;
    for (const rule of options.rules ?? simplifyRules) {
      for (const op of rule.ops) this.rulesOf.set(op, [...(this.rulesOf.get(op) ?? []), rule]);
    }
  }

  override make<K extends OpName>(op: K, args: readonly Value[], attrs: OpAttrs[K], options: MakeOptions = {}): Value {
    const made = super.make(op, args, attrs, options);
    const known = this.simpleForm.get(made);
    const simple = known ?? this.rewrite(made);
    if (known === undefined) this.simpleForm.set(made, simple);
    if (simple !== made && simple.args.length > 0) this.annotate(simple, made.labels, made.origins);
    return simple;
  }

  private rewrite(v: Value): Value {
    for (const rule of this.rulesOf.get(v.op) ?? []) {
      const simple = this.withOrigin(v.origins, () => rule.rewrite(this, v));
      if (simple === null || simple === v) continue;
      if (simple.dtype !== v.dtype || !sameShape(simple.shape, v.shape)) {
        throw new Error(`internal: simplify: rule '${rule.name}' made ${describe(simple)} of ${v.op} of type ${describe(v)}`);
      }
      this.onRewrite?.(rule, v, simple);
      return simple;
    }
    return v;
  }
}

/** The graph in simple form, made of values of a fresh builder (or of the given simplifier). */
export function simplify(graph: Graph, b: Simplifier = new Simplifier()): Graph {
  return rebuild(graph, b);
}

/**
 * The graph without `stop`, `gradScale`, `save` and `tap`: to be used when all derivatives are taken. Calls that `writeOut` asks for are
 * replaced by their bodies.
 */
export function stripMarkers(graph: Graph, writeOut: (call: Value) => boolean = () => false): Graph {
  const b = new Simplifier({ rules: markerRules });
  return rebuild(graph, b, (v, args) => (isCall(v) && writeOut(v) ? bodyOf(b, v, args) : null));
}
