import type { IndexItem } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import type { Value } from "../ir/value.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { axisIndex, axisItems, reorder, requireUnique, spreadTo } from "./axes.ts";
import { evaluate } from "./expressions.ts";
import { fail, unsupported } from "./failure.ts";
import { gatherFrom } from "./gathers.ts";
import { fromHost, hostNumber, itemOf } from "./hostExpr.ts";
import { indexPrompt } from "./prompts.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { compileNumber } from "./sizes.ts";
import { tableOf } from "./tables.ts";
import {
  describe,
  describeTensor,
  isNumeric,
  list,
  type NumberVal,
  number,
  type PromptVal,
  plainAxis,
  type RangeVal,
  type TensorVal,
  tensor,
  type Val,
} from "./values.ts";

// Indexing by name: `x[axis: i]` with a number, a static range or whole-number tensors (gather), and `put`, its inverse for rows.

export function indexValue(base: Val, indices: readonly IndexItem[], span: Span, scope: Scope): Val {
  if (base.kind === "list" || base.kind === "tuple") return indexList(base.items, indices, span, scope);
  if (base.kind === "record") {
    // field by field, where a field has the axis
    const names = indices.map((i) => i.name?.name);
    const fields = new Map<string, Val>();
    for (const [name, field] of base.fields) {
      const fits = field.kind === "tensor" && names.every((axis) => axis === undefined || field.axes.includes(axis));
      fields.set(name, fits ? indexValue(field, indices, span, scope) : field);
    }
    return { kind: "record", fields };
  }
  if (base.kind === "prompt") {
    return indices.reduce((prompt: PromptVal, item) => {
      if (item.name === null || item.value === null || item.row)
        fail("type/mismatch", item.span, { found: "this index", expected: "an axis and a number: `p[kind: 0]`" });
      return indexPrompt(prompt, item.name.name, compileNumber(evaluate(item.value, scope), item.span, scope, "an index"), item.span);
    }, base);
  }
  if (base.kind !== "tensor") fail("type/mismatch", span, { found: describe(base), expected: "a list or a tensor" });
  let result: Val = base;
  for (const item of indices) {
    if (result.kind !== "tensor") fail("type/mismatch", item.span, { found: describe(result), expected: "a tensor" });
    if (item.row) unsupported("a row as an index", item.span);
    if (item.value === null) continue; // `*`: all of it
    const axis: string = item.name?.name ?? soleAxis(result, item.span);
    result = indexAxis(scope, result, axis, evaluate(item.value, scope), item.span);
  }
  return result;
}

function soleAxis(x: TensorVal, span: Span): string {
  if (x.axes.length !== 1) fail("shape/unnamed-index", span, { found: describeTensor(x) });
  return x.axes[0]!;
}

function indexList(items: readonly Val[], indices: readonly IndexItem[], span: Span, scope: Scope): Val {
  const [index] = indices;
  if (indices.length !== 1 || !index || index.name !== null || index.row)
    fail("type/mismatch", span, { found: "this index", expected: "one number or one range: a list has no axes" });
  if (index.value === null) return list(items);
  const at = evaluate(index.value, scope);
  if (at.kind === "range") {
    const { start, size } = bounds(at, items.length, index.span, scope);
    return list(items.slice(start, start + size));
  }
  const i = compileNumber(at, index.span, scope, "a list index");
  const place = i < 0 ? i + items.length : i;
  const item = items[place];
  if (item === undefined) fail("index/out-of-range", index.span, { index: i, size: items.length });
  return item;
}

/** `a..b`, `a..`, with ends counted from the back where they are negative. */
function bounds(range: RangeVal, length: number, span: Span, scope: Scope): { readonly start: number; readonly size: number } {
  const from = compileNumber(range.from, span, scope, "the start of a range");
  const to = range.to === null ? length : compileNumber(range.to, span, scope, "the end of a range");
  const start = from < 0 ? from + length : from;
  const end = to < 0 ? to + length : to;
  for (const [bound, value] of [
    [from, start],
    [to, end],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > length) fail("index/out-of-range", span, { index: bound, size: length });
  }
  if (end < start) fail("index/out-of-range", span, { index: to, size: length });
  return { start, size: end - start };
}

/** One axis of a tensor by a number, a range, a list of numbers or an index tensor. */
function indexAxis(scope: Scope, x: TensorVal, axis: string, index: Val, span: Span): Val {
  const { session } = scope;
  const { builder } = session;
  const at = axisIndex(x, axis, span);
  const size = x.value.shape[at]!;
  const without = x.axes.toSpliced(at, 1);
  if (index.kind === "host" && index.expr.kind === "perRun" && x.value.op === "table" && x.axes.length === 1) {
    // A known table gives known numbers, one for each run of a loop.
    const numbers = index.expr.of.map((one) => (one.kind === "number" ? indexAxis(scope, x, axis, number(one.value), span) : null));
    if (numbers.every((n) => n?.kind === "number"))
      return fromHost(
        itemOf(
          index.expr.loop,
          numbers.map((n) => hostNumber((n as NumberVal).value)),
        ),
        x.value.dtype === "i32" ? "int" : "real",
      );
  }
  if (index.kind === "number") {
    const i = index.value < 0 ? index.value + size : index.value;
    if (!Number.isInteger(i) || i < 0 || i >= size) fail("index/out-of-range", span, { index: index.value, size });
    if (x.value.op === "table" && x.axes.length === 1) return number(x.value.attrs.data[i]!); // a known table gives known numbers
    const one = session.at(span, () => builder.sliceAxis(x.value, at, i, 1));
    const shape = x.value.shape.toSpliced(at, 1);
    return tensor(
      session.at(span, () => builder.reshape(one, shape, without.map(plainAxis))),
      without,
    );
  }
  if (index.kind === "range") {
    const { start, size: count } = bounds(index, size, span, scope);
    return tensor(
      session.at(span, () => builder.sliceAxis(x.value, at, start, count)),
      x.axes,
    );
  }
  if (index.kind === "list") return indexAxis(scope, x, axis, tableOf(session, index, [{ name: axis, size: null }], span, "i32"), span);
  if (!isNumeric(index)) fail("type/mismatch", span, { found: describe(index), expected: "a number, a range or whole numbers" });
  const places = toTensor(session, index, "i32");
  if (index.kind === "tensor" && index.value.dtype === "f32") {
    fail(
      "type/mismatch",
      span,
      { found: describeTensor(index), expected: "whole numbers" },
      { help: "`floor`, `ceil` or `round` make whole numbers" },
    );
  }
  return gather(session, x, axis, places, span);
}

interface Shared {
  readonly batch: readonly string[]; // axes that x and the index share
  readonly own: readonly string[]; // the index's own axes
  readonly x: TensorVal; // shared axes first
  readonly index: TensorVal; // shared axes first
  readonly axis: number; // of the indexed axis in `x`
}

function share(session: Session, x: TensorVal, axis: string, index: TensorVal, span: Span): Shared {
  const batch = x.axes.filter((name) => name !== axis && index.axes.includes(name));
  for (const name of batch) {
    const [left, right] = [x.value.shape[x.axes.indexOf(name)]!, index.value.shape[index.axes.indexOf(name)]!];
    if (left !== right) fail("shape/axis-mismatch", span, { axis: plainAxis(name), left, right });
  }
  const own = index.axes.filter((name) => !batch.includes(name));
  const front = session.at(span, () => reorder(session.builder, x, [...batch, ...x.axes.filter((name) => !batch.includes(name))]));
  const places = session.at(span, () => reorder(session.builder, index, [...batch, ...own]));
  return { batch, own, x: front, index: places, axis: front.axes.indexOf(axis) };
}

function gather(session: Session, x: TensorVal, axis: string, index: TensorVal, span: Span): TensorVal {
  const shared = share(session, x, axis, index, span);
  const made = session.at(span, () => gatherFrom(session.builder, shared.x.value, shared.index.value, shared.axis, shared.batch.length));
  const names = shared.x.axes.flatMap((name) => (name === axis ? shared.own : [name]));
  const natural = x.axes.flatMap((name) => (name === axis ? shared.own : [name]));
  requireUnique(natural, span);
  return session.at(span, () => reorder(session.builder, tensor(made, names), natural));
}

/** `put(x, axis: at, value)`: rows of `x` replaced; an index outside writes nowhere. */
export function putRows(session: Session, x: TensorVal, axis: string, at: Val, value: Val, span: Span): TensorVal {
  const { builder } = session;
  if (!isNumeric(at) || !isNumeric(value))
    fail("type/mismatch", span, { found: describe(isNumeric(at) ? value : at), expected: "a number or a tensor" });
  axisIndex(x, axis, span);
  const index = toTensor(session, at, "i32");
  const shared = share(session, x, axis, index, span);
  const size = shared.x.value.shape[shared.axis]!;
  const batch = shared.batch.length;
  const target = axisItems(shared.x).flatMap((item) =>
    item.name === axis ? shared.own.map((name) => ({ name, size: index.value.shape[index.axes.indexOf(name)]! })) : [item],
  );
  const rows = toTensor(session, value, x.value.dtype === "i32" ? "i32" : "f32");
  return session.at(span, () => {
    const names = target.map((t) => t.name).filter((name) => rows.axes.includes(name));
    // axes that `x` does not have stay where they are, and are complained about
    const ordered = names.length === rows.axes.length ? reorder(builder, rows, names) : rows;
    const updates = spreadTo(builder, ordered, target, span).value;
    const placed: Value = builder.scatterAdd(shared.index.value, updates, { axis: shared.axis, size, batch });
    const ones = builder.splat(1, shared.index.value.shape, "i32");
    const hits = builder.scatterAdd(shared.index.value, ones, { axis: batch, size, batch });
    const mask = tensor(builder.gt(hits, 0), [...shared.batch, axis]);
    const full = spreadTo(builder, mask, axisItems(shared.x), span);
    const old = castTo(session, shared.x, placed.dtype);
    return reorder(builder, tensor(builder.where(full.value, placed, old.value), shared.x.axes), x.axes);
  });
}
