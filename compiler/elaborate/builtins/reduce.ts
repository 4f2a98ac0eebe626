import type { Value } from "../../ir/value.ts";
import { applyBinary, asReal, castTo, type Dyadic } from "../arithmetic.ts";
import { axisIndex } from "../axes.ts";
import { fail } from "../failure.ts";
import { fromHost, hostAny, hostOp } from "../hostExpr.ts";
import { bool, isNumeric, isScalar, list, number, type TensorVal, tensor, type Val } from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// Reductions: over named axes, or over all. Of a list they reduce its elements.

interface Reduction {
  readonly device: (c: BuiltinCall, x: TensorVal, axes: readonly number[]) => Value;
  /** Folds a list, two elements at a time. */
  readonly join: Dyadic | "mean" | null;
}

function places(c: BuiltinCall, x: TensorVal): { readonly axes: readonly number[]; readonly rest: readonly string[] } {
  const over = c.axes("over");
  const names = over ? over.axes.map((a) => a.name) : x.axes;
  const axes = names.map((name) => axisIndex(x, name, c.spanOf("over")));
  return { axes, rest: x.axes.filter((name) => !names.includes(name)) };
}

const count = (x: TensorVal, axes: readonly number[]) => axes.reduce((n, axis) => n * x.value.shape[axis]!, 1);

const reductions: Readonly<Record<string, Reduction>> = {
  sum: { device: (c, x, axes) => c.session.builder.sum(numbers(c, x).value, axes), join: "+" },
  mean: {
    device: (c, x, axes) => c.session.builder.mul(c.session.builder.sum(castTo(c.session, x, "f32").value, axes), 1 / count(x, axes)),
    join: "mean",
  },
  max: { device: (c, x, axes) => c.session.builder.reduceMax(numbers(c, x).value, axes), join: "max" },
  min: {
    device: (c, x, axes) => {
      const { builder } = c.session;
      return builder.neg(builder.reduceMax(builder.neg(numbers(c, x).value), axes));
    },
    join: "min",
  },
  any: {
    device: (c, x, axes) =>
      c.session.builder.gt(c.session.builder.reduceMax(castTo(c.session, castTo(c.session, x, "bool"), "f32").value, axes), 0.5),
    join: "or",
  },
  all: {
    device: (c, x, axes) => {
      const { builder } = c.session;
      const misses = castTo(c.session, tensor(builder.not(castTo(c.session, x, "bool").value), x.axes), "f32");
      return builder.lt(builder.reduceMax(misses.value, axes), 0.5);
    },
    join: "and",
  },
};

/** Bools are counted as 0 and 1. */
function numbers(c: BuiltinCall, x: TensorVal): TensorVal {
  return x.value.dtype === "bool" ? castTo(c.session, x, "f32") : x;
}

function reduce(c: BuiltinCall, name: string): Val {
  const x = c.value("x");
  const row = reductions[name]!;
  if (x.kind === "list" && row.join !== null) return reduceList(c, row.join, x.items);
  if (isScalar(x)) return x;
  if (x.kind !== "tensor") return c.mismatch("x", "a tensor or a list");
  if (x.host && (name === "any" || name === "all") && !c.has("over"))
    return fromHost(name === "any" ? hostAny(x.host) : hostOp("not", hostAny(x.host.map((one) => hostOp("not", one)))), "bool");
  const { axes, rest } = places(c, x);
  if (axes.length === 0) return x;
  return tensor(row.device(c, x, axes), rest);
}

function reduceList(c: BuiltinCall, join: Dyadic | "mean", items: readonly Val[]): Val {
  if (items.length === 0)
    return join === "and" || join === "or" ? bool(join === "and") : join === "+" ? number(0) : c.mismatch("x", "a list with elements");
  const step = join === "mean" ? "+" : join;
  let total = items[0]!;
  for (const item of items.slice(1)) total = applyBinary(c.session, step, total, item, c.span);
  return join === "mean" ? applyBinary(c.session, "/", total, number(items.length), c.span) : total;
}

/** `max(a, b)` of two, `max(x, over)` of one; both spellings are one function to the author. */
function extreme(name: "max" | "min"): BuiltinRow {
  return {
    params: ["x", "y?", "over?: axes"],
    run: (c) => {
      const y = c.optional("y");
      if (y === undefined) return reduce(c, name);
      if (y.kind === "axes") {
        c.args.set("over", c.args.get("y")!);
        return reduce(c, name);
      }
      const x = c.value("x");
      if (!isNumeric(x)) return c.mismatch("x", "a number or a tensor");
      return applyBinary(c.session, name, x, y, c.span, [c.spanOf("x"), c.spanOf("y")]);
    },
  };
}

/** Where the largest (or smallest) stands; the first of equals. */
function place(c: BuiltinCall, smallest: boolean): Val {
  const x = asReal(c.session, c.value("x"), c.spanOf("x"));
  const { axes, rest } = places(c, x);
  if (axes.length !== 1) fail("type/mismatch", c.span, { found: `${axes.length} axes`, expected: "one axis: `over: a`" });
  const { builder } = c.session;
  return tensor(builder.argmax(smallest ? builder.neg(x.value) : x.value, axes[0]!), rest);
}

/**
 * Each element plus those before it along an axis: a sum over all places of what stands no later, so that fused code needs no memory for it,
 * and infinities reach only what follows them.
 */
function runningSum(c: BuiltinCall): Val {
  const x = c.value("x");
  if (x.kind === "list") {
    let total: Val = number(0);
    return list(
      x.items.map((item) => {
        total = applyBinary(c.session, "+", total, item, c.span);
        return total;
      }),
    );
  }
  const t = numbers(c, c.tensor("x"));
  const { axes } = places(c, t);
  if (axes.length !== 1) fail("type/mismatch", c.span, { found: `${axes.length} axes`, expected: "one axis: `over: a`" });
  const { builder } = c.session;
  const [axis] = axes as readonly [number];
  const { shape } = t.value;
  // The new axis stands behind the summed one: `axis` counts results, `axis + 1` the elements that they take.
  const square = [...shape.slice(0, axis + 1), ...shape.slice(axis)];
  const source = shape.map((_, i) => (i < axis ? i : i + 1));
  const taken = builder.le(builder.iotaAlong(square, axis + 1), builder.iotaAlong(square, axis));
  return tensor(builder.sum(builder.where(taken, builder.broadcastInDim(t.value, square, source), 0), [axis + 1]), t.axes);
}

export const reduceRows: Readonly<Record<string, BuiltinRow>> = {
  sum: { params: ["x", "over?: axes"], run: (c) => reduce(c, "sum") },
  mean: { params: ["x", "over?: axes"], run: (c) => reduce(c, "mean") },
  any: { params: ["x", "over?: axes"], run: (c) => reduce(c, "any") },
  all: { params: ["x", "over?: axes"], run: (c) => reduce(c, "all") },
  max: extreme("max"),
  min: extreme("min"),
  argmax: { params: ["x", "over?: axes"], run: (c) => place(c, false) },
  argmin: { params: ["x", "over?: axes"], run: (c) => place(c, true) },
  /** How many elements a reduction over these axes takes together. */
  count: {
    params: ["x", "over?: axes"],
    run: (c) => {
      const x = c.value("x");
      if (x.kind === "list") return number(x.items.length);
      if (isScalar(x)) return number(1);
      const t = c.tensor("x");
      return number(count(t, places(c, t).axes));
    },
  },
  size: {
    params: ["x", "axis: axes"],
    run: (c) => number(c.tensor("x").value.shape[axisIndex(c.tensor("x"), c.axis("axis"), c.spanOf("axis"))]!),
  },
  cumsum: { params: ["x", "over?: axes"], run: runningSum },
  cumprod: {
    params: ["x"],
    run: (c) => {
      let product = 1;
      return list(
        c.items("x").map((item) => {
          if (item.kind !== "number") return c.mismatch("x", "a list of numbers known when compiling");
          product *= item.value;
          return number(product);
        }),
      );
    },
  },
};
