import type { Axis, NamedType, Param } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { matchArguments } from "./arguments.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { axisItems, requireUnique, spreadTo } from "./axes.ts";
import { type Callee, CallNames, joinRow, type RowPiece } from "./callNames.ts";
import { argumentAxes, argumentValue, type CallArg, exprArg } from "./calls.ts";
import { evaluate, evaluateAxes } from "./expressions.ts";
import { fail } from "./failure.ts";
import { scalarType } from "./hostExpr.ts";
import { requireSlots } from "./prompts.ts";
import { finishResult, rowsOutside } from "./results.ts";
import type { Scope } from "./scope.ts";
import { sizeOf } from "./sizes.ts";
import { axisName, bindValue, isDim, isOptional, listAsTensor, type RowNames, resolveType, showType, tensorDtype } from "./typeNodes.ts";
import {
  type AxisItem,
  axesOf,
  describe,
  describeTensor,
  isNumeric,
  type NumericVal,
  none,
  type PromptVal,
  plainAxis,
  type TensorVal,
  type Val,
} from "./values.ts";

// Calls of functions with declared types. Axes match by position around the row and take the callee's names; arguments that share a row are
// aligned by name; size variables are bound from the arguments; the result is checked against its declared sizes and takes the caller's
// names back. Names are local contracts: nothing of the caller's naming is visible inside, and nothing of the callee's leaks out.

export interface BoundCall {
  readonly scope: Scope;
  readonly finish: (result: Val, span: Span) => Val;
  /** A value from inside whose row axes take the caller's names again; all other axes stay. */
  readonly rowsOutside: (val: Val) => Val;
}

interface TensorParam {
  readonly param: Param;
  readonly type: NamedType;
  readonly dtype: "f32" | "i32" | "bool";
  readonly value: NumericVal;
  readonly span: Span;
}

interface PromptParam {
  readonly param: Param;
  readonly type: NamedType;
  readonly value: PromptVal;
  readonly span: Span;
}

/** A value that may be absent: whether it is there is decided here, which makes alternatives. */
function forced(val: Val, span: Span, scope: Scope): Val {
  if (val.kind !== "maybe") return val;
  if (!scope.session.choices) fail("time/host-value-needed", span, { what: "whether this is there" });
  return scope.session.choices.settle(val.present, true, "whether this is there", span) ? val.value : none;
}

/** Evaluates and binds the arguments of a call; `finish` checks and renames its result. */
export function bindCall(callee: Callee, args: readonly CallArg[], span: Span): BoundCall {
  const { scope } = callee;
  const given = matchArguments(
    callee.name,
    callee.params.map((p) => ({ name: p.name.name })),
    args,
    span,
  );
  const names = new CallNames(callee);
  const values = new Map<string, Val>();
  const tensors: TensorParam[] = [];
  const prompts: PromptParam[] = [];
  const axesParams: { readonly name: string; readonly value: Extract<Val, { kind: "axes" }> }[] = [];
  const defaults: Param[] = [];
  const structured: { readonly name: string; readonly bind: (rowName: RowNames) => Val }[] = [];
  for (const param of callee.params) {
    const { type, scope: typeScope } = resolveType(param.type, scope);
    const dtype = type.kind === "namedType" ? tensorDtype(type) : undefined;
    let arg = given.get(param.name.name);
    if (arg === undefined && dtype !== undefined && param.default?.kind === "bracket") arg = exprArg(param.default, scope);
    if (arg === undefined) {
      if (param.default !== null) defaults.push(param);
      else if (!isDim(type)) {
        if (isOptional(type)) values.set(param.name.name, none);
        else
          fail(
            "call/missing-argument",
            span,
            { callee: callee.name, name: param.name.name },
            { related: [{ span: param.span, label: "declared here, without a default" }] },
          );
      }
      continue;
    }
    if (type.kind === "namedType" && type.name.name === "Axes") {
      const value = argumentAxes(arg);
      axesParams.push({ name: param.name.name, value });
      continue;
    }
    const written = forced(argumentValue(arg), arg.span, scope);
    const value =
      type.kind === "namedType" && dtype !== undefined && written.kind === "list"
        ? listAsTensor(type, dtype, written, arg.span, scope)
        : written;
    if (value.kind === "none" && isOptional(type)) values.set(param.name.name, none);
    else if (type.kind === "namedType" && dtype !== undefined) {
      if (!isNumeric(value))
        fail(
          "type/mismatch",
          arg.span,
          { found: describe(value), expected: showType(type) },
          { related: [{ span: param.span, label: "the parameter" }] },
        );
      tensors.push({ param, type, dtype, value, span: arg.span });
    } else if (value.kind === "prompt") {
      if (type.kind !== "namedType" || type.name.name !== "Prompt")
        fail(
          "type/mismatch",
          arg.span,
          { found: describe(value), expected: showType(type) },
          { related: [{ span: param.span, label: "the parameter" }] },
        );
      requireSlots(type, value, arg.span);
      prompts.push({ param, type, value, span: arg.span });
    } else if (type.kind === "namedType" && type.name.name === "Prompt" && value.kind !== "none") {
      fail(
        "type/mismatch",
        arg.span,
        { found: describe(value), expected: "a prompt" },
        { related: [{ span: param.span, label: "the parameter" }] },
      );
    } else if (value.kind === "record" || value.kind === "list" || value.kind === "tuple") {
      const { span: at } = arg;
      structured.push({ name: param.name.name, bind: (rowName) => bindValue(type, typeScope, value, at, rowName) });
    } else values.set(param.name.name, bindValue(type, typeScope, value, arg.span));
  }
  const scalars = new Map([...values].filter(([, v]) => v.kind === "number"));
  for (const t of tensors) if (t.value.kind === "number" && (t.type.axes ?? []).length === 0) scalars.set(t.param.name.name, t.value);
  names.sizeScope = scope.child({ values: scalars });
  bindTensors(names, tensors, prompts, values);
  // rows inside of records and lists keep the caller's names, unless a tensor has brought the axis in under another one
  for (const { name, bind } of structured)
    values.set(
      name,
      bind((axis) => names.toCallee.get(axis) ?? axis),
    );
  for (const { name, value } of axesParams) {
    const axes = value.axes.map((a) => ({ ...a, name: names.toCallee.get(a.name) ?? a.name }));
    names.axesValues.set(name, axes);
    values.set(name, axesOf(axes));
  }
  const sizes = new Map([...names.sizes].map(([name, s]) => [name, s.value]));
  let body = scope.child({ sizes, rows: names.rows, values });
  for (const param of defaults) {
    const { type, scope: typeScope } = resolveType(param.type, scope);
    if (type.kind === "namedType" && type.name.name === "Axes") {
      const value = evaluateAxes(param.default!, body);
      names.axesValues.set(param.name.name, value.axes);
      body = body.with(param.name.name, value);
      continue;
    }
    const value = evaluate(param.default!, body);
    body = body.with(param.name.name, value.kind === "none" ? none : bindValue(type, typeScope, value, param.default!.span));
    if (value.kind === "number") names.sizeScope = names.sizeScope.with(param.name.name, value);
  }
  names.sizeScope = names.sizeScope.child({ sizes, rows: names.rows });
  return { scope: body, finish: (result, at) => finishResult(names, result, at), rowsOutside: (val) => rowsOutside(names, val) };
}

function bindTensors(names: CallNames, tensors: readonly TensorParam[], prompts: readonly PromptParam[], values: Map<string, Val>): void {
  const { callee } = names;
  const pieces = new Map<string, RowPiece[]>();
  const later: (() => void)[] = [];
  for (const t of tensors) {
    const axes = t.type.axes ?? [];
    const rowAt = axes.findIndex((a) => a.kind === "rowAxis");
    const row = rowAt < 0 ? null : (axes[rowAt] as Extract<Axis, { kind: "rowAxis" }>);
    if (row && !pieces.has(row.name.name)) pieces.set(row.name.name, []);
    if (t.value.kind !== "tensor") continue;
    const items = axisItems(t.value);
    const fixed = axes.length - (row ? 1 : 0);
    if (row ? items.length < fixed : items.length !== fixed) {
      fail(
        "shape/rank",
        t.span,
        { found: describeTensor(t.value), expected: showType(t.type) },
        { related: [{ span: t.param.span, label: "the parameter" }] },
      );
    }
    axes.forEach((axis, i) => {
      if (axis.kind === "rowAxis") return;
      const item = items[rowAt < 0 || i < rowAt ? i : items.length - axes.length + i]!;
      const name = axisName(axis);
      if (!names.toCallee.has(item.name)) names.toCallee.set(item.name, name);
      if (!names.toCaller.has(name)) names.toCaller.set(name, item.name);
      later.push(() => names.bindSize(axis.value, plainAxis(item.name), item.size!, t.span, describe(t.value)));
    });
    if (row) pieces.get(row.name.name)!.push({ axes: items.slice(rowAt, items.length - (axes.length - 1 - rowAt)), span: t.span });
  }
  for (const p of prompts) {
    const row = (p.type.axes ?? []).find((a) => a.kind === "rowAxis");
    if (row?.kind !== "rowAxis") continue;
    pieces.set(row.name.name, [...(pieces.get(row.name.name) ?? []), { axes: p.value.axes, span: p.span }]);
  }
  // names first, then expressions over them, so that `rows: rows * times` does not depend on the order of parameters
  for (const bind of later) bind();
  for (const bind of later) bind();
  const taken = new Set([
    ...callee.localNames,
    ...tensors.flatMap((t) => (t.type.axes ?? []).filter((a) => a.kind === "namedAxis").map(axisName)),
  ]);
  for (const [row, parts] of pieces) names.rows.set(row, joinRow(names, parts, taken));
  for (const t of tensors) values.set(t.param.name.name, insideTensor(names, t));
  for (const p of prompts)
    values.set(p.param.name.name, { ...p.value, axes: p.value.axes.map((a) => ({ name: names.rowAxis(a.name, taken), size: a.size })) });
}

/** The argument as the body sees it: the callee's names, the whole row, the declared dtype. */
function insideTensor(names: CallNames, t: TensorParam): Val {
  const { session } = names.callee.scope;
  const axes = t.type.axes ?? [];
  const rowAt = axes.findIndex((a) => a.kind === "rowAxis");
  const row = rowAt < 0 ? [] : names.rows.get((axes[rowAt] as Extract<Axis, { kind: "rowAxis" }>).name.name)!;
  const wanted = rowAt < 0 ? axes.length : axes.length - 1 + row.length;
  if (t.value.kind === "tensor") checkDtype(t, t.value);
  if (t.value.kind !== "tensor" && wanted === 0) {
    if (t.dtype === "i32" && (scalarType(t.value) === "real" || scalarType(t.value) === "text"))
      fail("type/mismatch", t.span, { found: describe(t.value), expected: "a whole number" });
    return t.value;
  }
  const target: AxisItem[] = axes.flatMap((axis): readonly AxisItem[] => {
    if (axis.kind === "rowAxis") return row;
    const name = axisName(axis);
    const outer =
      t.value.kind === "tensor"
        ? null
        : sizeOf(axis.value, names.sizeScope.child({ sizes: new Map([...names.sizes].map(([n, s]) => [n, s.value])) }));
    return [{ name, size: outer }];
  });
  if (t.value.kind !== "tensor")
    return session.at(t.span, () => spreadTo(session.builder, toTensor(session, t.value, t.dtype), target, t.span));
  const value = session.at(t.span, () => castTo(session, t.value as TensorVal, t.dtype));
  const ownRow = value.axes.length - (axes.length - (rowAt < 0 ? 0 : 1));
  const inner = value.axes.map((name, i) => {
    if (rowAt >= 0 && i >= rowAt && i < rowAt + ownRow) return names.toCallee.get(name)!;
    return axisName(axes[rowAt < 0 || i < rowAt ? i : axes.length - value.axes.length + i]!);
  });
  requireUnique(inner, t.span);
  const renamed = { ...value, axes: inner };
  const full = target.map((a) => (a.size === null ? { name: a.name, size: value.value.shape[inner.indexOf(a.name)]! } : a));
  return session.at(t.span, () => spreadTo(session.builder, renamed, full, t.span));
}

function checkDtype(t: TensorParam, value: TensorVal): void {
  const found = value.value.dtype;
  if (t.dtype === "i32" && found === "f32") {
    fail(
      "type/mismatch",
      t.span,
      { found: describeTensor(value), expected: showType(t.type) },
      { help: "`floor`, `ceil` or `round` make whole numbers" },
    );
  }
  if (t.dtype === "bool" && found !== "bool")
    fail("type/mismatch", t.span, { found: describeTensor(value), expected: showType(t.type) }, { help: "compare: `x > 0`" });
}
