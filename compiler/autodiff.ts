import type { Builder } from "./ir/builder.ts";
import { describe, type GradRule, sameShape } from "./ir/ops/row.ts";
import { bodyOf, rowOf } from "./ir/ops.ts";
import type { OpName, Value } from "./ir/value.ts";
import { rebuild, topologicalOrder } from "./ir/walk.ts";

// Reverse mode over the op table. In: values and cotangents. Out: one cotangent per wanted value, made of primitives only.
// Invariants: a cotangent has its primal's shape and dtype; only values between a wanted value and an output get one, so frozen parts cost nothing;
// sums of cotangents are made in one order that depends on the structure only. New values keep the origins of the value they come from.

/** ∂loss/∂w for each wanted value; `loss` is an f32 scalar. A value that the loss does not depend on has the gradient 0. */
export function gradient(b: Builder, loss: Value, wrt: readonly Value[]): Value[] {
  if (loss.shape.length > 0 || loss.dtype !== "f32") throw new Error(`internal: autodiff: the loss is ${describe(loss)}, f32[] wanted`);
  return vjp(b, [loss], [b.scalar(1)], wrt);
}

/** Σ cotangent · ∂output/∂w for each wanted value. */
export function vjp(b: Builder, outputs: readonly Value[], cotangents: readonly Value[], wrt: readonly Value[]): Value[] {
  if (outputs.length !== cotangents.length)
    throw new Error(`internal: autodiff: ${cotangents.length} cotangents for ${outputs.length} outputs`);
  for (const w of wrt) if (w.dtype !== "f32") throw new Error(`internal: autodiff: a derivative with respect to ${describe(w)}`);
  const order = topologicalOrder(outputs);
  const needed = dependents(order, new Set(wrt));
  const cotangentOf = new Map<Value, Value>();
  const accumulate = (v: Value, g: Value, from: Value) => {
    if (g.dtype !== "f32" || !sameShape(g.shape, v.shape)) {
      throw new Error(`internal: autodiff: '${from.op}' gives the cotangent ${describe(g)} to ${describe(v)}`);
    }
    const known = cotangentOf.get(v);
    cotangentOf.set(v, known ? b.add(known, g) : g);
  };
  outputs.forEach((output, i) => {
    if (needed.has(output)) accumulate(output, cotangents[i]!, output);
  });
  for (let i = order.length - 1; i >= 0; i--) {
    const v = order[i]!;
    const g = cotangentOf.get(v);
    if (g === undefined || v.args.length === 0) continue;
    const shares = b.withOrigin(v.origins, () => sharesOf(b, v, g));
    if (shares === null) continue;
    b.withOrigin(v.origins, () => {
      for (const argument of new Set(v.args)) {
        if (!needed.has(argument)) continue;
        // What a value gets at several places of one op is summed first: x·x gives 2·(g·x), not two more sums.
        const own = shares.filter((share, place) => v.args[place] === argument && share !== null) as Value[];
        if (own.length > 0)
          accumulate(
            argument,
            own.reduce((sum, share) => b.add(sum, share)),
            v,
          );
      }
    });
  }
  return wrt.map((w) => cotangentOf.get(w) ?? b.splat(0, w.shape));
}

/** What each argument gets of the cotangent `g` of a value, by its row in the op table; null for an operation without a derivative. */
export function sharesOf(b: Builder, v: Value, g: Value): readonly (Value | null)[] | null {
  const rule = rowOf(v.op).grad;
  if (typeof rule !== "function") return null;
  const made = (rule as unknown as (b: Builder, v: Value, g: Value) => ReturnType<GradRule<OpName>>)(b, v, g);
  return made === "body" ? throughBody(b, v, g) : made;
}

/** The cotangents of a call's arguments by the derivative of its body, made over leaves in place of the arguments, so that these stay apart. */
function throughBody(b: Builder, v: Value, g: Value): (Value | null)[] {
  const given = [...v.args, g];
  const leaves = given.map((a, i) => (a.dtype === "f32" ? b.input(`argument ${i} of a call`, a.shape) : a));
  const wanted = leaves.slice(0, -1).filter((leaf) => leaf.dtype === "f32");
  const shares = vjp(b, [bodyOf(b, v, leaves.slice(0, -1))!], [leaves[leaves.length - 1]!], wanted);
  const graph = { name: "call", results: shares.map((value, i) => ({ name: `${i}`, value })) };
  const made = rebuild(graph, b, (x) => given[leaves.indexOf(x)] ?? null).results.map((r) => r.value);
  return v.args.map((_, i) => made[wanted.indexOf(leaves[i]!)] ?? null);
}

/** The wanted values and all that depend on one of them through derivatives. */
function dependents(order: readonly Value[], wanted: ReadonlySet<Value>): Set<Value> {
  const needed = new Set<Value>();
  for (const v of order) {
    if (v.dtype !== "f32") continue;
    const carries = v.op !== "stop" && typeof rowOf(v.op).grad === "function";
    if (wanted.has(v) || (carries && v.args.some((a) => needed.has(a)))) needed.add(v);
  }
  return needed;
}
