import type { PatternItem } from "../../ast.ts";
import { printSize } from "../../types/printSize.ts";
import {
  addSizes,
  anySize,
  ceilSize,
  constantSize,
  divideSizes,
  floorSize,
  isAny,
  multiplySizes,
  type Size,
  subtractSizes,
} from "../../types/size.ts";
import {
  type AxisItem,
  axis,
  axisKey,
  describeType,
  errorType,
  isSilent,
  printType,
  realType,
  type TensorType,
  type Type,
  tensor,
  unknownType,
} from "../../types/type.ts";
import { argType } from "../calls.ts";
import { elementsOf, forgotten } from "../expressions.ts";
import { hasOpenRow, missingAxis } from "../indexing.ts";
import { commonDType } from "../join.ts";
import { showAxes } from "../match.ts";
import { reportAlign } from "../mismatch.ts";
import { asNumeric } from "../operators.ts";
import { sizeOfNumber } from "../scope.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";
import { reducedAxes } from "./math.ts";

// Functions that move, repeat, join and contract tensors, by the names of their axes.

const hasRow = (axes: readonly AxisItem[]) => axes.some((a) => a.kind === "row");
/** Axes given by an argument, with their sizes; a bare name without a size in force is reported. Nothing where they are not known. */
function givenAxes(c: BuiltinCall, name: string, known: readonly AxisItem[]): readonly AxisItem[] | undefined {
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
  const dtype = x.kind === "tensor" ? x.dtype : x.kind === "int" ? "real" : x.kind === "bool" ? "bool" : "real";
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
function unique(c: BuiltinCall, axes: readonly AxisItem[], type: Type): Type {
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

// ---- view ------------------------------------------------------------------------------------------------------------------------------------
function view(c: BuiltinCall): Type {
  const x = c.tensor("x");
  const patternArg = c.args.get("pattern");
  const pattern = patternArg?.source.kind === "expr" && patternArg.source.expr.kind === "pattern" ? patternArg.source.expr : null;
  const sizes = new Map<string, Size>();
  for (const arg of c.rest) {
    const name = arg.name ?? (arg.source.kind === "expr" && arg.source.expr.kind === "name" ? arg.source.expr.name : null);
    const named = arg.name === null && name !== null ? c.scope.size(name) : undefined;
    const size = named ?? sizeOfNumber(argType(arg));
    if (name !== null) sizes.set(name, size ?? anySize());
  }
  if (!x || !pattern) return c.silent("x");
  const { session } = c.scope;
  const fail = (problem: string, span = pattern.span): Type => {
    session.report("shape/pattern", span, { problem }, { label: printType(session.unifier.type(x)) });
    return errorType;
  };
  const axes = session.unifier.axes(x.axes);
  const fixed = pattern.left.filter((item) => item.kind !== "row").length;
  const rows = pattern.left.length - fixed;
  if (rows > 1) return fail("a side can have one row only");
  const hidden = hasOpenRow(axes);
  const named = axes.filter((a) => a.kind === "axis").length;
  if (!hidden && hasRow(axes) && (rows === 0 || named < fixed)) {
    if (rows === 0) return fail("its left side lacks the row of the tensor: write `...b` in front");
    return fail(`its left side has ${fixed} axes besides the row, but ${named === 1 ? "one is" : `${named} are`} named here`);
  }
  if (rows === 0 ? axes.length !== fixed : axes.length < fixed) {
    if (hidden) return unknownType;
    return fail(
      `its left side has ${fixed} ${fixed === 1 ? "axis" : "axes"}${rows ? " besides the row" : ""}, but there are ${axes.length}`,
    );
  }
  const rowAt = pattern.left.findIndex((item) => item.kind === "row");
  const rowLength = axes.length - fixed;
  const rowAxes = new Map<string, readonly AxisItem[]>();
  let at = 0;
  for (const [i, item] of pattern.left.entries()) {
    if (item.kind === "row") {
      rowAxes.set(item.name, axes.slice(rowAt, rowAt + rowLength));
      at += rowLength;
      continue;
    }
    const found = axes[at++]!;
    if (found.kind === "row") return unknownType;
    const problem = splitAxis(item, found, sizes, c, pattern.left.length === 1 && i === 0);
    if (problem) return problem === "silent" ? errorType : fail(problem, item.span);
  }
  return buildRight(c, pattern.right, rowAxes, sizes, x, fail);
}

/** Learns the sizes of the pieces of one axis; a text says what does not fit. */
function splitAxis(
  item: Exclude<PatternItem, { kind: "row" }>,
  found: Extract<AxisItem, { kind: "axis" }>,
  sizes: Map<string, Size>,
  c: BuiltinCall,
  _only: boolean,
): string | null {
  const { session } = c.scope;
  const { unifier } = session;
  const mismatch = (left: Size, right: Size) => {
    session.report("shape/axis-mismatch", item.span, { axis: found.name, left: printSize(left), right: printSize(right) });
    return "silent";
  };
  if (item.name !== null && item.name !== found.name) return `it says \`${item.name}\` where the axis is \`${found.name}\``;
  switch (item.kind) {
    case "unit":
      return unifier.equate(found.size, constantSize(1)) === "differ" ? mismatch(found.size, constantSize(1)) : null;
    case "axis": {
      const given = sizes.get(item.name);
      if (given && unifier.equate(found.size, given) === "differ") return mismatch(found.size, given);
      sizes.set(item.name, found.size);
      return null;
    }
    case "group": {
      const open = item.parts.filter((p) => !sizes.has(p));
      const product = item.parts.reduce((n, p) => multiplySizes(n, sizes.get(p) ?? constantSize(1)), constantSize(1));
      if (open.length > 1) {
        session.report(
          "shape/not-determined",
          item.span,
          { size: open[1]! },
          { help: `of (${item.parts.join(" ")}) all sizes but one must be given: \`view(…, ${open[0]}: 4)\`` },
        );
        return "silent";
      }
      if (open.length === 0) return unifier.equate(found.size, product) === "differ" ? mismatch(found.size, product) : null;
      const rest = divideSizes(found.size, product);
      if (unifier.compare(subtractSizes(rest, floorSize(rest)), constantSize(0)) === "differ") {
        session.report("shape/does-not-divide", item.span, {
          axis: found.name,
          size: printSize(found.size),
          parts: item.parts.join(" "),
          product: printSize(product),
        });
        return "silent";
      }
      sizes.set(open[0]!, rest);
      return null;
    }
    default:
      return item satisfies never;
  }
}

function buildRight(
  c: BuiltinCall,
  items: readonly PatternItem[],
  rows: ReadonlyMap<string, readonly AxisItem[]>,
  sizes: ReadonlyMap<string, Size>,
  x: TensorType,
  fail: (problem: string, span?: PatternItem["span"]) => Type,
): Type {
  const axes: AxisItem[] = [];
  for (const item of items) {
    switch (item.kind) {
      case "row": {
        const row = rows.get(item.name);
        if (!row) return fail(`the row \`...${item.name}\` stands on the right only`, item.span);
        axes.push(...row);
        break;
      }
      case "axis": {
        const size = sizes.get(item.name);
        if (!size) {
          c.scope.session.report(
            "shape/not-determined",
            item.span,
            { size: item.name },
            { help: `say it in the call: \`view(…, ${item.name}: 2)\`` },
          );
          return errorType;
        }
        axes.push(axis(item.name, size));
        break;
      }
      case "unit":
        if (item.name === null) return fail("a new axis of size 1 needs a name: `h=1`", item.span);
        axes.push(axis(item.name, constantSize(1)));
        break;
      case "group": {
        if (item.name === null) return fail("a joined axis needs a name: `c=(head d)`", item.span);
        let product = constantSize(1);
        for (const part of item.parts) {
          const row = part.startsWith("...") ? rows.get(part.slice(3)) : undefined;
          for (const a of row ?? []) product = multiplySizes(product, a.kind === "axis" ? a.size : anySize());
          const size = row ? constantSize(1) : sizes.get(part);
          if (!size) {
            c.scope.session.report(
              "shape/not-determined",
              item.span,
              { size: part },
              { help: `say it in the call: \`view(…, ${part}: 2)\`` },
            );
            return errorType;
          }
          product = multiplySizes(product, size);
        }
        axes.push(axis(item.name, product));
        break;
      }
      default:
        item satisfies never;
    }
  }
  return unique(c, axes, tensor(x.dtype, axes, x.time));
}

// ---- joining ---------------------------------------------------------------------------------------------------------------------------------
function stack(c: BuiltinCall): Type {
  const list = c.type("list");
  const named = c.type("axis");
  const name = named.kind === "axes" ? named.axes?.[0] : undefined;
  if (list.kind !== "list") return isSilent(list) ? c.silent("list") : c.mismatch("list", "a list");
  if (name?.kind !== "axis") return unknownType;
  const elements = elementsOf(list) ?? [list.element];
  const front = axis(name.name, list.length);
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

// ---- contractions ----------------------------------------------------------------------------------------------------------------------------
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

function conv(c: BuiltinCall): Type {
  const [x, weight] = [c.tensor("x"), c.tensor("weight")];
  const number = (name: string, otherwise: number): Size =>
    c.has(name) ? (sizeOfNumber(c.type(name)) ?? anySize()) : constantSize(otherwise);
  const [stride, pad, dilation, groups] = [number("stride", 1), number("pad", 0), number("dilation", 1), number("groups", 1)];
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
  const reach = (size: Size, k: Size) => {
    const span = subtractSizes(
      addSizes(size, multiplySizes(constantSize(2), pad)),
      addSizes(multiplySizes(dilation, subtractSizes(k, constantSize(1))), constantSize(1)),
    );
    return addSizes(floorSize(divideSizes(span, stride)), constantSize(1));
  };
  const made = [axis(cin.name, out.size), axis(h.name, reach(h.size, kh.size)), axis(w.name, reach(w.size, kw.size))];
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
  return x;
}

function iota(c: BuiltinCall): Type {
  const axes = givenAxes(c, "axes", []);
  if (c.failed) return errorType;
  return axes ? tensor("i32", axes) : unknownType;
}

export { givenAxes };

export const moveRules: Readonly<Record<string, BuiltinRule>> = {
  iota: { params: "axes:axes", type: iota },
  expand: { params: "x axes?:axes like?", type: expand },
  rename: { params: "x", rest: "names", type: rename },
  order: { params: "x axes:axes", type: order },
  view: { params: "x pattern", rest: "sizes", type: view },
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
  put: { params: "x value?", rest: "axes", type: put },
  dot: { params: "a b over:axes", type: dot },
  conv: { params: "x weight stride? pad? dilation? groups?", type: conv },
  stop: { params: "x", type: (c) => c.type("x") },
  cumprod: { params: "x over?:axes", type: (c) => running(c) },
  cumsum: { params: "x over?:axes", type: (c) => running(c) },
};
function running(c: BuiltinCall): Type {
  const x = c.type("x");
  if (x.kind === "list") return { kind: "list", element: realType, elements: null, length: x.length };
  return x.kind === "tensor" ? x : forgotten(c.silent("x"));
}
