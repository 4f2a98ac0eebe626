import type { Axis, Expr, NamedType, Param, TypeNode } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import { castTo, toTensor } from "./arithmetic.ts";
import { axisItems, isOrderedSubset, renameAxes, requireUnique, showAxes, spreadTo } from "./axes.ts";
import { argumentAxes, argumentValue, type CallArg, exprArg } from "./calls.ts";
import { evaluate, evaluateAxes } from "./expressions.ts";
import { fail } from "./failure.ts";
import { scalarType } from "./hostExpr.ts";
import type { Instance } from "./instance.ts";
import type { Scope } from "./scope.ts";
import { numbersOf, tableOf } from "./tables.ts";
import {
  type AxisItem,
  axesOf,
  describe,
  describeTensor,
  isNumeric,
  list,
  type NumericVal,
  none,
  plainAxis,
  type TensorVal,
  type Val,
} from "./values.ts";

// Calls of functions with declared types. Axes match by position around the row and take the callee's names; arguments that share a row are
// aligned by name; size variables are bound from the arguments; the result is checked against its declared sizes and takes the caller's
// names back. Names are local contracts: nothing of the caller's naming is visible inside, and nothing of the callee's leaks out.

export interface Callee {
  readonly name: string;
  readonly params: readonly Param[];
  readonly result: TypeNode | null;
  readonly scope: Scope; // where the body stands
  readonly owner: Instance | null; // whose sizes a signature may solve
  /** A function written inside a body: its size names are its own, whatever they mean around it, so it may take maps of different size. */
  readonly ownSizes?: true;
  /** Axis names that the body uses: a row axis of that name is renamed while inside. */
  readonly localNames: ReadonlySet<string>;
}
export interface BoundCall {
  readonly scope: Scope;
  readonly finish: (result: Val, span: Span) => Val;
}

const tensorTypes: Readonly<Record<string, "f32" | "i32" | "bool">> = { real: "f32", f32: "f32", f16: "f32", i32: "i32", bool: "bool" };

/** Follows `type` aliases; a record or tuple type stands for itself. */
export function resolveType(type: TypeNode, scope: Scope): { readonly type: TypeNode; readonly scope: Scope } {
  if (type.kind !== "namedType" || type.name.name in tensorTypes) return { type, scope };
  const alias = scope.lookup(type.name.name);
  return alias?.kind === "type" ? resolveType(alias.node, alias.scope) : { type, scope };
}

/** The dtype of a tensor type; undefined for other types. `Bool[batch]` is a tensor too. */
export function tensorDtype(type: NamedType): "f32" | "i32" | "bool" | undefined {
  const { name } = type.name;
  if (name in tensorTypes) return tensorTypes[name];
  if (type.axes === null) return undefined;
  return { Int: "i32", Real: "f32", Bool: "bool" }[name] as "f32" | "i32" | "bool" | undefined;
}

/** Which argument belongs to which parameter, by position and by name. */
export function matchArguments(
  callee: string,
  params: readonly { readonly name: string }[],
  args: readonly CallArg[],
  span: Span,
): Map<string, CallArg> {
  const byName = new Map<string, CallArg>();
  let next = 0;
  for (const arg of args) {
    if (arg.name === null) {
      // a position that was already given by name is skipped: `standardize(x, over: h, eps)`
      while (params[next] !== undefined && byName.has(params[next]!.name)) next++;
      const param = params[next++];
      if (param === undefined) {
        fail("call/too-many-arguments", arg.span, { callee, most: params.length, given: args.filter((a) => a.name === null).length });
      }
      byName.set(param.name, arg);
      continue;
    }
    const { name } = arg;
    if (!params.some((p) => p.name === name)) {
      const near = nearest(
        name,
        params.map((p) => p.name),
      );
      const known = params.map((p) => `\`${p.name}\``).join(", ");
      fail(
        "call/unknown-argument",
        arg.span,
        { callee, name },
        { help: near ? `did you mean \`${near}\`?` : known === "" ? "it takes none" : `it takes ${known}` },
      );
    }
    if (byName.has(name)) fail("call/duplicate-argument", arg.span, { name });
    byName.set(name, arg);
  }
  void span;
  return byName;
}

interface TensorParam {
  readonly param: Param;
  readonly type: NamedType;
  readonly dtype: "f32" | "i32" | "bool";
  readonly value: NumericVal;
  readonly span: Span;
}
interface RowPiece {
  readonly axes: readonly AxisItem[];
  readonly span: Span;
}

/** The sizes, rows and names that one call binds. */
class CallNames {
  readonly sizes = new Map<string, { readonly value: number; readonly span: Span }>();
  readonly rows = new Map<string, readonly AxisItem[]>(); // under the callee's names
  readonly toCallee = new Map<string, string>();
  readonly toCaller = new Map<string, string>();
  readonly axesValues = new Map<string, readonly AxisItem[]>();
  readonly callee: Callee;
  sizeScope: Scope;

  constructor(callee: Callee) {
    this.callee = callee;
    this.sizeScope = callee.scope;
  }

  /** Binds or checks the size that a signature writes for an axis. */
  bindSize(expr: Expr, axis: string, actual: number, span: Span, shown: string): void {
    if (expr.kind !== "name") {
      const wanted = this.trySize(expr);
      if (wanted !== undefined && wanted !== actual) this.mismatch(axis, actual, wanted, span, shown, expr.span, describeSize(expr));
      return;
    }
    const { name } = expr;
    const { owner, scope } = this.callee;
    const bound = this.sizes.get(name);
    if (bound) {
      if (bound.value !== actual) this.mismatch(axis, actual, bound.value, span, shown, bound.span, `this made \`${name}\` ${bound.value}`);
      return;
    }
    if (owner?.sizeNames.has(name)) {
      const solved = owner.sizes.get(name);
      if (solved && solved.value !== actual) {
        fail(
          "shape/reused-with-two-sizes",
          span,
          { size: name, left: solved.value, right: actual },
          {
            label: `\`${name}\` is ${actual} here`,
            related: [{ span: solved.span, label: `the first use made it ${solved.value}` }],
            help: `the parameters of this \`${owner.module.name.name}\` have one shape; a second one needs a part of its own`,
          },
        );
      }
      if (!solved) owner.sizes.set(name, { value: actual, span });
      this.sizes.set(name, { value: actual, span });
      return;
    }
    const known = this.callee.ownSizes ? undefined : scope.lookupSize(name);
    if (known !== undefined && known !== actual) this.mismatch(axis, actual, known, span, shown, expr.span, `\`${name}\` is ${known}`);
    this.sizes.set(name, { value: actual, span });
  }

  private mismatch(axis: string, left: number, right: number, span: Span, shown: string, there: Span, label: string): never {
    fail("shape/axis-mismatch", span, { axis, left, right }, { label: shown, related: [{ span: there, label }] });
  }

  private trySize(expr: Expr): number | undefined {
    const scope = this.sizeScope.child({ sizes: new Map([...this.sizes].map(([name, s]) => [name, s.value])) });
    if (!namesIn(expr).every((name) => scope.lookup(name) !== undefined)) return undefined;
    return sizeOf(expr, scope);
  }
}

function describeSize(expr: Expr): string {
  return expr.kind === "number" ? `declared as ${expr.value}` : "declared here";
}

/** Every name that an expression mentions. */
export function namesIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(namesIn);
  if (typeof node !== "object" || node === null) return [];
  const record = node as Readonly<Record<string, unknown>>;
  if (record.kind === "name") return [record.name as string];
  return Object.entries(record).flatMap(([key, value]) => (key === "span" ? [] : namesIn(value)));
}

/** A size: a compile-time whole number that is not negative. */
export function sizeOf(expr: Expr, scope: Scope): number {
  if (expr.kind === "name") {
    const known = scope.lookupSize(expr.name);
    if (known !== undefined) return known;
    const val = scope.lookup(expr.name);
    if (val === undefined) fail("shape/not-determined", expr.span, { size: expr.name });
  }
  const val = compileNumber(evaluate(expr, scope), expr.span, scope, "a size");
  if (!Number.isInteger(val) || val < 0) fail("shape/not-whole", expr.span, { what: "this size", value: val });
  return val;
}

/** A number known when compiling; a host number of finite domain makes alternatives. */
export function compileNumber(val: Val, span: Span, scope: Scope, what: string): number {
  if (val.kind === "number") return val.value;
  if (val.kind === "bool") return Number(val.value);
  if (val.kind === "host" && scope.session.choices && val.type !== "text")
    return Number(scope.session.choices.settle(val.expr, val.type === "bool", what, span));
  if (val.kind === "host") fail("time/host-value-needed", span, { what });
  fail("type/mismatch", span, { found: describe(val), expected: `${what} known when compiling` });
}

// ---- binding -----------------------------------------------------------------------------------------------------------------------

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
  const axesParams: { readonly name: string; readonly value: Extract<Val, { kind: "axes" }> }[] = [];
  const defaults: Param[] = [];
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
    const written = argumentValue(arg);
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
    } else values.set(param.name.name, bindValue(type, typeScope, value, arg.span));
  }
  const scalars = new Map([...values].filter(([, v]) => v.kind === "number"));
  for (const t of tensors) if (t.value.kind === "number" && (t.type.axes ?? []).length === 0) scalars.set(t.param.name.name, t.value);
  names.sizeScope = scope.child({ values: scalars });
  bindTensors(names, tensors, values);
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
  return { scope: body, finish: (result, at) => finishResult(names, result, at) };
}

/** A list of numbers where a tensor is declared. */
function listAsTensor(
  type: NamedType,
  dtype: "f32" | "i32" | "bool",
  value: Extract<Val, { kind: "list" }>,
  span: Span,
  scope: Scope,
): Val {
  const axes = (type.axes ?? []).map((axis) => ({ name: axisName(axis), size: null }));
  if (numbersOf(value) === undefined || (type.axes ?? []).some((a) => a.kind === "rowAxis")) return value;
  return tableOf(scope.session, value, axes, span, dtype === "i32" ? "i32" : "f32");
}

function isDim(type: TypeNode): boolean {
  return type.kind === "namedType" && type.name.name === "Dim" && type.axes === null;
}
function isOptional(type: TypeNode): boolean {
  return type.kind !== "error" && type.optional;
}

/** Checks a value that is no tensor against its declared type; tensors inside lists and records take the declared names. */
export function bindValue(type: TypeNode, scope: Scope, value: Val, span: Span): Val {
  if (type.kind === "recordType" && value.kind === "record") return bindElement(type, scope, value, span);
  if (type.kind !== "namedType") return value;
  const mismatch = (expected: string): never => fail("type/mismatch", span, { found: describe(value), expected });
  switch (type.name.name) {
    case "Int":
    case "Dim":
      if (value.kind === "number" && !Number.isInteger(value.value)) mismatch("a whole number");
      if (value.kind === "host" && value.type === "real") mismatch("a whole number");
      if (value.kind === "text" || value.kind === "list") mismatch("a whole number");
      return value;
    case "Real":
      if (value.kind !== "schedule" && value.kind !== "scheduleItem" && !isNumeric(value)) mismatch("a number");
      return value;
    case "Bool":
      if (scalarType(value) !== "bool") mismatch("a Bool");
      return value;
    case "Text":
    case "Path":
      if (scalarType(value) !== "text" && value.kind !== "itemFact") mismatch("a text");
      return value;
    case "List": {
      if (value.kind !== "list") mismatch("a list");
      const element = type.args[0]?.value;
      if (value.kind !== "list" || element === undefined || element.kind === "number") return value;
      return list(value.items.map((item) => bindElement(element, scope, item, span)));
    }
    default:
      return value;
  }
}

/** An element of a declared list, or a record: tensors take the declared axis names, and size variables are bound for this element alone. */
function bindElement(element: TypeNode, scope: Scope, item: Val, span: Span): Val {
  const { type, scope: typeScope } = resolveType(element, scope);
  if (type.kind === "recordType" && item.kind === "record") {
    const sizes = new Map<string, number>();
    const fields = new Map(item.fields);
    for (const field of type.fields) {
      const value = item.fields.get(field.name.name);
      if (value === undefined)
        fail(
          "type/no-field",
          span,
          { what: describe(item), name: field.name.name },
          { related: [{ span: field.name.span, label: "declared here" }] },
        );
      const bound = bindElement(field.type, typeScope, value, span);
      fields.set(field.name.name, bound);
      if (bound.kind === "tensor") for (const [name, size] of namedSizes(field.type, bound)) sizes.set(name, size);
    }
    return { kind: "record", fields, sizes };
  }
  if (type.kind !== "namedType" || tensorDtype(type) === undefined || item.kind !== "tensor") return bindValue(type, typeScope, item, span);
  const axes = type.axes ?? [];
  const rowAt = axes.findIndex((a) => a.kind === "rowAxis");
  const fixed = axes.length - (rowAt < 0 ? 0 : 1);
  if (rowAt < 0 ? fixed !== item.axes.length : fixed > item.axes.length)
    fail("shape/rank", span, { found: describeTensor(item), expected: showType(type) });
  return renameAxes(item, new Map(placedAxes(axes, item).map(({ axis, name }) => [name, axisName(axis)])));
}

/** The declared axes of a type with the axes of a tensor that stand in their places, counted around the row. */
function placedAxes(axes: readonly Axis[], x: TensorVal): { readonly axis: Axis; readonly name: string; readonly size: number }[] {
  const rowAt = axes.findIndex((a) => a.kind === "rowAxis");
  return axes.flatMap((axis, i) => {
    if (axis.kind === "rowAxis") return [];
    const place = rowAt < 0 || i < rowAt ? i : x.axes.length - axes.length + i;
    return [{ axis, name: x.axes[place]!, size: x.value.shape[place]! }];
  });
}

/** The sizes that a type gives names to: `h2` of `real[c, h: h2]`. */
function namedSizes(type: TypeNode, x: TensorVal): [string, number][] {
  if (type.kind !== "namedType") return [];
  return placedAxes(type.axes ?? [], x).flatMap(({ axis, size }): [string, number][] =>
    axis.kind === "namedAxis" && axis.value.kind === "name" ? [[axis.value.name, size]] : [],
  );
}

function axisName(axis: Axis): string {
  if (axis.kind === "rowAxis") return axis.name.name;
  if (axis.name) return axis.name.name;
  if (axis.value.kind === "name") return axis.value.name;
  fail("shape/unnamed-axis", axis.span, {});
}

function bindTensors(names: CallNames, tensors: readonly TensorParam[], values: Map<string, Val>): void {
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
  // names first, then expressions over them, so that `rows: rows * times` does not depend on the order of parameters
  for (const bind of later) bind();
  for (const bind of later) bind();
  const taken = new Set([
    ...callee.localNames,
    ...tensors.flatMap((t) => (t.type.axes ?? []).filter((a) => a.kind === "namedAxis").map(axisName)),
  ]);
  for (const [row, parts] of pieces) names.rows.set(row, joinRow(names, parts, taken));
  for (const t of tensors) values.set(t.param.name.name, insideTensor(names, t));
}

/** The row of all arguments that share it: the longest, of which the others are ordered subsets. Names that the callee uses are changed. */
function joinRow(names: CallNames, parts: readonly RowPiece[], taken: ReadonlySet<string>): AxisItem[] {
  if (parts.length === 0) return [];
  let longest = parts[0]!;
  for (const part of parts) if (part.axes.length > longest.axes.length) longest = part;
  for (const part of parts) {
    if (
      !isOrderedSubset(
        part.axes.map((a) => a.name),
        longest.axes.map((a) => a.name),
      )
    ) {
      fail(
        "shape/not-a-subset",
        part.span,
        { left: showAxes(part.axes), right: showAxes(longest.axes) },
        {
          label: "these leading axes",
          related: [{ span: longest.span, label: "should line up with these" }],
          help: "arguments that share a row are aligned by name: rename one, or `expand` it",
        },
      );
    }
    for (const axis of part.axes) {
      const other = longest.axes.find((a) => a.name === axis.name)!;
      if (other.size !== axis.size) {
        fail(
          "shape/axis-mismatch",
          part.span,
          { axis: plainAxis(axis.name), left: axis.size!, right: other.size! },
          { related: [{ span: longest.span, label: showAxes(longest.axes) }] },
        );
      }
    }
  }
  return longest.axes.map((axis) => {
    // an axis of the caller that another argument gives a declared name is the same axis inside
    const declared = names.toCallee.get(axis.name);
    if (declared !== undefined) return { name: declared, size: axis.size };
    const inner = taken.has(axis.name) ? `${plainAxis(axis.name)}~${names.callee.scope.session.freshAxes++}` : axis.name;
    names.toCallee.set(axis.name, inner);
    names.toCaller.set(inner, axis.name);
    return { name: inner, size: axis.size };
  });
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

/** A type as written, shortened to what a message needs. */
export function showType(type: TypeNode): string {
  if (type.kind !== "namedType") return type.kind === "recordType" ? "a record" : type.kind === "tupleType" ? "a tuple" : "?";
  if (type.axes === null) return type.name.name;
  const axes = type.axes.map((a) => {
    if (a.kind === "rowAxis") return `...${a.name.name}`;
    const size = a.value.kind === "number" ? String(a.value.value) : a.value.kind === "name" ? a.value.name : "…";
    return a.name === null || a.name.name === size ? size : `${a.name.name}: ${size}`;
  });
  return `${type.name.name}[${axes.join(", ")}]`;
}

// ---- results -----------------------------------------------------------------------------------------------------------------------

function finishResult(names: CallNames, result: Val, span: Span): Val {
  const { callee } = names;
  if (callee.result === null) return outside(names, result);
  const { type, scope } = resolveType(callee.result, callee.scope);
  if (type.kind !== "namedType" || tensorDtype(type) === undefined) return outside(names, bindValue(type, scope, result, span));
  if (!isNumeric(result))
    fail(
      "type/mismatch",
      span,
      { found: describe(result), expected: showType(type) },
      { related: [{ span: callee.result.span, label: "the declared result" }] },
    );
  return outside(names, checkResult(names, type, result, span));
}

function checkResult(names: CallNames, type: NamedType, result: NumericVal, span: Span): Val {
  const { session } = names.callee.scope;
  const expected = resultAxes(names, type, result);
  if (result.kind !== "tensor") {
    if (expected.length === 0) return result;
    return session.at(span, () => spreadTo(session.builder, toTensor(session, result, tensorDtype(type)!), expected, span));
  }
  const wanted = expected.map((a) => a.name);
  const related = [{ span: type.span, label: "the declared result" }];
  if (wanted.join() !== result.axes.join()) {
    const found = describeTensor(result);
    if (wanted.length === result.axes.length && wanted.every((name) => result.axes.includes(name))) {
      fail(
        "shape/axis-order",
        span,
        { found, expected: showAxes(expected) },
        { related, help: `\`order(x, [${wanted.map(plainAxis).join(", ")}])\` puts them in the declared order` },
      );
    }
    fail("shape/result-axes", span, { found, expected: showAxes(expected) }, { related });
  }
  expected.forEach((axis, i) => {
    const size = result.value.shape[i]!;
    if (axis.size !== null && axis.size !== size)
      fail(
        "shape/axis-mismatch",
        span,
        { axis: plainAxis(axis.name), left: size, right: axis.size },
        { related, label: describeTensor(result) },
      );
  });
  const dtype = tensorDtype(type)!;
  if (dtype === "i32" && result.value.dtype === "f32") {
    fail(
      "type/mismatch",
      span,
      { found: describeTensor(result), expected: showType(type) },
      { related, help: "`floor`, `ceil` or `round` make whole numbers" },
    );
  }
  return session.at(span, () => castTo(session, result, dtype));
}

/** What the declared result says; a row that no argument binds is whatever axes are left between the named ones. */
function resultAxes(names: CallNames, type: NamedType, result: NumericVal): AxisItem[] {
  const axes = type.axes ?? [];
  const scope = names.sizeScope;
  return axes.flatMap((axis, i): readonly AxisItem[] => {
    if (axis.kind === "rowAxis") {
      const row = names.rows.get(axis.name.name);
      if (row) return row;
      return result.kind === "tensor" ? axisItems(result).slice(i, result.axes.length - (axes.length - 1 - i)) : [];
    }
    if (axis.name === null && axis.value.kind === "name") {
      const spliced = names.axesValues.get(axis.value.name);
      if (spliced) return spliced;
    }
    const free = axis.value.kind === "name" && scope.lookupSize(axis.value.name) === undefined;
    return [{ name: axisName(axis), size: free ? null : sizeOf(axis.value, scope) }];
  });
}

/** Everything in a result under the caller's names again. */
function outside(names: CallNames, val: Val): Val {
  switch (val.kind) {
    case "tensor": {
      const back = new Map<string, string>();
      const used = new Set<string>();
      for (const name of val.axes) {
        const caller = names.toCaller.get(name) ?? name;
        const chosen = used.has(caller) ? name : caller;
        used.add(chosen);
        back.set(name, chosen);
      }
      return renameAxes(val, back);
    }
    case "list":
    case "tuple":
      return { kind: val.kind, items: val.items.map((item) => outside(names, item)) };
    case "record":
      return { kind: "record", fields: new Map([...val.fields].map(([k, v]) => [k, outside(names, v)])) };
    default:
      return val;
  }
}
