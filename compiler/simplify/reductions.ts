import type { Builder } from "../ir/builder.ts";
import { freeAxes } from "../ir/ops/contract.ts";
import type { Value } from "../ir/value.ts";
import { argumentOf, is, type Rule, rule } from "./rule.ts";

// Reductions and products over axes that hold nothing new.

type Reduce = "sum" | "reduceMax";
const reduces: readonly Reduce[] = ["sum", "reduceMax"];

/** The axes of the argument of a reduction that survive it. */
const survivors = (rank: number, axes: readonly number[]) => Array.from({ length: rank }, (_, i) => i).filter((i) => !axes.includes(i));

function reduceBy(b: Builder, op: Reduce, x: Value, axes: readonly number[]): Value {
  return op === "sum" ? b.sum(x, axes) : b.reduceMax(x, axes);
}

export const reductionRules: readonly Rule[] = [
  rule("reduce-reduce", reduces, (b, v) => {
    const inner = v.args[0]!;
    if (!is(inner, v.op)) return null;
    const kept = survivors(argumentOf(inner).shape.length, inner.attrs.axes);
    return reduceBy(b, v.op, argumentOf(inner), [...inner.attrs.axes, ...v.attrs.axes.map((axis) => kept[axis]!)]);
  }),
  rule("reduce-unit-axes", reduces, (b, v) => {
    const x = v.args[0]!;
    const units = v.attrs.axes.filter((axis) => x.shape[axis] === 1);
    // A total reduction does not see the shape at all, so it keeps the one that is there.
    const isTotal = v.shape.length === 0 && units.length < x.shape.length;
    if (units.length === 0 || isTotal) return null;
    const kept = survivors(x.shape.length, units);
    const squeezed = b.reshape(
      x,
      kept.map((axis) => x.shape[axis]!),
      kept.map((axis) => x.labels[axis]!),
    );
    return reduceBy(
      b,
      v.op,
      squeezed,
      v.attrs.axes.filter((axis) => !units.includes(axis)).map((axis) => kept.indexOf(axis)),
    );
  }),
  rule("reduce-broadcast", reduces, (b, v) => {
    const x = v.args[0]!;
    if (!is(x, "broadcast")) return null;
    const repeated = v.attrs.axes.filter((axis) => !x.attrs.axes.includes(axis));
    if (repeated.length === 0) return null;
    const kept = survivors(x.shape.length, repeated);
    const fewer = b.broadcastInDim(
      argumentOf(x),
      kept.map((axis) => x.shape[axis]!),
      x.attrs.axes.map((axis) => kept.indexOf(axis)),
    );
    const rest = v.attrs.axes.filter((axis) => !repeated.includes(axis)).map((axis) => kept.indexOf(axis));
    const count = repeated.reduce((n, axis) => n * x.shape[axis]!, 1);
    const reduced = reduceBy(b, v.op, fewer, rest);
    return v.op === "sum" ? b.mul(reduced, count) : reduced;
  }),
  rule("reduce-permuted", reduces, (b, v) => {
    // The order of the axes that vanish does not matter; when the others keep their order, neither does the permute.
    const x = v.args[0]!;
    if (!is(x, "permute")) return null;
    const kept = survivors(x.shape.length, v.attrs.axes).map((axis) => x.attrs.order[axis]!);
    if (kept.some((axis, i) => i > 0 && kept[i - 1]! > axis)) return null;
    return reduceBy(
      b,
      v.op,
      argumentOf(x),
      v.attrs.axes.map((axis) => x.attrs.order[axis]!),
    );
  }),
  rule("reduce-all-reshaped", reduces, (b, v) => {
    const x = v.args[0]!;
    return is(x, "reshape") && v.shape.length === 0 ? reduceBy(b, v.op, argumentOf(x), survivors(argumentOf(x).shape.length, [])) : null;
  }),
  rule("argmax-unit-axis", "argmax", (b, v) => (v.args[0]!.shape[v.attrs.axis] === 1 ? b.splat(0, v.shape, "i32") : null)),
  rule("dot-permuted", "dot", (b, v) => {
    // A product names its axes, so a permute before it that leaves the free axes in order is only other names.
    const { batchA, batchB, contractA, contractB } = v.attrs;
    const [x, y] = v.args as unknown as readonly [Value, Value];
    const through = (operand: Value, batch: readonly number[], contract: readonly number[]) => {
      if (!is(operand, "permute")) return undefined;
      const { order } = operand.attrs;
      const free = freeAxes(order.length, batch, contract).map((axis) => order[axis]!);
      if (free.some((axis, i) => i > 0 && free[i - 1]! > axis)) return undefined;
      return { value: argumentOf(operand), batch: batch.map((axis) => order[axis]!), contract: contract.map((axis) => order[axis]!) };
    };
    const a = through(x, batchA, contractA);
    if (a) return b.dot(a.value, y, { batchA: a.batch, batchB, contractA: a.contract, contractB });
    const c = through(y, batchB, contractB);
    return c ? b.dot(x, c.value, { batchA, batchB: c.batch, contractA, contractB: c.contract }) : null;
  }),
];
