import type { Axis, Expr } from "../ast.ts";
import { anySize, type Size } from "../types/size.ts";
import { type AxisItem, axis, type Type } from "../types/type.ts";
import { evaluate } from "./expressions.ts";
import { type Scope, sizeOfNumber } from "./scope.ts";

// Expressions that say axes: `[...b, h, kh: size]`, a single name, or a value of type Axes. Sizes of bare names are taken from the scope
// where they are known; where not, the axis is only named.

/** The axes an expression says; null where they are a value that is not known here. */
export function axesOf(expr: Expr, scope: Scope): readonly AxisItem[] | null {
  if (expr.kind === "bracket") {
    const items: AxisItem[] = [];
    for (const element of expr.elements) {
      const found = axesOfElement(element, scope);
      if (found === null) return null;
      items.push(...found);
    }
    return items;
  }
  if (expr.kind === "name") {
    const value = scope.lookup(expr.name);
    if (value?.kind === "axes") return value.axes;
    const size = scope.size(expr.name);
    return [size ? axis(expr.name, size) : { kind: "axis", name: expr.name, size: anySize(), bare: true }];
  }
  const type = evaluate(expr, scope);
  return type.kind === "axes" ? type.axes : null;
}

function axesOfElement(element: Axis, scope: Scope): readonly AxisItem[] | null {
  if (element.kind === "rowAxis") return scope.row(element.name.name) ?? null;
  if (element.name === null) {
    if (element.value.kind !== "name") return null;
    return axesOf(element.value, scope);
  }
  return [axis(element.name.name, sizeOf(element.value, scope))];
}

/** A size written in a body. Must be a number known when compiling; a device value is reported. */
export function sizeOf(expr: Expr, scope: Scope): Size {
  if (expr.kind === "name") {
    const value = scope.lookup(expr.name);
    const size = value && value.kind !== "optional" ? sizeOfNumber(value) : undefined;
    if (size !== undefined) {
      scope.session.record(expr, value!);
      return size;
    }
    const named = scope.size(expr.name);
    if (named) {
      scope.session.record(expr, { kind: "int", value: named });
      return named;
    }
  }
  return sizeOfType(evaluate(expr, scope), expr, scope);
}
function sizeOfType(type: Type, expr: Expr, scope: Scope): Size {
  if (type.kind === "tensor" && type.time === "device") {
    scope.session.report("time/host-value-needed", expr.span, { what: "a size" }, { label: "device value" });
    return anySize();
  }
  if (type.kind === "tensor" && type.axes.length > 0)
    scope.session.report("time/host-value-needed", expr.span, { what: "a size" }, { label: "one for each sample" });
  return sizeOfNumber(type) ?? anySize();
}
