import { anySize, constantOf, type Size } from "../../types/size.ts";
import {
  boolType,
  type DType,
  errorType,
  intType,
  isSilent,
  realType,
  type Type,
  tensor,
  textType,
  unknownType,
} from "../../types/type.ts";
import { requireRandom } from "../effects.ts";
import { elementOf, elementsOf, evaluate } from "../expressions.ts";
import { scheduleStands } from "../operators.ts";
import { givenAxes } from "./axes.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";

// Distributions, what draws from them, and schedules.

const distribution = (dtype: DType, host: Type): Type => ({ kind: "distribution", dtype, host });
/** `normal` needs no arguments, so it is a value. */
export const normal: Type = distribution("real", realType);

/** What `minimum` gives for each step: `x`, and the states of the optimiser; arenas have the axes of `x`. */
function traced(c: BuiltinCall): Type {
  c.evaluateAll();
  const from = c.type("from");
  const { source } = c.args.get("by")!;
  const by = source.kind === "expr" && source.expr.kind === "call" ? evaluate(source.expr.callee, source.scope) : unknownType;
  if (by.kind !== "optimizerKind")
    return isSilent(by) ? unknownType : c.mismatch("by", "an optimiser with its settings, as in `adam(lr: 0.1)`");
  const x: Type = from.kind === "tensor" ? tensor("f32", from.axes) : unknownType;
  const states = by.item.states.map(({ name, type }): [string, Type] => [
    name.name,
    type.kind === "namedType" && (type.axes ?? []).length > 0 ? x : tensor("f32", []),
  ]);
  return {
    kind: "list",
    element: { kind: "record", name: null, fields: new Map([["x", x], ...states]) },
    elements: null,
    length: anySize(),
  };
}

function draw(c: BuiltinCall): Type {
  requireRandom("`draw` makes a random value", c.span, c.scope);
  const from = c.type("from");
  if (isSilent(from) || from.kind !== "distribution") {
    c.type("axes");
    if (isSilent(from) || ["closure", "function", "prompt", "textValue"].includes(from.kind)) return unknownType;
    return c.mismatch("from", "a distribution, as `normal` or `uniform(0..1)`");
  }
  if (c.has("like")) {
    const like = c.type("like");
    if (like.kind === "tensor") return tensor(from.dtype, like.axes, from.dtype === "text" ? "host" : "device");
    if (like.kind === "int" || like.kind === "realNumber" || like.kind === "bool") return tensor(from.dtype, []);
    return isSilent(like) ? unknownType : c.mismatch("like", "a tensor");
  }
  if (!c.has("axes")) return from.host;
  const axes = givenAxes(c, "axes", []);
  if (c.failed) return errorType;
  if (!axes) return unknownType;
  const longest = from.host.kind === "textValue" ? (from.host.text ?? from.host.longest) : undefined;
  return { ...tensor(from.dtype, axes, from.dtype === "text" ? "host" : "device"), ...(longest === undefined ? {} : { longest }) };
}

function uniform(dtype: DType, host: Type): BuiltinRule {
  return {
    params: "range",
    type: (c) => {
      const range = c.type("range");
      if (range.kind === "range") checkEnds(c, range, dtype === "i32");
      if (range.kind === "range" || isSilent(range)) return distribution(dtype, host);
      return c.mismatch("range", "a range, as `0..1`");
    },
  };
}
/** From low to high; of whole numbers, without the end, at least one. */
function checkEnds(c: BuiltinCall, range: Extract<Type, { kind: "range" }>, whole: boolean): void {
  const [low, high] = [numberOf(range.from), range.to === null ? undefined : numberOf(range.to)];
  if (low === undefined || high === undefined || (whole ? low < high : low <= high)) return;
  const expected = whole ? "a range with whole numbers in it, the end left out" : "a range from low to high";
  const span = c.spanOf("range");
  c.scope.session.report("train/bad-number", span, { setting: `\`${c.name}\``, expected, found: `\`${c.scope.session.textOf(span)}\`` });
}
function numberOf(size: Size): number | undefined {
  const value = constantOf(size);
  return value && Number(value.n) / Number(value.d);
}
const scheduleOf = (params: string): BuiltinRule => ({
  params,
  type: (c) => {
    c.evaluateAll();
    const values = c.has("values") ? c.type("values") : unknownType;
    if (["int", "realNumber", "tensor", "textValue"].includes(values.kind)) return c.mismatch("values", "two values, as `1 -> 0`");
    return { kind: "schedule" };
  },
});

/** Weights: as many as there are elements, none negative, not all 0. */
function checkWeights(c: BuiltinCall, count: number | undefined): boolean {
  const weights = c.type("weights");
  if (!c.has("weights") || weights.kind !== "list" || weights.elements === null) return true;
  if (count !== undefined && weights.elements.length !== count) {
    const args = { found: `a list of ${weights.elements.length}`, expected: `a weight for each of the ${count} elements` };
    c.scope.session.report("type/mismatch", c.spanOf("weights"), args);
    return false;
  }
  const values = weights.elements.map((w) => (w.kind === "int" || w.kind === "realNumber" ? constantOf(w.value) : undefined));
  const negative = values.some((v) => v && v.n < 0n);
  if (!negative && !(values.length > 0 && values.every((v) => v?.n === 0n))) return true;
  const problem = negative ? "not all from 0 on" : "all 0";
  c.scope.session.report("train/bad-weights", c.spanOf("weights"), { what: "this `pick`", problem });
  return false;
}

/** A fixed result, after looking at the arguments. */
function after(c: BuiltinCall, type: Type): Type {
  c.evaluateAll();
  return type;
}

export const drawRules: Readonly<Record<string, BuiltinRule>> = {
  draw: { params: "from axes?:axes like?", type: draw },
  uniform: uniform("real", realType),
  integer: uniform("i32", intType),
  coin: {
    params: "p",
    type: (c) => {
      const p = c.type("p");
      if ((p.kind === "schedule" || p.kind === "scheduleKind") && !scheduleStands(c.spanOf("p"), c.scope)) return errorType;
      if (p.kind === "tensor" || p.kind === "textValue" || p.kind === "range") return c.mismatch("p", "a probability on the host");
      const chance = p.kind === "int" || p.kind === "realNumber" ? numberOf(p.value) : undefined;
      if (chance !== undefined && (chance < 0 || chance > 1))
        c.scope.session.report("train/bad-number", c.spanOf("p"), {
          setting: "`coin`",
          expected: "a probability from 0 to 1",
          found: String(chance),
        });
      return distribution("bool", boolType);
    },
  },
  pick: {
    params: "list weights? at_most?",
    type: (c) => {
      const list = c.type("list");
      c.evaluateAll();
      if (!checkWeights(c, elementsOf(list)?.length)) return errorType;
      const element = elementOf(list);
      if (element === null) return c.mismatch("list", "a list");
      const host: Type =
        element.kind === "int" ? intType : element.kind === "textValue" ? textType : element.kind === "realNumber" ? realType : element;
      return distribution(
        element.kind === "int" ? "i32" : element.kind === "textValue" ? "text" : "real",
        isSilent(host) ? unknownType : host,
      );
    },
  },
  dirichlet: { params: "weights", type: (c) => after(c, distribution("real", realType)) },
  permutation: { params: "n", type: (c) => after(c, distribution("i32", unknownType)) },
  linear: scheduleOf("values"),
  cosine: scheduleOf("values"),
  constant: scheduleOf("value"),
  polynomial: scheduleOf("values power?"),
  piecewise: scheduleOf("points"),
  cycle: scheduleOf("schedule times?"),
  near: { params: "a b tolerance? relative?", type: (c) => after(c, boolType) },
  fresh: {
    params: "module from? surgery? seed?",
    type: (c) => {
      c.type("from");
      c.type("seed");
      return c.type("module");
    },
  },
  gradient: {
    params: "f at",
    type: (c) => {
      const at = c.type("at");
      c.evaluateAll();
      return at.kind === "tensor" ? tensor("f32", at.axes) : unknownType;
    },
  },
  minimum: { params: "f from by steps", type: traced },
};
