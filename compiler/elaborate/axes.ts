import type { Span } from "../../dsl/span.ts";
import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import { fail } from "./failure.ts";
import { type AxisItem, describeTensor, plainAxis, type TensorVal, tensor } from "./values.ts";

// Axes have names, and names align operands: the axes of one operand are an ordered subset of the other's, equal names have equal sizes,
// and size 1 never stretches. Nothing here looks at positions except to write the names' order down for the IR.

/** The axes of a tensor as names with sizes. */
export function axisItems(x: TensorVal): AxisItem[] {
  return x.axes.map((name, i) => ({ name, size: x.value.shape[i]! }));
}

/** Where an axis stands; a message names the axes there are. */
export function axisIndex(x: TensorVal, axis: string, span: Span): number {
  const index = x.axes.indexOf(axis);
  if (index < 0) fail("shape/missing-axis", span, { axis: plainAxis(axis), axes: showAxes(axisItems(x)) }, { label: describeTensor(x) });
  return index;
}

export function showAxes(axes: readonly AxisItem[]): string {
  return `[${axes.map((a) => (a.size === null ? plainAxis(a.name) : `${plainAxis(a.name)}: ${a.size}`)).join(", ")}]`;
}

export function isOrderedSubset(small: readonly string[], large: readonly string[]): boolean {
  let at = 0;
  for (const name of large) if (small[at] === name) at++;
  return at === small.length;
}

/** Repeats `x` along the axes of `target` that it lacks; its own must be an ordered subset of them. */
export function spreadTo(builder: Builder, x: TensorVal, target: readonly AxisItem[], span: Span): TensorVal {
  const names = target.map((a) => a.name);
  if (names.length === x.axes.length && names.every((name, i) => name === x.axes[i])) {
    checkSizes(x, target, span);
    return x.field === undefined && x.quotient === undefined ? x : tensor(x.value, x.axes);
  }
  if (!isOrderedSubset(x.axes, names)) {
    fail("shape/not-a-subset", span, { left: showAxes(axisItems(x)), right: showAxes(target) }, { label: describeTensor(x) });
  }
  checkSizes(x, target, span);
  const places = x.axes.map((name) => names.indexOf(name));
  return tensor(broadcast(builder, x.value, target, places), names);
}

function broadcast(builder: Builder, value: Value, target: readonly AxisItem[], places: readonly number[]): Value {
  const shape = target.map((a) => a.size!);
  return builder.make("broadcast", [value], { shape, axes: places }, { labels: target.map((a) => plainAxis(a.name)) });
}

function checkSizes(x: TensorVal, target: readonly AxisItem[], span: Span): void {
  x.axes.forEach((name, i) => {
    const wanted = target.find((a) => a.name === name)?.size;
    const size = x.value.shape[i]!;
    if (wanted !== undefined && wanted !== null && wanted !== size) {
      const help =
        size === 1 || wanted === 1 ? "an axis of size 1 is not stretched: take it away with `x[axis: 0]`, then it repeats" : undefined;
      fail(
        "shape/axis-mismatch",
        span,
        { axis: plainAxis(name), left: size, right: wanted },
        { label: describeTensor(x), ...(help === undefined ? {} : { help }) },
      );
    }
  });
}

/** The common axes of operands: those of the one with most, of which the others' are ordered subsets. */
export function commonAxes(operands: readonly TensorVal[], span: Span, spans: readonly Span[] = []): AxisItem[] {
  let widest = operands[0]!;
  for (const x of operands) if (x.axes.length > widest.axes.length) widest = x;
  const target = axisItems(widest);
  operands.forEach((x, i) => {
    const place = spans[i] ?? span;
    if (!isOrderedSubset(x.axes, widest.axes)) explainMismatch(x, widest, place, spans[operands.indexOf(widest)]);
    checkSizes(x, target, place);
  });
  return target;
}

function explainMismatch(x: TensorVal, widest: TensorVal, span: Span, other: Span | undefined): never {
  const alien = x.axes.filter((name) => !widest.axes.includes(name)).map(plainAxis);
  const missing = widest.axes.filter((name) => !x.axes.includes(name)).map(plainAxis);
  const sameSet = alien.length === 0;
  const help = sameSet
    ? `the order differs: \`order(x, [${widest.axes
        .filter((name) => x.axes.includes(name))
        .map(plainAxis)
        .join(", ")}])\``
    : alien.length === 1 && missing.length === 1
      ? `if \`${alien[0]}\` and \`${missing[0]}\` are the same axis: \`rename(x, ${alien[0]}: ${missing[0]})\`; for all pairs: \`expand(x, […])\``
      : "`rename` gives an axis the other's name; `expand(x, […])` repeats along missing axes";
  const related =
    other === undefined || (other.file === span.file && other.start === span.start) ? [] : [{ span: other, label: describeTensor(widest) }];
  fail(
    "shape/not-a-subset",
    span,
    { left: showAxes(axisItems(x)), right: showAxes(axisItems(widest)) },
    { label: describeTensor(x), help, related },
  );
}

/** The same numbers with the axes in another order. */
export function reorder(builder: Builder, x: TensorVal, names: readonly string[]): TensorVal {
  if (names.every((name, i) => name === x.axes[i])) return x;
  return tensor(
    builder.permute(
      x.value,
      names.map((name) => x.axes.indexOf(name)),
    ),
    names,
  );
}

/** The same value under other axis names. */
export function renameAxes(x: TensorVal, names: ReadonlyMap<string, string>): TensorVal {
  if (!x.axes.some((name) => names.has(name))) return x;
  const axes = x.axes.map((name) => names.get(name) ?? name);
  const quotient = x.quotient ? ([renameAxes(x.quotient[0], names), renameAxes(x.quotient[1], names)] as const) : undefined;
  return { ...x, axes, ...(quotient ? { quotient } : {}) };
}

export function requireUnique(names: readonly string[], span: Span): void {
  names.forEach((name, i) => {
    if (names.indexOf(name) !== i) fail("shape/duplicate-axis", span, { axis: plainAxis(name) });
  });
}
