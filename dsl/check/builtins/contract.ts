import { printSize } from "../../types/printSize.ts";
import { addSizes, anySize, constantSize, divideSizes, floorSize, multiplySizes, type Size, subtractSizes } from "../../types/size.ts";
import {
  type AxisItem,
  axis,
  axisKey,
  errorType,
  printType,
  realType,
  type TensorType,
  type Type,
  tensor,
  unknownType,
} from "../../types/type.ts";
import { argType } from "../arguments.ts";
import { hasOpenRow, missingAxis } from "../indexing.ts";
import { commonDType } from "../join.ts";
import { showAxes } from "../match.ts";
import { reportAlign } from "../mismatch.ts";
import { sizeOfNumber } from "../scope.ts";
import { hasRow } from "./axes.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";
import { reducedAxes } from "./math.ts";

// Contractions, and the writing of rows.

function dot(c: BuiltinCall): Type {
  const [a, b] = [c.tensor("a"), c.tensor("b")];
  if (!a || !b) {
    c.type("over");
    return c.failed ? errorType : c.silent("a", "b");
  }
  const { unifier } = c.scope.session;
  const [left, right] = [unifier.axes(a.axes), unifier.axes(b.axes)];
  const inLeft = reducedAxes(c, left, "a");
  const inRight = inLeft === null ? null : reducedAxes(c, right, "b");
  if (inLeft === null || inRight === null) return errorType;
  if (inLeft === undefined || inRight === undefined) return unknownType;
  const byKey = new Map(right.map((item) => [axisKey(item), item]));
  for (const item of left) {
    const other = byKey.get(axisKey(item));
    if (item.kind !== "axis" || other?.kind !== "axis") continue;
    if (unifier.equate(item.size, other.size) === "differ") {
      reportAlign(
        c.scope.session,
        { kind: "size", axis: item.name, left: item.size, right: other.size },
        { span: c.spanOf("b"), left, right, leftSpan: c.spanOf("a"), leftLabel: showAxes(left) },
      );
      return errorType;
    }
  }
  const rows = [...left, ...right].filter(
    (item) => item.kind === "row" && !(byKey.has(axisKey(item)) && left.some((l) => axisKey(l) === axisKey(item))),
  );
  // Two rows of which one may be part of the other: not known here.
  if (new Set(rows.map(axisKey)).size > 1) return unknownType;
  const own = new Set(left.map(axisKey));
  return tensor(commonDType(a.dtype, b.dtype) === "i32" ? "real" : commonDType(a.dtype, b.dtype), [
    ...inLeft.left,
    ...inRight.left.filter((item) => !own.has(axisKey(item))),
  ]);
}

type SizePair = readonly [h: Size, w: Size];
/** A setting of `conv`: a number for both axes, or a list of two. */
function sizePair(c: BuiltinCall, name: string, otherwise: number): SizePair {
  const type = c.has(name) ? c.type(name) : null;
  if (type?.kind !== "list") {
    const both = type ? (sizeOfNumber(type) ?? anySize()) : constantSize(otherwise);
    return [both, both];
  }
  if (type.elements && type.elements.length !== 2) c.mismatch(name, "a number, or a list of two numbers (for h and w)");
  const each = (i: number): Size => sizeOfNumber(type.elements?.[i] ?? type.element) ?? anySize();
  return type.elements ? [each(0), each(1)] : [anySize(), anySize()];
}

function conv(c: BuiltinCall): Type {
  const [x, weight] = [c.tensor("x"), c.tensor("weight")];
  const [stride, pad, dilation] = [sizePair(c, "stride", 1), sizePair(c, "pad", 0), sizePair(c, "dilation", 1)];
  const groups = c.has("groups") ? (sizeOfNumber(c.type("groups")) ?? anySize()) : constantSize(1);
  if (!x || !weight) return c.failed ? errorType : c.silent("x", "weight");
  const { session } = c.scope;
  const [axes, kernel] = [session.unifier.axes(x.axes), session.unifier.axes(weight.axes)];
  const [cin, h, w] = axes.slice(-3);
  if (axes.length < 3 || !cin || !h || !w) {
    if (hasRow(axes)) return unknownType;
    session.report("shape/rank", c.spanOf("x"), { found: printType(x), expected: "real[...b, channel, h, w]" });
    return errorType;
  }
  if (kernel.length !== 4) {
    if (hasRow(kernel)) return unknownType;
    session.report("shape/rank", c.spanOf("weight"), { found: printType(weight), expected: "real[out, channel, kh, kw]" });
    return errorType;
  }
  const [out, channels, kh, kw] = kernel;
  if (
    cin.kind !== "axis" ||
    h.kind !== "axis" ||
    w.kind !== "axis" ||
    out?.kind !== "axis" ||
    channels?.kind !== "axis" ||
    kh?.kind !== "axis" ||
    kw?.kind !== "axis"
  )
    return unknownType;
  const inside = multiplySizes(channels.size, groups);
  if (session.unifier.equate(cin.size, inside) === "differ") {
    const related = [{ span: c.spanOf("weight"), label: printType(session.unifier.type(weight)) }];
    session.report(
      "shape/axis-mismatch",
      c.spanOf("x"),
      { axis: cin.name, left: printSize(session.unifier.size(cin.size)), right: printSize(session.unifier.size(inside)) },
      { label: printType(x), related },
    );
    return errorType;
  }
  const reach = (size: Size, k: Size, d: 0 | 1) => {
    const span = subtractSizes(
      addSizes(size, multiplySizes(constantSize(2), pad[d])),
      addSizes(multiplySizes(dilation[d], subtractSizes(k, constantSize(1))), constantSize(1)),
    );
    return addSizes(floorSize(divideSizes(span, stride[d])), constantSize(1));
  };
  const made = [axis(cin.name, out.size), axis(h.name, reach(h.size, kh.size, 0)), axis(w.name, reach(w.size, kw.size, 1))];
  return tensor(commonDType(x.dtype, weight.dtype), [...axes.slice(0, -3), ...made]);
}

function put(c: BuiltinCall): Type {
  const x = c.tensor("x");
  for (const arg of c.rest) argType(arg);
  c.evaluateAll();
  if (!x) return c.silent("x");
  const axes = c.scope.session.unifier.axes(x.axes);
  for (const arg of c.rest) {
    if (hasOpenRow(axes) || arg.name === null || axes.some((a) => a.kind === "axis" && a.name === arg.name)) continue;
    missingAxis(arg.name, axes, arg.nameSpan, c.scope, x);
    return errorType;
  }
  const [at] = c.rest;
  return at?.name && c.has("value") && !fillsRows(c, x, axes, at.name, argType(at)) ? errorType : x;
}
/** Where rows are put, the axis is replaced by the index's own axes; what is put there has these or fewer, in any order. */
function fillsRows(c: BuiltinCall, x: TensorType, axes: readonly AxisItem[], name: string, index: Type): boolean {
  const { session } = c.scope;
  const value = c.type("value");
  if (index.kind !== "tensor" || value.kind !== "tensor") return true;
  const [own, rows] = [session.unifier.axes(index.axes), session.unifier.axes(value.axes)];
  if (hasOpenRow(axes) || hasOpenRow(own) || hasOpenRow(rows)) return true;
  const fresh = own.filter((a) => !axes.some((b) => axisKey(b) === axisKey(a) && axisKey(b) !== name));
  const wanted = axes.flatMap((a) => (axisKey(a) === name ? fresh : [a]));
  const bySize = new Map(wanted.map((a) => [axisKey(a), a] as const));
  const place = {
    span: c.spanOf("value"),
    left: wanted,
    right: rows,
    leftSpan: c.spanOf("x"),
    leftLabel: `rows of ${printType(x)} at ${printType(index)}`,
  };
  for (const row of rows) {
    const other = bySize.get(axisKey(row));
    if (!other) {
      if (row.kind === "row" || axes.some((a) => a.kind === "row")) return true;
      reportAlign(session, { kind: "missing", inLeft: [row.name], inRight: [] }, place);
      return false;
    }
    if (row.kind === "row" || other.kind === "row" || session.unifier.equate(other.size, row.size, "here") !== "differ") continue;
    reportAlign(session, { kind: "size", axis: row.name, left: other.size, right: row.size }, place);
    return false;
  }
  return true;
}

function running(c: BuiltinCall): Type {
  const x = c.type("x");
  if (x.kind === "list") return { kind: "list", element: realType, elements: null, length: x.length };
  return x.kind === "tensor" ? x : c.silent("x");
}

export const contractRules: Readonly<Record<string, BuiltinRule>> = {
  dot: { params: "a b over:axes", type: dot },
  conv: { params: "x weight stride? pad? dilation? groups?", type: conv },
  put: { params: "x value?", rest: "axes", type: put },
  cumprod: { params: "x over?:axes", type: running },
  cumsum: { params: "x over?:axes", type: running },
};
