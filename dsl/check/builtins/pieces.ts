import { printSize } from "../../types/printSize.ts";
import { addSizes, anySize, ceilSize, constantOf, constantSize, divideSizes, isAny, type Size, wholeOf } from "../../types/size.ts";
import {
  type AxisItem,
  axis,
  axisKey,
  describeType,
  errorType,
  isSilent,
  type TensorType,
  type Type,
  tensor,
  unknownType,
} from "../../types/type.ts";
import { argType } from "../arguments.ts";
import { elementsOf } from "../expressions.ts";
import { hasOpenRow, missingAxis } from "../indexing.ts";
import { commonDType } from "../join.ts";
import { stackPrompts } from "../prompts.ts";
import { hasRow, unique } from "./axes.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";

// Joining and cutting: lists of tensors to one tensor and back, and functions that change the size of an axis.

function stack(c: BuiltinCall): Type {
  const list = c.type("list");
  const named = c.type("axis");
  const name = named.kind === "axes" ? named.axes?.[0] : undefined;
  if (list.kind !== "list") return isSilent(list) ? c.silent("list") : c.mismatch("list", "a list");
  if (name?.kind !== "axis") return unknownType;
  const elements = elementsOf(list) ?? [list.element];
  const front = axis(name.name, list.length);
  if (elements.every((e) => e.kind === "prompt")) return stackPrompts(elements, front, c.spanOf("list"), c.scope.session);
  const same = sameAxes(c, elements, null);
  if (same === null || same === undefined) return same === null ? errorType : unknownType;
  return unique(c, [front, ...same.axes], tensor(same.dtype, [front, ...same.axes], same.time));
}
/** What all elements have in common: the same axes with the same sizes, but for one axis if it is named. */
function sameAxes(c: BuiltinCall, elements: readonly Type[], except: string | null): TensorType | null | undefined {
  const { session } = c.scope;
  const types = elements.map((type): Type => (type.kind === "optional" ? type.of : type));
  if (types.some((t) => t.kind === "error")) return null;
  if (types.every((t) => t.kind === "int" || t.kind === "realNumber" || t.kind === "bool"))
    return { kind: "tensor", dtype: "real", axes: [], time: "device" };
  if (types.some((t) => t.kind !== "tensor")) return undefined;
  const tensors = types as readonly TensorType[];
  const [first] = tensors;
  if (!first) return undefined;
  let axes = session.unifier.axes(first.axes);
  for (const [index, other] of tensors.entries()) {
    if (index === 0) continue;
    const own = session.unifier.axes(other.axes);
    const differs = () => {
      session.report("shape/element-differs", c.spanOf("list"), {
        index,
        found: describeType(session.unifier.type(other)),
        expected: describeType(session.unifier.type(first)),
      });
      return null;
    };
    if (own.length !== axes.length || own.some((a, i) => axisKey(a) !== axisKey(axes[i]!))) {
      if (hasRow(own) || hasRow(axes)) return undefined;
      return differs();
    }
    for (const [i, a] of own.entries()) {
      const b = axes[i]!;
      if (a.kind !== "axis" || b.kind !== "axis" || a.name === except) continue;
      if (session.unifier.equate(a.size, b.size) === "differ") return differs();
    }
    axes = axes.map((b, i) => (b.kind === "axis" && isAny(b.size) ? own[i]! : b));
  }
  return tensor(tensors.map((t) => t.dtype).reduce(commonDType), axes, tensors.every((t) => t.time === "host") ? "host" : "device");
}
function concat(c: BuiltinCall): Type {
  const list = c.type("list");
  const named = c.type("axis");
  const name = named.kind === "axes" ? named.axes?.[0] : undefined;
  if (list.kind !== "list") return isSilent(list) ? c.silent("list") : c.mismatch("list", "a list");
  if (name?.kind !== "axis") return unknownType;
  const elements = elementsOf(list);
  const same = sameAxes(c, elements ?? [list.element], name.name);
  if (same === null || same === undefined) return same === null ? errorType : unknownType;
  const at = same.axes.findIndex((a) => a.kind === "axis" && a.name === name.name);
  if (at < 0) {
    if (hasOpenRow(same.axes)) return unknownType;
    missingAxis(name.name, same.axes, c.spanOf("axis"), c.scope, same);
    return errorType;
  }
  let total: Size = elements ? constantSize(0) : anySize();
  for (const element of elements ?? []) {
    const part = element.kind === "tensor" ? c.scope.session.unifier.axes(element.axes)[at] : undefined;
    total = addSizes(total, part?.kind === "axis" ? part.size : anySize());
  }
  return tensor(
    same.dtype,
    same.axes.map((a, i) => (i === at ? axis(name.name, total) : a)),
    same.time,
  );
}

/** The place of the one axis that an argument names; null after reporting, undefined where it cannot be said. */
function placeOf(c: BuiltinCall, axes: readonly AxisItem[], source: Type): number | null | undefined {
  const named = c.type("axis");
  const name = named.kind === "axes" ? named.axes?.[0] : undefined;
  if (name?.kind !== "axis") return undefined;
  const at = axes.findIndex((a) => a.kind === "axis" && a.name === name.name);
  if (at >= 0) return at;
  if (hasOpenRow(axes)) return undefined;
  missingAxis(name.name, axes, c.spanOf("axis"), c.scope, source);
  return null;
}
function split(c: BuiltinCall): Type {
  const x = c.tensor("x");
  const parts = c.type("parts");
  if (!x) return c.silent("x");
  const axes = c.scope.session.unifier.axes(x.axes);
  const at = placeOf(c, axes, x);
  if (at === null || at === undefined) return at === null ? errorType : unknownType;
  const n = parts.kind === "int" ? parts.value : anySize();
  const item = axes[at]!;
  const size = item.kind === "axis" ? divideSizes(item.size, n) : anySize();
  const [each, all] = [constantOf(size), item.kind === "axis" ? wholeOf(item.size) : undefined];
  if (each && each.d !== 1n && all !== undefined && item.kind === "axis") {
    const count = printSize(n);
    c.scope.session.report("shape/does-not-divide", c.spanOf("parts"), { axis: item.name, size: all, parts: count, product: count });
    return errorType;
  }
  const piece = tensor(
    x.dtype,
    axes.map((a, i) => (i === at && a.kind === "axis" ? axis(a.name, size) : a)),
    x.time,
  );
  const count = parts.kind === "int" ? Number(printSize(parts.value)) : Number.NaN;
  return {
    kind: "list",
    element: piece,
    elements: Number.isInteger(count) && count > 0 && count <= 64 ? Array.from({ length: count }, () => piece) : null,
    length: n,
  };
}
function unstack(c: BuiltinCall): Type {
  const x = c.tensor("x");
  if (!x) return c.silent("x");
  const axes = c.scope.session.unifier.axes(x.axes);
  const at = placeOf(c, axes, x);
  if (at === null || at === undefined) return at === null ? errorType : unknownType;
  const item = axes[at]!;
  return {
    kind: "list",
    element: tensor(
      x.dtype,
      axes.filter((_, i) => i !== at),
      x.time,
    ),
    elements: null,
    length: item.kind === "axis" ? item.size : anySize(),
  };
}

/** Functions that change the size of named axes: `pad(x, h: 0..1)`, `every(x, h: 2)`. */
function resized(c: BuiltinCall, change: (size: Size, by: Type) => Size): Type {
  const x = c.tensor("x");
  const changes = c.rest.map((arg) => ({ arg, type: argType(arg) }));
  if (!x) return c.silent("x");
  let axes = c.scope.session.unifier.axes(x.axes);
  for (const { arg, type } of changes) {
    const at = axes.findIndex((a) => a.kind === "axis" && a.name === arg.name);
    if (at < 0) {
      if (hasOpenRow(axes)) return unknownType;
      missingAxis(arg.name ?? "", axes, arg.nameSpan, c.scope, x);
      return errorType;
    }
    axes = axes.map((a, i) => (i === at && a.kind === "axis" ? axis(a.name, change(a.size, type)) : a));
  }
  return tensor(x.dtype, axes, x.time);
}
const padded = (size: Size, by: Type): Size =>
  by.kind === "range" && by.to
    ? addSizes(size, addSizes(by.from, by.to))
    : by.kind === "int"
      ? addSizes(size, addSizes(by.value, by.value))
      : anySize();

export const piecesRules: Readonly<Record<string, BuiltinRule>> = {
  stack: { params: "list axis:axes", type: stack },
  concat: { params: "list axis:axes", type: concat },
  split: { params: "x axis:axes parts", type: split },
  unstack: { params: "x axis:axes", type: unstack },
  pad: { params: "x value?", rest: "axes", type: (c) => resized(c, padded) },
  every: {
    params: "x",
    rest: "axes",
    type: (c) => resized(c, (size, by) => (by.kind === "int" ? ceilSize(divideSizes(size, by.value)) : anySize())),
  },
};
