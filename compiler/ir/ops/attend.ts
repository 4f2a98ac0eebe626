import type { Builder } from "../builder.ts";
import type { OpAttrs, OpName, Value } from "../value.ts";
import { describe, type GradRule, type Inferred, misuse, type OpRow, requireDType, sameShape } from "./row.ts";

// Attention as calls: what they mean is written here in primitives, how they are computed is the template `attend`, which never has all scores
// at once. Out and sums (log-sum-exp of each row of scores) take the same arguments, so one kernel can make both; so do the three gradients.
// A row whose scores are all -inf has no softmax: out and gradients are not a number there, as the primitives say, and its sum is -inf.

interface Operands {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly mask: Value | undefined;
}

const lastAxis = (v: Value): number => v.shape.length - 1;

/** Checks the shapes of q, k, v and the mask; gives the leading axes. */
function requireOperands(op: OpName, { q, k, v, mask }: Operands): { readonly lead: readonly number[] } {
  const wrong = (what: string, x: Value): never => misuse(op, `${what} ${describe(x)} does not fit q ${describe(q)}, k ${describe(k)}`);
  for (const x of [q, k, v, ...(mask ? [mask] : [])]) requireDType(op, x, ["f32"]);
  if (q.shape.length < 2) misuse(op, `q ${describe(q)} has no rows`);
  const lead = q.shape.slice(0, -2);
  const [queries, d] = q.shape.slice(-2) as [number, number];
  const [keys] = k.shape.slice(-2) as [number];
  if (!sameShape(k.shape, [...lead, keys, d])) wrong("k", k);
  if (!sameShape(v.shape, [...lead, keys, v.shape[lastAxis(v)]!])) wrong("v", v);
  if (mask && !sameShape(mask.shape, [...lead, queries, keys])) wrong("mask", mask);
  return { lead };
}

const operandsOf = ([q, k, v, mask]: readonly Value[]): Operands => ({ q: q!, k: k!, v: v!, mask });

interface GradOperands extends Operands {
  readonly sums: Value;
  readonly delta: Value;
  readonly g: Value;
}
const gradOperandsOf = ([q, k, v, sums, delta, g, mask]: readonly Value[]): GradOperands => ({
  ...operandsOf([q!, k!, v!, ...(mask ? [mask] : [])]),
  sums: sums!,
  delta: delta!,
  g: g!,
});

/** The product of two operands over their axes `overA` and `overB`, the leading axes shared. */
function product(b: Builder, x: Value, y: Value, overX: number, overY: number): Value {
  const batch = x.shape.slice(0, -2).map((_, i) => i);
  return b.dot(x, y, { batchA: batch, batchB: batch, contractA: [overX], contractB: [overY] });
}
function scores(b: Builder, { q, k, mask }: Operands, scale: number): Value {
  const s = b.mul(product(b, q, k, lastAxis(q), lastAxis(k)), scale);
  return mask ? b.add(s, mask) : s;
}
/** e to the scores less the largest of their row, and that. */
function powers(b: Builder, s: Value): { readonly e: Value; readonly top: Value } {
  const axis = lastAxis(s);
  const top = b.stop(b.reduceMax(s, [axis]));
  return { e: b.exp(b.sub(s, b.spreadBack(top, s, [axis]))), top };
}
function attention(b: Builder, args: readonly Value[], { part, scale }: OpAttrs["attend"]): Value {
  const operands = operandsOf(args);
  const s = scores(b, operands, scale);
  const axis = lastAxis(s);
  const { e, top } = powers(b, s);
  const sums = b.sum(e, [axis]);
  if (part === "sums") return b.add(top, b.log(sums));
  return product(b, b.div(e, b.spreadBack(sums, e, [axis])), operands.v, axis, axis - 1);
}

/** Probabilities from the saved sums, and the cotangent of the scores. */
function scoreCotangent(
  b: Builder,
  { sums, delta, g, ...operands }: GradOperands,
  scale: number,
): { readonly p: Value; readonly ds: Value } {
  const s = scores(b, operands, scale);
  const axis = lastAxis(s);
  const p = b.exp(b.sub(s, b.spreadBack(sums, s, [axis])));
  const dp = product(b, g, operands.v, lastAxis(g), lastAxis(operands.v));
  return { p, ds: b.mul(p, b.sub(dp, b.spreadBack(delta, s, [axis]))) };
}
function gradients(b: Builder, args: readonly Value[], { part, scale }: OpAttrs["attendGrad"]): Value {
  const operands = gradOperandsOf(args);
  const { p, ds } = scoreCotangent(b, operands, scale);
  const axis = lastAxis(ds);
  if (part === "v") return product(b, p, operands.g, axis - 1, axis - 1);
  const dot = part === "q" ? product(b, ds, operands.k, axis, axis - 1) : product(b, ds, operands.q, axis - 1, axis - 1);
  return b.mul(dot, scale);
}

/** Scores are computed again from the saved sums. A mask's cotangent has the size of the scores, so it is made of primitives, if it is wanted. */
const attendGradRule: GradRule<"attend"> = (b, v, g) => {
  const { part, scale } = v.attrs;
  if (part === "sums") return "body";
  const operands = operandsOf(v.args);
  const rest = operands.mask ? [operands.mask] : [];
  const sums = b.make("attend", v.args, { part: "sums", scale });
  const delta = b.sum(b.mul(g, v), [lastAxis(v)]);
  const args = [operands.q, operands.k, operands.v, sums, delta, g, ...rest];
  const of = (which: "q" | "k" | "v"): Value => b.make("attendGrad", args, { part: which, scale });
  const masks = operands.mask ? [scoreCotangent(b, { ...operands, sums, delta, g }, scale).ds] : [];
  return [of("q"), of("k"), of("v"), ...masks];
};

export const attendRows: { readonly [K in "attend" | "attendGrad"]: OpRow<K> } = {
  attend: {
    class: "call",
    arity: "any",
    infer: (args, { part }): Inferred => {
      if (args.length !== 3 && args.length !== 4) misuse("attend", `${args.length} arguments given, 3 or 4 wanted`);
      if (part !== "out" && part !== "sums") misuse("attend", `no part '${part satisfies never}'`);
      const operands = operandsOf(args);
      const { lead } = requireOperands("attend", operands);
      const { q, v } = operands;
      const rows = { dtype: "f32" as const, shape: q.shape.slice(0, -1), labels: q.labels.slice(0, -1) };
      if (part === "sums") return rows;
      return { dtype: "f32", shape: [...rows.shape, v.shape[lastAxis(v)]!], labels: [...rows.labels, v.labels[lead.length + 1]!] };
    },
    grad: attendGradRule,
    ref: { body: attention },
    kernel: "attend",
  },
  attendGrad: {
    class: "call",
    arity: "any",
    infer: (args, { part }): Inferred => {
      if (args.length !== 6 && args.length !== 7) misuse("attendGrad", `${args.length} arguments given, 6 or 7 wanted`);
      if (part !== "q" && part !== "k" && part !== "v") misuse("attendGrad", `no part '${part satisfies never}'`);
      const operands = gradOperandsOf(args);
      requireOperands("attendGrad", operands);
      const { q, v, sums, delta, g } = operands;
      const rows = q.shape.slice(0, -1);
      for (const x of [sums, delta, g]) requireDType("attendGrad", x, ["f32"]);
      for (const x of [sums, delta]) if (!sameShape(x.shape, rows)) misuse("attendGrad", `${describe(x)} is not one number per row of q`);
      if (!sameShape(g.shape, [...rows, v.shape[lastAxis(v)]!])) misuse("attendGrad", `the cotangent ${describe(g)} does not fit`);
      const of = operands[part];
      return { dtype: "f32", shape: of.shape, labels: of.labels };
    },
    grad: () => "body",
    ref: { body: gradients },
    kernel: "attend",
  },
};
