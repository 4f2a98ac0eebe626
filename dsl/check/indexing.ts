import type { IndexExpr, IndexItem } from "../ast.ts";
import { meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { printSize } from "../types/printSize.ts";
import { addSizes, anySize, constantOf, constantSize, type Size, subtractSizes, wholeOf } from "../types/size.ts";
import { type AxisItem, axis, describeType, errorType, printType, type TensorType, type Type, tensor, unknownType } from "../types/type.ts";
import { evaluate } from "./expressions.ts";
import { showAxes } from "./match.ts";
import { reportAlign } from "./mismatch.ts";
import { indexPrompt } from "./prompts.ts";
import { type Scope, sizeOfNumber } from "./scope.ts";

// `x[axis: i]`: a number takes the axis away, a range keeps part of it, an i32 tensor replaces it by its own axes. Lists are indexed by
// number or range, records field by field.

export function indexed(expr: IndexExpr, base: Type, scope: Scope): Type {
  switch (base.kind) {
    case "error":
    case "unknown":
    case "dataset":
      for (const item of expr.indices) if (item.value && !item.row) evaluate(item.value, scope);
      return base.kind === "error" ? base : unknownType;
    case "optional":
      return indexed(expr, base.of, scope);
    case "prompt":
      return expr.indices.reduce<Type>((type, item) => {
        const index = item.value && !item.row ? evaluate(item.value, scope) : null;
        if (type.kind !== "prompt" || index === null) return type;
        if (item.name) return indexPrompt(type, item.name.name, index, { name: item.name.span, index: item.value!.span }, scope);
        const expected = "the name of an axis";
        scope.session.report("type/mismatch", item.span, { found: "an index without a name", expected }, { label: describeType(type) });
        return errorType;
      }, base);
    case "tensor":
      return expr.indices.reduce<Type>(
        (type, item) => (type.kind === "tensor" ? indexTensor(type, item, expr.base.span, scope) : type),
        base,
      );
    case "record":
      return {
        ...base,
        fields: new Map(
          [...base.fields].map(([name, type]) => [
            name,
            hasAxes(type, expr) ? scope.session.quietly(() => indexed(expr, type, scope)) : type,
          ]),
        ),
      };
    case "list":
    case "tuple":
      return indexList(expr, base, scope);
    default:
      scope.session.report("type/mismatch", expr.base.span, { found: describeType(base), expected: "something that can be indexed" });
      return errorType;
  }
}
function hasAxes(type: Type, expr: IndexExpr): boolean {
  if (type.kind === "record") return true;
  return type.kind === "tensor" && expr.indices.every((item) => type.axes.some((a) => a.kind === "axis" && a.name === item.name?.name));
}

function indexList(expr: IndexExpr, base: Extract<Type, { kind: "list" | "tuple" }>, scope: Scope): Type {
  const { elements } = base;
  const element = base.kind === "list" ? base.element : unknownType;
  const [item] = expr.indices;
  if (!item || expr.indices.length > 1 || item.name || item.row || item.value === null) {
    for (const other of expr.indices) if (other.value && !other.row) evaluate(other.value, scope);
    if (item?.name)
      scope.session.report("type/mismatch", item.span, {
        found: `an index for an axis \`${item.name.name}\``,
        expected: "a position in a list",
      });
    return item?.name ? errorType : unknownType;
  }
  const index = evaluate(item.value, scope);
  if (index.kind === "tensor" && index.time === "device") {
    scope.session.report("time/host-value-needed", item.value.span, { what: "the position in a list" }, { label: "device value" });
    return errorType;
  }
  if (index.kind === "range") {
    const [from, to] = [wholeOf(index.from), index.to ? wholeOf(index.to) : elements?.length];
    if (elements && from !== undefined && to !== undefined) {
      const slice = elements.slice(from, index.to ? to : undefined);
      return { kind: "list", element, elements: slice, length: constantSize(slice.length) };
    }
    return { kind: "list", element, elements: null, length: anySize() };
  }
  if (index.kind === "textValue" || index.kind === "record" || index.kind === "list") {
    scope.session.report("type/mismatch", item.value.span, { found: describeType(index), expected: "a position in a list" });
    return errorType;
  }
  const at = index.kind === "int" ? wholeOf(index.value) : undefined;
  if (!elements || at === undefined) return element;
  const found = elements.at(at);
  if (found) return found;
  scope.session.report("index/out-of-range", item.value.span, { index: at, size: elements.length });
  return errorType;
}

function indexTensor(base: TensorType, item: IndexItem, baseSpan: Span, scope: Scope): Type {
  const { session } = scope;
  const { unifier } = session;
  const axes = unifier.axes(base.axes);
  if (item.row) return unknownType;
  if (!item.name) {
    if (item.value) evaluate(item.value, scope);
    if (item.value === null) return base;
    session.report(
      "type/mismatch",
      item.span,
      { found: "an index without a name", expected: "the name of an axis" },
      { label: printType(base), help: indexHelp(axes) },
    );
    return errorType;
  }
  const name = item.name.name;
  const place = axes.findIndex((a) => a.kind === "axis" && a.name === name);
  const index = item.value ? evaluate(item.value, scope) : null;
  if (place < 0) {
    if (hasOpenRow(axes)) return unknownType;
    missingAxis(name, axes, item.name.span, scope, base);
    return errorType;
  }
  if (index === null) return base;
  const here = axes[place]!;
  const size = here.kind === "axis" ? here.size : anySize();
  const without = axes.filter((_, i) => i !== place);
  switch (index.kind) {
    case "int":
    case "bool":
    case "realNumber": {
      const at = sizeOfNumber(index);
      const number = at && constantOf(at);
      if (number && number.d !== 1n)
        session.report("type/mismatch", item.value!.span, { found: describeType(index), expected: "a whole number" });
      else if (at) checkInside(at, size, name, item.value!.span, scope);
      return tensor(base.dtype, without, base.time);
    }
    case "range": {
      const to = index.to ?? size;
      const from = negativeFrom(index.from, size);
      const end = index.to ? negativeFrom(index.to, size) : to;
      const length = subtractSizes(end, from);
      const [whole, most] = [wholeOf(end), wholeOf(size)];
      if (index.whole && whole !== undefined && most !== undefined && whole > most) {
        session.report("index/out-of-range", item.value!.span, { index: `${printSize(from)}..${whole}`, size: most });
        return errorType;
      }
      return tensor(
        base.dtype,
        axes.map((a, i) => (i === place ? axis(name, index.whole ? length : anySize()) : a)),
        base.time,
      );
    }
    case "tensor":
      return gather(base, axes, place, index, item.value!.span, baseSpan, scope);
    case "error":
    case "unknown":
    case "optional":
    case "schedule":
      return index.kind === "error" ? errorType : unknownType;
    default:
      session.report("type/mismatch", item.value!.span, { found: describeType(index), expected: "a number, a range or an i32 tensor" });
      return errorType;
  }
}
function negativeFrom(index: Size, size: Size): Size {
  const constant = constantOf(index);
  return constant && constant.n < 0n ? addSizes(size, index) : index;
}
function checkInside(at: Size, size: Size, name: string, span: Span, scope: Scope): void {
  const [index, most] = [wholeOf(at), wholeOf(scope.session.unifier.size(size))];
  if (index === undefined || most === undefined || (index < most && index >= -most)) return;
  scope.session.report("index/out-of-range", span, { index, size: most }, { label: `\`${name}\` has the size ${most}` });
}

// The axis is replaced by the index's own axes, in its place; axes that both have are aligned.
function gather(
  base: TensorType,
  axes: readonly AxisItem[],
  place: number,
  index: TensorType,
  span: Span,
  baseSpan: Span,
  scope: Scope,
): Type {
  const { session } = scope;
  if (index.dtype === "bool" || index.dtype === "f32" || index.dtype === "real" || index.dtype === "f16") {
    const help = index.dtype === "bool" ? "`where` chooses by a condition" : "`floor`, `ceil` or `round` make whole numbers";
    session.report("type/mismatch", span, { found: describeType(index), expected: "an i32 tensor" }, { help });
    return errorType;
  }
  const own = session.unifier.axes(index.axes);
  const shared = own.filter((a) => axes.some((b, i) => i !== place && keyOf(a) === keyOf(b)));
  const sharedOfBase = axes.filter((b, i) => i !== place && own.some((a) => keyOf(a) === keyOf(b)));
  const aligned = session.unifier.align(sharedOfBase, shared);
  if (aligned.kind === "problem" && aligned.problem.kind === "size") {
    reportAlign(session, aligned.problem, { span, left: axes, right: own, leftSpan: baseSpan, leftLabel: showAxes(axes) });
    return errorType;
  }
  const fresh = own.filter((a) => !shared.includes(a));
  return tensor(
    base.dtype,
    [...axes.slice(0, place), ...fresh, ...axes.slice(place + 1)],
    base.time === "host" && index.time === "host" ? "host" : "device",
  );
}
/** True when some axes are still to be found. A row of a signature holds no axis that is named here: its names are the caller's. */
export function hasOpenRow(axes: readonly AxisItem[]): boolean {
  return axes.some((a) => a.kind === "row" && a.row.kind !== "rigid");
}
const keyOf = (item: AxisItem) => (item.kind === "axis" ? item.name : `...${item.row.id}`);

/** Reports an axis that is not there, with the nearest one that is. */
export function missingAxis(name: string, axes: readonly AxisItem[], given: Span, scope: Scope, type?: Type): void {
  const span = wordIn(given, name, scope);
  const names = axes.flatMap((a) => (a.kind === "axis" ? [a.name] : []));
  const { help, fix } = meant(name, names, span);
  const isName = scope.session.textOf(span) === name;
  const label = type ? { label: printType(scope.session.unifier.type(type)) } : {};
  scope.session.report(
    "shape/missing-axis",
    span,
    { axis: name, axes: axes.length === 0 ? "none" : showAxes(axes) },
    { ...label, ...(help ? { help } : {}), ...(fix && isName ? { fix } : {}) },
  );
}
/** Where the name stands in what was given, as in a list of axes. */
function wordIn(span: Span, name: string, scope: Scope): Span {
  const at = scope.session.textOf(span).search(new RegExp(`\\b${name}\\b`));
  return at < 0 ? span : { ...span, start: span.start + at, end: span.start + at + name.length };
}
const indexHelp = (axes: readonly AxisItem[]) => {
  const first = axes.find((a) => a.kind === "axis");
  return first?.kind === "axis" ? `an axis is named when it is indexed: \`[${first.name}: …]\`` : "it has no axes to index";
};
