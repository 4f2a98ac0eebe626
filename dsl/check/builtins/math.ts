import {
  addSizes,
  anySize,
  ceilSize,
  chooseSize,
  constantSize,
  floorSize,
  isAny,
  lessTest,
  multiplySizes,
  negateSize,
  type Size,
} from "../../types/size.ts";
import {
  type AxisItem,
  axisKey,
  bool,
  boolType,
  type DType,
  errorType,
  int,
  intType,
  isSilent,
  realType,
  type Type,
  tensor,
  unknownType,
} from "../../types/type.ts";
import { elementsOf } from "../expressions.ts";
import { hasOpenRow, missingAxis } from "../indexing.ts";
import { join } from "../join.ts";
import { arithmeticDType, asNumeric, elementwise } from "../operators.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";

// Elementwise functions and reductions.

function map(host: (type: Type) => Type, dtype: (of: DType) => DType): BuiltinRule {
  return {
    params: "x",
    type: (c) => {
      const x = asNumeric({ type: c.type("x"), span: c.spanOf("x") }, c.scope);
      if (!x) return errorType;
      if (x.kind === "tensor") return tensor(dtype(x.dtype), x.axes, x.time);
      return isSilent(x) ? x : host(x);
    },
  };
}
const toReal = (of: DType): DType => (of === "i32" || of === "bool" ? "real" : of);
const real = map(() => realType, toReal);
const rounding = (round: (size: Size) => Size) =>
  map(
    (x) => (x.kind === "int" || x.kind === "realNumber" ? int(isAny(x.value) ? x.value : round(x.value)) : intType),
    () => "i32",
  );
const halfUp = (size: Size) => (isAny(size) ? size : anySize());

function binaryOf(kind: "max" | "min"): BuiltinRule {
  return {
    params: "x y? over?:axes",
    type: (c) => {
      if (c.has("y") && !isAxes(c, "y")) {
        const operands = [
          { type: c.type("x"), span: c.spanOf("x") },
          { type: c.type("y"), span: c.spanOf("y") },
        ];
        const [a, b] = operands.map((o) => asNumeric(o, c.scope));
        if (!a || !b) return errorType;
        if (isSilent(a) || isSilent(b)) return a.kind === "error" || b.kind === "error" ? errorType : unknownType;
        if (a.kind !== "tensor" && b.kind !== "tensor") return hostExtreme(kind, a, b);
        return elementwise(
          operands.map((o, i) => ({ ...o, type: i === 0 ? a : b })),
          arithmeticDType,
          c.scope,
        );
      }
      if (c.has("y")) {
        c.args.set("over", c.args.get("y")!);
      }
      return reduce(c, (x) => x);
    },
  };
}
function hostExtreme(kind: "max" | "min", a: Type, b: Type): Type {
  const whole = a.kind !== "realNumber" && b.kind !== "realNumber";
  const value = (t: Type) => (t.kind === "int" || t.kind === "realNumber" ? t.value : anySize());
  const [x, y] = [value(a), value(b)];
  const less = lessTest(x, y);
  const size = isAny(less) ? anySize() : kind === "min" ? chooseSize(less, x, y) : chooseSize(less, y, x);
  return whole ? int(size) : { kind: "realNumber", value: size };
}
/** `max(x, over)`: the second argument says axes where it is a row, a list of axes, or the name of an axis. */
function isAxes(c: BuiltinCall, name: string): boolean {
  const arg = c.args.get(name)!;
  if (arg.row) return true;
  if (arg.source.kind === "type") return arg.source.type.kind === "axes";
  const { expr, scope } = arg.source;
  if (expr.kind === "bracket") return expr.elements.length > 0;
  if (expr.kind !== "name") return false;
  const value = scope.lookup(expr.name);
  return value === undefined || value.kind === "axes";
}

/** The axes that are left after reducing, or nothing where that cannot be said; null after reporting. */
export function reducedAxes(
  c: BuiltinCall,
  axes: readonly AxisItem[],
  source: string,
): { readonly left: readonly AxisItem[]; readonly taken: readonly AxisItem[] } | null | undefined {
  if (!c.has("over")) return { left: [], taken: axes };
  const over = c.type("over");
  if (over.kind !== "axes" || over.axes === null) return over.kind === "error" ? null : undefined;
  const { unifier } = c.scope.session;
  const named = unifier.axes(over.axes);
  const keys = new Set(axes.map(axisKey));
  for (const item of named) {
    if (keys.has(axisKey(item))) continue;
    if (hasOpenRow(axes) || item.kind === "row") return undefined;
    missingAxis(item.name, axes, c.spanOf("over"), c.scope, c.type(source));
    return null;
  }
  const taken = new Set(named.map(axisKey));
  return { left: axes.filter((a) => !taken.has(axisKey(a))), taken: axes.filter((a) => taken.has(axisKey(a))) };
}

function reduce(c: BuiltinCall, dtype: (of: DType) => DType): Type {
  const x = c.type("x");
  if (x.kind === "list") return reduceList(c, x);
  const numeric = asNumeric({ type: x, span: c.spanOf("x") }, c.scope);
  if (!numeric) return errorType;
  if (numeric.kind !== "tensor") {
    const over = c.has("over") ? c.type("over") : null;
    const named = over?.kind === "axes" ? over.axes?.find((a) => a.kind === "axis") : undefined;
    if (isSilent(numeric) || named?.kind !== "axis") return numeric;
    missingAxis(named.name, [], c.spanOf("over"), c.scope);
    return errorType;
  }
  const axes = reducedAxes(c, c.scope.session.unifier.axes(numeric.axes), "x");
  if (axes === null) return errorType;
  if (axes === undefined) return unknownType;
  if (numeric.time === "host" && axes.left.length === 0) {
    const result = dtype(numeric.dtype);
    return result === "bool" ? boolType : result === "i32" ? intType : realType;
  }
  return tensor(dtype(numeric.dtype), axes.left, numeric.time);
}
function reduceList(c: BuiltinCall, x: Extract<Type, { kind: "list" }>): Type {
  const elements = elementsOf(x);
  if (!elements || elements.length === 0) {
    const element = x.element.kind === "int" ? intType : x.element;
    return element.kind === "tensor" || element.kind === "int" || element.kind === "realNumber" || element.kind === "bool"
      ? element
      : unknownType;
  }
  if (elements.every((e) => e.kind === "int")) {
    if (c.name === "sum") return int(elements.map((e) => (e.kind === "int" ? e.value : anySize())).reduce(addSizes));
    return c.name === "mean" ? realType : intType;
  }
  if (elements.every((e) => e.kind === "tensor" || e.kind === "int" || e.kind === "realNumber")) {
    if (elements.every((e) => e.kind !== "tensor")) return realType;
    return elementwise(
      elements.map((type) => ({ type, span: c.spanOf("x") })),
      arithmeticDType,
      c.scope,
    );
  }
  return unknownType;
}
const place: BuiltinRule = { params: "x over?:axes", type: (c) => reduce(c, () => "i32") };

function count(c: BuiltinCall): Type {
  const x = c.type("x");
  if (x.kind === "list") return int(x.length);
  const t = c.tensor("x");
  if (!t) return c.failed ? errorType : intType;
  const axes = reducedAxes(c, c.scope.session.unifier.axes(t.axes), "x");
  if (axes === null) return errorType;
  if (axes === undefined || axes.taken.some((a) => a.kind === "row")) return intType;
  return int(axes.taken.reduce((n, a) => multiplySizes(n, a.kind === "axis" ? a.size : anySize()), constantSize(1)));
}

function where(c: BuiltinCall): Type {
  const condition = c.type("condition");
  const operands = (["condition", "then", "otherwise"] as const).map((name) => ({ type: c.type(name), span: c.spanOf(name) }));
  if (condition.kind === "int" || condition.kind === "realNumber" || (condition.kind === "tensor" && condition.dtype !== "bool")) {
    return c.mismatch("condition", "a condition");
  }
  if (operands.some((o) => o.type.kind === "record")) return unknownType;
  const [, then, otherwise] = operands.map((o) => o.type) as [Type, Type, Type];
  const host = (t: Type) => t.kind !== "tensor";
  if (operands.every((o) => host(o.type))) {
    return isSilent(condition)
      ? unknownType
      : join(c.scope.session, then, otherwise, condition.kind === "bool" ? condition.truth : anySize());
  }
  return elementwise(operands, () => arithmeticOfBranches([then, otherwise]), c.scope);
}
function arithmeticOfBranches(types: readonly Type[]): DType {
  if (types.some((t) => t.kind === "tensor")) return arithmeticDType(types);
  return types.every((t) => t.kind === "int") ? "i32" : types.every((t) => t.kind === "bool") ? "bool" : "real";
}

function dimension(c: BuiltinCall): Type {
  const x = c.tensor("x");
  const named = c.type("axis");
  if (!x || named.kind !== "axes" || !named.axes?.[0]) return c.failed ? errorType : intType;
  const [wanted] = named.axes;
  const axes = c.scope.session.unifier.axes(x.axes);
  const found = axes.find((a) => axisKey(a) === axisKey(wanted));
  if (found) return found.kind === "axis" ? int(found.size) : intType;
  if (hasOpenRow(axes) || wanted.kind === "row") return intType;
  missingAxis(wanted.name, axes, c.spanOf("axis"), c.scope, x);
  return errorType;
}

export const mathRules: Readonly<Record<string, BuiltinRule>> = {
  exp: real,
  ln: real,
  sin: real,
  cos: real,
  tanh: real,
  sqrt: real,
  rsqrt: real,
  erf: real,
  abs: map(
    (x) => (x.kind === "int" || x.kind === "realNumber" ? { ...x, value: absolute(x.value) } : intType),
    (of) => of,
  ),
  floor: rounding(floorSize),
  ceil: rounding(ceilSize),
  round: rounding(halfUp),
  where: { params: "condition then otherwise", type: where },
  sum: { params: "x over?:axes", type: (c) => reduce(c, (of) => (of === "bool" ? "i32" : of)) },
  mean: { params: "x over?:axes", type: (c) => reduce(c, toReal) },
  max: binaryOf("max"),
  min: binaryOf("min"),
  argmax: place,
  argmin: place,
  any: { params: "x over?:axes", type: (c) => conditionReduce(c) },
  all: { params: "x over?:axes", type: (c) => conditionReduce(c) },
  count: { params: "x over?:axes", type: count },
  size: { params: "x axis:axes", type: dimension },
};
function absolute(value: Size): Size {
  const less = lessTest(value, constantSize(0));
  return isAny(less) ? anySize() : chooseSize(less, negateSize(value), value);
}
function conditionReduce(c: BuiltinCall): Type {
  const x = c.type("x");
  if (x.kind === "bool") return bool(x.truth);
  return reduce(c, () => "bool");
}
