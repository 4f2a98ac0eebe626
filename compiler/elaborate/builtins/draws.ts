import type { Value } from "../../ir/value.ts";
import type { HostDistribution, HostExpr, HostGrammar } from "../../plan/host.ts";
import { streamKey } from "../../plan/philox.ts";
import { applyBinary, castTo } from "../arithmetic.ts";
import { axisItems, requireUnique } from "../axes.ts";
import { fail, unsupported } from "../failure.ts";
import { constantOf, fromHost, hostNumber, toHost } from "../hostExpr.ts";
import type { Session } from "../session.ts";
import {
  type AxisItem,
  type DistributionVal,
  describe,
  isScalar,
  type NumericVal,
  number,
  plainAxis,
  type TensorVal,
  type TextsVal,
  tensor,
  type Val,
} from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// Distributions and draws. A draw without axes is a host value; with axes it is a tensor made from counter-based bits on the device. Its
// stream is the chain of names that leads to it, so neither the order of statements nor the layout changes its numbers.

const plain: DistributionVal = {
  kind: "distribution",
  name: "normal",
  low: null,
  high: null,
  probability: null,
  values: [],
  weights: [],
  atMost: null,
};

function between(c: BuiltinCall, name: "uniform" | "integer"): Val {
  const range = c.value("range");
  if (range.kind === "range" && range.to !== null) return { ...plain, name, low: range.from, high: range.to };
  if (range.kind === "number" && name === "integer") return { ...plain, name, low: number(0), high: range };
  return c.mismatch("range", "a range `a..b`");
}

const twoPi = 2 * Math.PI;

function draw(c: BuiltinCall): Val {
  const given = c.value("from");
  if (given.kind === "transform")
    return given.drawn?.(c.session.nextStream()) ?? c.mismatch("from", "a function of pictures that leaves something open");
  const distribution: Val =
    given.kind === "builtin" && given.name === "normal"
      ? plain
      : given.kind === "grammar"
        ? { ...plain, name: given.kind, source: given }
        : given;
  if (distribution.kind !== "distribution")
    return c.mismatch("from", "a distribution: `uniform(a..b)`, `normal`, `integer(a..b)`, `coin(p)`, `pick([…])`");
  const { session } = c;
  if (session.body === "compile") unsupported("`draw` outside of a step, a function or a starting value", c.span);
  const like = c.optional("like");
  const axes = c.axes("axes");
  const stream = session.nextStream();
  if (like === undefined && axes === undefined && session.body !== "init") return drawHost(c, distribution, stream);
  let items: readonly AxisItem[] = [];
  if (like !== undefined) {
    if (like.kind !== "tensor" && !isScalar(like)) return c.mismatch("like", "a tensor");
    items = like.kind === "tensor" ? axisItems(like) : [];
  } else if (axes) {
    items = axes.axes.map((axis) => {
      const size = axis.size ?? c.scope.lookupSize(axis.name);
      if (size === undefined)
        fail(
          "shape/not-determined",
          c.spanOf("axes"),
          { size: plainAxis(axis.name) },
          { help: `write the size: \`${plainAxis(axis.name)}: 4\`` },
        );
      return { name: axis.name, size };
    });
    requireUnique(
      items.map((a) => a.name),
      c.spanOf("axes"),
    );
  }
  if (distribution.source) return drawTexts(c.session, distribution.source.grammar, stream, items);
  return drawDevice(c, distribution, stream, items);
}

function drawHost(c: BuiltinCall, d: DistributionVal, stream: string): Val {
  const host = (val: Val | null) => {
    if (val === null || !isScalar(val))
      fail("type/mismatch", c.span, {
        found: val ? describe(val) : "nothing",
        expected: "a distribution of numbers known on the host, or axes for the draw",
      });
    return toHost(val);
  };
  const { walk } = c.session;
  const make = (distribution: HostDistribution, type: "int" | "real" | "bool" | "text"): Val => {
    const expr = c.session.perStream(stream, (own): HostExpr => {
      const drawn: HostExpr = { kind: "draw", stream: own, distribution };
      // A walk draws at once: a value that is used in a turn of an inner loop is that of its own turn.
      return walk === null ? drawn : walk.opaque(walk.value(drawn));
    });
    return walk === null ? fromHost(expr, type) : { kind: "host", expr, type };
  };
  switch (d.name) {
    case "uniform":
      return make({ kind: "uniform", low: host(d.low), high: host(d.high) }, "real");
    case "normal":
      return make({ kind: "normal" }, "real");
    case "integer":
      return make({ kind: "integer", low: host(d.low), high: host(d.high) }, "int");
    case "coin":
      return make({ kind: "coin", probability: host(d.probability) }, "bool");
    case "pick": {
      const values = d.values.map((v) => {
        if (v.kind !== "number" && v.kind !== "text")
          return fail("type/mismatch", c.span, { found: describe(v), expected: "numbers or texts to pick from" });
        return v.value;
      });
      const type = values.every((v) => typeof v === "string") ? "text" : values.every((v) => Number.isInteger(v)) ? "int" : "real";
      return make({ kind: "pick", values, weights: d.weights.map(host), atMost: d.atMost ? host(d.atMost) : null }, type);
    }
    case "grammar":
      return make({ kind: "grammar", grammar: d.source!.grammar }, "text");
    case "dirichlet":
      return fail("type/mismatch", c.span, { found: "weights drawn without an axis", expected: "`draw(dirichlet([1, 2, 2]), [last: 3])`" });
    default:
      d.name satisfies never;
      throw new Error("internal: unknown distribution");
  }
}

/** Texts along axes: each place has a stream of its own. */
function drawTexts(session: Session, grammar: HostGrammar, stream: string, axes: readonly AxisItem[]): TextsVal {
  const count = axes.reduce((n, a) => n * a.size!, 1);
  const items = Array.from({ length: count }, (_, i) =>
    session.perStream(`${stream}[${i}]`, (own): HostExpr => ({ kind: "draw", stream: own, distribution: { kind: "grammar", grammar } })),
  );
  return { kind: "texts", axes, items };
}

function drawDevice(c: BuiltinCall, d: DistributionVal, stream: string, axes: readonly AxisItem[]): Val {
  const { session, span } = c;
  const { builder } = session;
  const names = axes.map((a) => a.name);
  const shape = axes.map((a) => a.size!);
  const microStep = session.microStep();
  /** Uniform in [0,1) from the upper 24 bits of a word: exact in f32. */
  const unit = (word: number, name = stream): TensorVal => {
    const key = session.perStream(name, (own) => hostNumber(streamKey(own)));
    const known = constantOf(key);
    // Each run of a loop has a stream of its own.
    const own = known === undefined ? [session.uniform(key, "u32", "stream")] : [];
    const bits = builder.make(
      "random",
      [microStep, ...own],
      { key0: session.seed >>> 0, key1: Number(known ?? 0), word, shape },
      { labels: names.map(plainAxis) },
    );
    const high: Value = builder.cast(builder.shr(bits, 8), "f32");
    return tensor(builder.mul(high, 2 ** -24), names);
  };
  const arithmetic = (op: "+" | "-" | "*" | "<", a: Val, b: Val) => applyBinary(session, op, a, b, span) as TensorVal;
  const bound = (val: Val | null, expected: string): NumericVal => {
    if (val === null || !(isScalar(val) || val.kind === "tensor") || val.kind === "text")
      fail("type/mismatch", span, { found: val ? describe(val) : "nothing", expected });
    return val as NumericVal;
  };
  switch (d.name) {
    case "uniform": {
      const [low, high] = [bound(d.low, "a number"), bound(d.high, "a number")];
      return arithmetic("+", arithmetic("*", unit(0), applyBinary(session, "-", high, low, span)), low);
    }
    case "normal": {
      const radius = builder.sqrt(builder.mul(builder.log(builder.sub(1, unit(0).value)), -2));
      return tensor(builder.mul(radius, builder.cos(builder.mul(unit(1).value, twoPi))), names);
    }
    case "integer": {
      const [low, high] = [bound(d.low, "a number"), bound(d.high, "a number")];
      const count = applyBinary(session, "-", high, low, span);
      const scaled = arithmetic("*", unit(0), count);
      const whole = castTo(session, tensor(builder.floor(scaled.value), names), "i32");
      // the product may round up to the count itself
      const inside = applyBinary(session, "min", whole, applyBinary(session, "-", count, number(1), span), span);
      return arithmetic("+", inside, low);
    }
    case "coin":
      return arithmetic("<", unit(0), bound(d.probability, "a probability"));
    case "pick": {
      const weights = d.weights.length > 0 ? d.weights : d.values.map(() => number(1));
      let total: Val = number(0);
      const ends = weights.map((w) => {
        total = applyBinary(session, "+", total, w, span);
        return total;
      });
      const at = applyBinary(session, "*", unit(0), total, span);
      let chosen: Val = d.values.at(-1)!;
      for (let i = d.values.length - 2; i >= 0; i--) {
        const value = d.values[i]!;
        if (value.kind !== "number" || (chosen.kind !== "number" && chosen.kind !== "tensor"))
          unsupported("a drawn tensor of anything but numbers", span);
        const hit = applyBinary(session, "<", at, ends[i]!, span) as TensorVal;
        chosen = chooseNumber(c, hit, value.value, chosen);
      }
      if (d.atMost) unsupported("`at_most` for a drawn tensor", span);
      return chosen.kind === "tensor" ? chosen : tensor(builder.splat((chosen as { value: number }).value, shape), names);
    }
    case "dirichlet": {
      // Gamma variables of whole weights are sums of exponential ones; divided by their sum they are the weights.
      const alphas = d.weights.map((w) => (w.kind === "number" ? w.value : Number.NaN));
      if (alphas.some((a) => !Number.isInteger(a) || a < 1 || a > 64))
        return fail("type/mismatch", span, { found: describe({ kind: "list", items: d.weights }), expected: "whole weights from 1 to 64" });
      const axis = axes.at(-1);
      if (!axis || axis.size !== alphas.length)
        return fail("shape/axis-mismatch", span, {
          axis: axis ? plainAxis(axis.name) : "of the weights",
          left: axis?.size ?? 0,
          right: alphas.length,
        });
      const table = (data: readonly number[]) =>
        builder.broadcastInDim(builder.make("table", [], { data, dtype: "f32", shape: [data.length] }), shape, [shape.length - 1]);
      let gamma = builder.splat(0, shape);
      for (let k = 0; k < Math.max(...alphas); k++) {
        const u = unit(k % 4, k < 4 ? stream : `${stream}/${Math.floor(k / 4)}`);
        const exponential = builder.neg(builder.log(builder.sub(1, u.value)));
        gamma = builder.add(gamma, builder.mul(exponential, table(alphas.map((a) => (k < a ? 1 : 0)))));
      }
      const total = builder.sum(gamma, [shape.length - 1]);
      const places = shape.slice(0, -1).map((_, i) => i);
      return tensor(builder.div(gamma, builder.broadcastInDim(total, shape, places)), names);
    }
    case "grammar":
      return fail("type/mismatch", span, { found: describe(d.source!), expected: "a distribution of numbers" });
    default:
      d.name satisfies never;
      throw new Error("internal: unknown distribution");
  }
}

function chooseNumber(c: BuiltinCall, hit: TensorVal, value: number, otherwise: Val): TensorVal {
  const { builder } = c.session;
  const other = otherwise.kind === "tensor" ? otherwise.value : builder.splat((otherwise as { value: number }).value, hit.value.shape);
  return tensor(builder.where(hit.value, builder.splat(value, hit.value.shape), other), hit.axes);
}

export const drawRows: Readonly<Record<string, BuiltinRow>> = {
  draw: { params: ["from", "axes?: axes", "like?"], run: draw },
  uniform: { params: ["range"], run: (c) => between(c, "uniform") },
  integer: { params: ["range"], run: (c) => between(c, "integer") },
  normal: { params: [], run: () => plain },
  coin: { params: ["p"], run: (c) => ({ ...plain, name: "coin", probability: c.value("p") }) },
  pick: {
    params: ["list", "weights?", "at_most?"],
    run: (c) => {
      const values = c.items("list");
      const weights = c.has("weights") ? c.items("weights") : [];
      if (values.length === 0) return c.mismatch("list", "a list with elements");
      if (weights.length > 0 && weights.length !== values.length) return c.mismatch("weights", `${values.length} weights`);
      const known = weights.map((w) => (w.kind === "number" ? w.value : 1));
      if (known.some((w) => w < 0) || (weights.length > 0 && known.every((w) => w === 0)))
        return c.mismatch("weights", "weights that are not negative and not all 0");
      return { ...plain, name: "pick", values, weights, atMost: c.optional("at_most") ?? null };
    },
  },
  dirichlet: { params: ["weights"], run: (c) => ({ ...plain, name: "dirichlet", weights: c.items("weights") }) },
};
