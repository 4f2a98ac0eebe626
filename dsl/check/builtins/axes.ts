import { anySize, isAny } from "../../types/size.ts";
import {
  type AxisItem,
  axis,
  axisKey,
  errorType,
  isSilent,
  printType,
  type TensorType,
  type Type,
  tensor,
  unknownType,
} from "../../types/type.ts";
import { hasOpenRow, missingAxis } from "../indexing.ts";
import { showAxes } from "../match.ts";
import { reportAlign } from "../mismatch.ts";
import { asNumeric } from "../operators.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";

// Functions that repeat, rename and reorder axes by name.

export const hasRow = (axes: readonly AxisItem[]) => axes.some((a) => a.kind === "row");
/** Axes given by an argument, with their sizes; a bare name without a size in force is reported. Nothing where they are not known. */
export function givenAxes(c: BuiltinCall, name: string, known: readonly AxisItem[]): readonly AxisItem[] | undefined {
  const type = c.type(name);
  if (type.kind !== "axes" || type.axes === null) return undefined;
  const axes = c.scope.session.unifier.axes(type.axes);
  const sizes = new Map(known.flatMap((a) => (a.kind === "axis" ? [[a.name, a.size] as const] : [])));
  const result = axes.map((item): AxisItem => {
    if (item.kind === "row" || !item.bare) return item;
    const size = sizes.get(item.name);
    if (size) return axis(item.name, size);
    if (!hasOpenRow(known)) {
      c.scope.session.report("shape/not-determined", c.spanOf(name), { size: item.name }, { help: `write the size: \`${item.name}: 4\`` });
      c.failed = true;
    }
    return axis(item.name, anySize());
  });
  const names = result.map(axisKey);
  const doubled = result.find((item, i) => names.indexOf(axisKey(item)) !== i);
  if (doubled?.kind === "axis") {
    c.scope.session.report("shape/duplicate-axis", c.spanOf(name), { axis: doubled.name });
    c.failed = true;
  }
  return result;
}

function expand(c: BuiltinCall): Type {
  const value = c.type("x");
  if (value.kind === "record" || isSilent(value) || value.kind === "prompt") {
    c.evaluateAll();
    return value.kind === "record" && c.has("axes") ? expandRecord(c, value) : c.silent("x");
  }
  const x = asNumeric({ type: value, span: c.spanOf("x") }, c.scope);
  if (!x || isSilent(x)) return x ? unknownType : errorType;
  const own = x.kind === "tensor" ? c.scope.session.unifier.axes(x.axes) : [];
  const dtype = x.kind === "tensor" ? x.dtype : x.kind === "int" ? "i32" : x.kind === "bool" ? "bool" : "real";
  let target: readonly AxisItem[] | undefined;
  if (c.has("like")) {
    const like = c.type("like");
    if (like.kind !== "tensor") return isSilent(like) || like.kind === "record" ? c.silent("like") : c.mismatch("like", "a tensor");
    target = c.scope.session.unifier.axes(like.axes);
  } else if (c.has("axes")) target = givenAxes(c, "axes", own);
  else {
    c.scope.session.report("call/missing-argument", c.span, { callee: "expand", name: "axes" });
    return errorType;
  }
  if (c.failed) return errorType;
  return target ? spread(c, own, target, dtype) : unknownType;
}
function expandRecord(c: BuiltinCall, value: Extract<Type, { kind: "record" }>): Type {
  const fields = [...value.fields].map(([name, type]): [string, Type] => {
    if (type.kind !== "tensor") return [name, type];
    const own = c.scope.session.unifier.axes(type.axes);
    const target = c.scope.session.quietly(() => givenAxes(c, "axes", own));
    return [name, target ? tensor(type.dtype, target) : unknownType];
  });
  return { ...value, fields: new Map(fields) };
}
function spread(c: BuiltinCall, own: readonly AxisItem[], target: readonly AxisItem[], dtype: TensorType["dtype"]): Type {
  const { session } = c.scope;
  const aligned = session.unifier.align(target, own);
  if (aligned.kind === "uncertain") return tensor(dtype, target);
  const lacking = own.filter((a) => !target.some((t) => axisKey(t) === axisKey(a)));
  const problem = aligned.kind === "problem" ? aligned.problem : null;
  if (problem || (lacking.length > 0 && !hasRow(target) && !hasRow(lacking))) {
    const missing = { kind: "missing", inLeft: lacking.flatMap((a) => (a.kind === "axis" ? [a.name] : [])), inRight: [] } as const;
    reportAlign(session, problem ?? missing, {
      span: c.spanOf("x"),
      left: target,
      right: own,
      leftSpan: c.spanOf(c.has("like") ? "like" : "axes"),
      leftLabel: showAxes(target),
    });
    return errorType;
  }
  const sizes = new Map(own.flatMap((a) => (a.kind === "axis" ? [[a.name, a.size] as const] : [])));
  return tensor(
    dtype,
    target.map((a) => (a.kind === "axis" && isAny(a.size) && sizes.has(a.name) ? axis(a.name, sizes.get(a.name)!) : a)),
  );
}

function rename(c: BuiltinCall): Type {
  const x = c.tensor("x");
  if (!x) return c.silent("x");
  const axes = c.scope.session.unifier.axes(x.axes);
  const names = new Map<string, string>();
  for (const arg of c.rest) {
    const to = arg.source.kind === "expr" && arg.source.expr.kind === "name" ? arg.source.expr.name : null;
    if (to === null || arg.name === null) return unknownType;
    if (!axes.some((a) => a.kind === "axis" && a.name === arg.name)) {
      if (hasOpenRow(axes)) return unknownType;
      missingAxis(arg.name, axes, arg.nameSpan, c.scope, x);
      return errorType;
    }
    names.set(arg.name, to);
  }
  const renamed = axes.map((a) => (a.kind === "axis" ? axis(names.get(a.name) ?? a.name, a.size) : a));
  return unique(c, renamed, tensor(x.dtype, renamed, x.time));
}
/** The type, unless an axis would stand in it twice. */
export function unique(c: BuiltinCall, axes: readonly AxisItem[], type: Type): Type {
  const keys = axes.map(axisKey);
  const doubled = axes.find((item, i) => keys.indexOf(axisKey(item)) !== i);
  if (!doubled) return type;
  c.scope.session.report("shape/duplicate-axis", c.span, { axis: doubled.kind === "axis" ? doubled.name : `...${doubled.row.name}` });
  return errorType;
}

function order(c: BuiltinCall): Type {
  const x = c.tensor("x");
  if (!x) return c.silent("x");
  const axes = c.scope.session.unifier.axes(x.axes);
  const wanted = c.type("axes");
  if (wanted.kind !== "axes" || wanted.axes === null) return unknownType;
  const named = c.scope.session.unifier.axes(wanted.axes);
  const byKey = new Map(axes.map((a) => [axisKey(a), a]));
  for (const item of named) {
    if (byKey.has(axisKey(item))) continue;
    if (hasOpenRow(axes) || item.kind === "row") return unknownType;
    missingAxis(item.name, axes, c.spanOf("axes"), c.scope, x);
    return errorType;
  }
  const left = axes.filter((a) => !named.some((n) => axisKey(n) === axisKey(a)));
  if (left.length > 0) {
    if (hasOpenRow(left) || hasOpenRow(named)) return unknownType;
    c.scope.session.report("shape/axes-left-out", c.spanOf("axes"), { axes: showAxes(left) }, { label: `of ${printType(x)}` });
    return errorType;
  }
  return tensor(
    x.dtype,
    named.map((n) => byKey.get(axisKey(n))!),
    x.time,
  );
}
function iota(c: BuiltinCall): Type {
  const axes = givenAxes(c, "axes", []);
  if (c.failed) return errorType;
  return axes ? tensor("i32", axes) : unknownType;
}

export const axesRules: Readonly<Record<string, BuiltinRule>> = {
  iota: { params: "axes:axes", type: iota },
  expand: { params: "x axes?:axes like?", type: expand },
  rename: { params: "x", rest: "names", type: rename },
  order: { params: "x axes:axes", type: order },
  stop: { params: "x", type: (c) => c.type("x") },
};
